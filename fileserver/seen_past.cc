#include "fileserver/seen_past.h"

#include "base/canonical.h"

namespace conclave::file {
namespace {

constexpr std::size_t kMostBytes = 256;
constexpr std::size_t kIdentityBytes = 16;
constexpr std::size_t kSumBytes = 4;

Bytes encode(const dir::v1::Past& past) {
  CanonicalWriter out;
  out.lv(past.identity()).u64(past.timeline()).u64(past.run()).u64(past.commits());
  out.u64(past.inode_bound()).u64(past.chunk_bound()).u64(past.cookie_bound());
  out.u64(static_cast<std::uint64_t>(past.at_ns()));
  const std::uint32_t sum = crc32c(out.bytes());
  out.u32(sum);
  return std::move(out).bytes();
}

Result<dir::v1::Past> decode(ByteView bytes) {
  CanonicalReader in(bytes);
  dir::v1::Past out;
  out.set_identity(in.text(kIdentityBytes));
  out.set_timeline(in.u64());
  out.set_run(in.u64());
  out.set_commits(in.u64());
  out.set_inode_bound(in.u64());
  out.set_chunk_bound(in.u64());
  out.set_cookie_bound(in.u64());
  out.set_at_ns(static_cast<std::int64_t>(in.u64()));
  const std::uint32_t sum = in.u32();
  TRY(in.finish("what was seen of directory servers"));
  if (crc32c(bytes.first(bytes.size() - kSumBytes)) != sum) return Error(Errc::kCorrupt, "it fails its checksum");
  return out;
}

bool same_numbers(const dir::v1::Past& one, const dir::v1::Past& other) {
  return one.identity() == other.identity() && one.timeline() == other.timeline() && one.run() == other.run() &&
         one.inode_bound() == other.inode_bound() && one.chunk_bound() == other.chunk_bound() &&
         one.cookie_bound() == other.cookie_bound();
}

}  // namespace

SeenPast::SeenPast(Files& files, std::string folder, Log& log) : files_(files), path_(std::move(folder) + "/past"), log_(log) {
  load();
}

void SeenPast::load() {
  const auto bytes = files_.read_all(path_, kMostBytes);
  if (!bytes && bytes.error().code == Errc::kNotFound) return;
  auto past = bytes ? decode(view_of(*bytes)) : Result<dir::v1::Past>(bytes.error());
  if (!past) return log_.warning("what was seen of directory servers is lost here", {{"file", path_}, {"why", past.error()}});
  newest_ = kept_ = std::move(past).value();
}

void SeenPast::take(const dir::v1::Past& past, MonoTime now) {
  if (past.identity().empty()) return;
  newest_ = past;
  const bool old = now - kept_at_ >= kEvery && newest_.commits() != kept_.commits();
  if (old || !same_numbers(newest_, kept_)) save();
  if (old || kept_.commits() == newest_.commits()) kept_at_ = now;
}

void SeenPast::save() {
  const Status saved = files_.write_all(path_, string_of(encode(newest_)));
  if (!saved && !failing_) log_.warning("what was seen of the directory server could not be kept", {{"why", saved.error()}});
  failing_ = !saved;
  if (saved) kept_ = newest_;
}

}  // namespace conclave::file
