#include "cli/name_session.h"

#include <sys/stat.h>

namespace conclave::cli {
namespace {

// "/a/b" as {"/a", "b"}; the root has no name.
std::pair<std::string, std::string> split_last(const std::string& path) {
  const auto slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Result<std::unique_ptr<NameSession>> NameSession::open(Context& context, Transport& transport, const ClusterFile& cluster,
                                                       const std::string& label) {
  lock::v1::OpenSessionRequest request;
  request.set_nonce(context.random().u64());
  request.set_label(label);
  request.set_brief(true);
  const auto opened = TRY(lock::LockClient(transport, context.clock(), cluster.lock).open_session(request));
  return std::unique_ptr<NameSession>(
      new NameSession(context, transport, cluster, {SessionId{opened.session()}, opened.generation(), opened.pass()}));
}

NameSession::NameSession(Context& context, Transport& transport, const ClusterFile& cluster, dir::DirClient::Session session)
    : clock_(context.clock()),
      lock_(transport, context.clock(), cluster.lock),
      session_(session.id),
      dir_(transport, context.clock(), cluster.dir, std::move(session), context.waiter()) {}

NameSession::~NameSession() {
  lock::v1::CloseSessionRequest request;
  request.set_session(raw(session_));
  static_cast<void>(lock_.close_session(request));  // it would end by itself in half a minute
}

// `ticket`: of the parent, from its own look-up.
Result<dir::v1::Entry> NameSession::step(InodeId parent, const std::string& ticket, const std::string& name,
                                         const std::string& whole) {
  dir::v1::LookupRequest request;
  if (!ticket.empty()) request.mutable_caller()->add_tickets(ticket);
  request.set_parent(raw(parent));
  request.set_name(name);
  auto entry = dir_.lookup(request);
  if (!entry) return in_context(whole, std::move(entry).error());
  return entry;
}

Result<dir::v1::Entry> NameSession::find(const std::string& path) {
  if (path == "/") return step(kRootInode, "", ".", path);
  const auto [folder, name] = split_last(path);
  const auto parent = TRY(find(folder));
  return step(InodeId{parent.attr().inode()}, parent.ticket(), name, path);
}

Result<dir::v1::Entry> NameSession::find_or_make_folder(const std::string& path, std::uint32_t mode) {
  auto there = find(path);
  if (there) {
    if (S_ISDIR(there->attr().mode())) return there;
    return Error(Errc::kNotDirectory, path + " is no folder");
  }
  if (there.error().code != Errc::kNotFound) return there;
  const auto [folder, name] = split_last(path);
  const auto parent = TRY(find(folder));
  // Names change under the folder's exclusive lease, so that every mount that caches them hears of it.
  const auto names = TRY(lock::BriefLease::take(lock_, clock_, session_, InodeId{parent.attr().inode()}, LeaseMode::kDirWrite,
                                                parent.ticket()));
  dir::v1::CreateRequest request;
  request.mutable_caller()->add_tickets(parent.ticket());
  request.set_parent(parent.attr().inode());
  request.set_name(name);
  request.set_mode(S_IFDIR | mode);
  request.set_exclusive(true);
  auto made = dir_.create(request);
  if (!made) return in_context("cannot make " + path, std::move(made).error());
  return made->entry();
}

}  // namespace conclave::cli
