#include "streams/sensor_log.h"

#include <sys/stat.h>

#include <algorithm>

namespace conclave::streams {
namespace {

constexpr std::uint32_t kFolderMode = 0755;
constexpr std::uint32_t kLogMode = 0644;
constexpr std::uint32_t kClosedMode = 0444;

}  // namespace

Result<std::unique_ptr<LogSession>> LogSession::open(Seams seams, const ClusterFile& cluster, const std::string& label,
                                                     std::uint32_t uid, std::uint32_t gid) {
  lock::v1::OpenSessionRequest request;
  request.set_nonce(seams.random.u64());
  request.set_label(label);
  request.set_brief(true);
  const auto opened = TRY(lock::LockClient(seams.transport, seams.clock, cluster.lock).open_session(request));
  auto session = std::unique_ptr<LogSession>(
      new LogSession(seams, cluster, {SessionId{opened.session()}, opened.generation(), opened.pass()}, uid, gid));
  TRY(session->learn_servers());
  return session;
}

LogSession::LogSession(Seams seams, const ClusterFile& cluster, const dir::DirClient::Session& session, std::uint32_t uid,
                       std::uint32_t gid)
    : seams_(seams),
      lock_(seams.transport, seams.clock, cluster.lock),
      session_(session.id),
      dir_(seams.transport, seams.clock, cluster.dir, session, seams.waiter),
      file_(seams.transport, seams.clock, seams.waiter, cluster.id, session.id, session.generation),
      uid_(uid),
      gid_(gid) {}

LogSession::~LogSession() {
  lock::v1::CloseSessionRequest request;
  request.set_session(raw(session_));
  static_cast<void>(lock_.close_session(request));  // it would end by itself
}

dir::v1::Caller LogSession::caller() const {
  dir::v1::Caller out;
  out.set_uid(uid_);
  out.set_gid(gid_);
  return out;
}

Status LogSession::learn_servers() {
  file_.set_servers(TRY(dir_.servers()));
  return {};
}

// Names change under the folder's exclusive lease, so that every mount that caches them hears of it.
Result<dir::v1::Entry> LogSession::find_or_make(const dir::v1::Entry& parent, const std::string& name, std::uint32_t mode) {
  dir::v1::LookupRequest look;
  *look.mutable_caller() = caller();
  look.set_parent(parent.attr().inode());
  look.set_name(name);
  auto there = dir_.lookup(look);
  if (there || there.error().code != Errc::kNotFound) return there;
  const auto names = TRY(lease(InodeId{parent.attr().inode()}, LeaseMode::kDirWrite, parent.ticket()));
  dir::v1::CreateRequest make;
  *make.mutable_caller() = caller();
  make.set_parent(parent.attr().inode());
  make.set_name(name);
  make.set_mode(mode);
  make.set_exclusive(S_ISDIR(mode));
  auto made = dir_.create(make);
  if (!made && made.error().code == Errc::kExists) return dir_.lookup(look);  // another was quicker
  return TRY(std::move(made)).entry();
}

// The folder that `path` lies in.
Result<dir::v1::Entry> LogSession::folder_of(const std::string& path) {
  dir::v1::LookupRequest root;
  *root.mutable_caller() = caller();
  root.set_parent(raw(kRootInode));
  root.set_name(".");
  dir::v1::Entry at = TRY(dir_.lookup(root));
  for (std::size_t begin = 1;;) {
    const std::size_t slash = path.find('/', begin);
    if (slash == std::string::npos) return at;
    auto next = find_or_make(at, path.substr(begin, slash - begin), S_IFDIR | kFolderMode);
    if (!next) return in_context(path.substr(0, slash), std::move(next).error());
    at = std::move(*next);
    begin = slash + 1;
  }
}

Result<SensorLog> LogSession::open_log(const std::string& path) {
  const auto folder = TRY(folder_of(path));
  const auto entry = TRY(find_or_make(folder, path.substr(path.rfind('/') + 1), S_IFREG | kLogMode));
  if (entry.attr().class_() != dir::v1::APPEND) {
    return Error(Errc::kInvalid, path + " is no log: its folder is not of class append");
  }
  SensorLog log{InodeId{entry.attr().inode()}, path, entry.ticket(), 0};
  const auto held = TRY(lease(log.inode, LeaseMode::kShared, log.ticket));
  const auto last = TRY(tail(log, held.token(), false));
  if (last.members.empty()) return log;
  const auto stat = TRY(file_.stat(last, held.token(), {kCursorName}));
  if (stat.cursors_size() == 1) log.cursor = stat.cursors(0);
  return log;
}

Status LogSession::close_log(const SensorLog& log, const std::string& to) {
  const auto held = TRY(lease(log.inode, LeaseMode::kWrite, log.ticket));
  dir::v1::SetAttrRequest mode;
  *mode.mutable_caller() = caller();
  mode.set_inode(raw(log.inode));
  mode.set_mode(kClosedMode);
  TRY(dir_.set_attr(mode));
  // In the order of inode numbers, as every rename takes its two folders.
  const dir::v1::Entry from = TRY(folder_of(log.path)), into = TRY(folder_of(to));
  const bool from_first = from.attr().inode() < into.attr().inode();
  const dir::v1::Entry& lower = from_first ? from : into;
  const dir::v1::Entry& upper = from_first ? into : from;
  const auto first = TRY(lease(InodeId{lower.attr().inode()}, LeaseMode::kDirWrite, lower.ticket()));
  const auto second = TRY(lease(InodeId{upper.attr().inode()}, LeaseMode::kDirWrite, upper.ticket()));
  dir::v1::RenameRequest move;
  *move.mutable_caller() = caller();
  move.set_from_parent(from.attr().inode());
  move.set_from_name(log.path.substr(log.path.rfind('/') + 1));
  move.set_to_parent(into.attr().inode());
  move.set_to_name(to.substr(to.rfind('/') + 1));
  move.set_no_replace(true);
  move.set_inode(raw(log.inode));
  TRY(dir_.rename(move));
  return {};
}

Result<lock::BriefLease> LogSession::lease(InodeId inode, LeaseMode mode, const std::string& ticket) {
  return lock::BriefLease::take(lock_, seams_.clock, session_, inode, mode, ticket);
}

Result<file::ChunkPlace> LogSession::tail(const SensorLog& log, const std::string& token, bool create, ServerId silent) {
  dir::v1::PlaceRequest request;
  request.set_inode(raw(log.inode));
  request.set_token(token);
  request.set_tail(true);
  request.set_create(create);
  if (raw(silent) != 0) request.add_silent(raw(silent));
  const auto answer = TRY(dir_.place(request));
  const dir::v1::Layout* found = nullptr;
  for (const auto& layout : answer.layouts()) {
    if (!layout.permit().empty() && (found == nullptr || layout.index() > found->index())) found = &layout;
  }
  if (found == nullptr) return file::ChunkPlace();
  file::ChunkPlace place = file::ChunkPlace::of(*found);
  if (!file_.knows(place)) TRY(learn_servers());
  return place;
}

Status LogSession::append_one(Record& record, const std::string& token) {
  const file::FileClient::Cursor cursor{kCursorName, record.log->cursor, record.to};
  const auto newest = [&](ServerId silent) { return tail(*record.log, token, true, silent); };
  const file::ChunkPlace first = TRY(newest(ServerId{0}));
  TRY(file_.append(first, token, record.bytes, &cursor, newest));
  record.log->cursor = record.to;
  return {};
}

Status LogSession::append(std::vector<Record>& records) {
  for (Record& record : records) {
    if (record.to <= record.log->cursor) continue;  // an earlier round wrote it
    const auto held = TRY(lease(record.log->inode, LeaseMode::kShared, record.log->ticket));
    const Status done = append_one(record, held.token());
    if (!done) return in_context(record.log->path, done.error());
  }
  return {};
}

Result<std::string> LogSession::tail_of(const SensorLog& log, std::uint64_t bytes) {
  const auto held = TRY(lease(log.inode, LeaseMode::kShared, log.ticket));
  const auto place = TRY(tail(log, held.token(), false));
  if (place.members.empty()) return std::string();
  const std::uint64_t length = TRY(file_.stat(place, held.token())).length_bytes();
  const std::uint64_t from = length - std::min(length, bytes);
  return file_.read(place, held.token(), from, length - from);
}

Status LogSession::renew() {
  lock::v1::RenewRequest request;
  request.set_session(raw(session_));
  const auto answer = lock_.renew(request, kCallDeadline);
  if (!answer) return answer.error();
  return {};
}

}  // namespace conclave::streams
