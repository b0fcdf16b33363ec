#include "dirserver/dir_permit.h"

#include <algorithm>

namespace conclave::dir {
namespace {

// "/a/b" is {"a", "b"}. Neither dots nor empty names: one path names one place.
Result<std::vector<std::string_view>> names_of(std::string_view path) {
  const Error wrong(Errc::kInvalid, "a permit is for a whole path of names");
  if (path.size() > kMaxPermitPathBytes || !path.starts_with('/')) return wrong;
  std::vector<std::string_view> out;
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, end - at));
    TRY(check_name(out.back()));
    if (is_dots(out.back())) return wrong;
    at = end + 1;
  }
  return out;
}

}  // namespace

Result<PutPermit> permit_for(View& view, const Call& call, const v1::PermitPutRequest& request) {
  PutPermit out;
  out.holder = call.holder;
  out.uid = call.subject.uid;
  out.path = request.path();
  if (request.version().size() != out.version.size()) return Error(Errc::kInvalid, "a header's hash has 32 bytes");
  std::copy(request.version().begin(), request.version().end(), out.version.begin());
  InodeId at = kRootInode;
  for (const std::string_view name : TRY(names_of(out.path))) {
    TRY(searchable(view, call, at));
    at = TRY(find_entry(view, at, name)).name.inode;
    out.inodes.push_back(at);
  }
  if (raw(at) != request.secret()) return Error(Errc::kStale, "another inode is at " + out.path);
  const Node& secret = *TRY(view.node(at));
  if (!secret.is_regular() || secret.file_class != v1::SECRET) return Error(Errc::kInvalid, out.path + " is no secret");
  if (call.subject.uid != secret.uid) TRY(require(view, call, secret, kMayWrite));   // its owner may set the bits
  return out;
}

}  // namespace conclave::dir
