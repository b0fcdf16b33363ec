#include "streams/sensor_log.h"

#include <sys/stat.h>

#include <algorithm>

namespace conclave::streams {
namespace {

constexpr std::uint32_t kFolderMode = 0755;
constexpr std::uint32_t kLogMode = 0644;
constexpr std::uint32_t kClosedMode = 0444;
constexpr int kTailAttempts = 4;                             // a seal or a failover moves the tail once or twice
constexpr auto kLeasePoll = std::chrono::milliseconds(50);   // while somebody changes the log's attributes
constexpr auto kLeasePatience = std::chrono::seconds(10);

}  // namespace

Result<std::unique_ptr<LogSession>> LogSession::open(Seams seams, const ClusterFile& cluster, const std::string& label,
                                                     std::uint32_t uid, std::uint32_t gid) {
  lock::v1::OpenSessionRequest request;
  request.set_nonce(seams.random.u64());
  request.set_label(label);
  const auto opened = TRY(lock::LockClient(seams.transport, seams.clock, cluster.lock).open_session(request));
  auto session = std::unique_ptr<LogSession>(
      new LogSession(seams, cluster, {SessionId{opened.session()}, opened.generation(), opened.pass()}, uid, gid));
  TRY(session->learn_servers());
  return session;
}

LogSession::LogSession(Seams seams, const ClusterFile& cluster, dir::DirClient::Session session, std::uint32_t uid,
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
  std::vector<file::FileServer> servers;
  const auto answer = TRY(dir_.servers());
  for (const auto& member : answer.members()) {
    servers.push_back({ServerId{member.id()}, member.name(), member.host(), static_cast<std::uint16_t>(member.port())});
  }
  file_.set_servers(servers);
  return {};
}

Result<dir::v1::Entry> LogSession::find_or_make(InodeId parent, const std::string& name, std::uint32_t mode) {
  dir::v1::LookupRequest look;
  *look.mutable_caller() = caller();
  look.set_parent(raw(parent));
  look.set_name(name);
  auto there = dir_.lookup(look);
  if (there || there.error().code != Errc::kNotFound) return there;
  dir::v1::CreateRequest make;
  *make.mutable_caller() = caller();
  make.set_parent(raw(parent));
  make.set_name(name);
  make.set_mode(mode);
  make.set_exclusive(S_ISDIR(mode));
  auto made = dir_.create(make);
  if (!made && made.error().code == Errc::kExists) return dir_.lookup(look);  // another was quicker
  return TRY(std::move(made)).entry();
}

// The folder that `path` lies in.
Result<dir::v1::Entry> LogSession::folder_of(const std::string& path) {
  dir::v1::Entry at;
  at.mutable_attr()->set_inode(raw(kRootInode));
  for (std::size_t begin = 1;;) {
    const std::size_t slash = path.find('/', begin);
    if (slash == std::string::npos) return at;
    auto next = find_or_make(InodeId{at.attr().inode()}, path.substr(begin, slash - begin), S_IFDIR | kFolderMode);
    if (!next) return in_context(path.substr(0, slash), std::move(next).error());
    at = std::move(*next);
    begin = slash + 1;
  }
}

Result<SensorLog> LogSession::open_log(const std::string& path) {
  const auto folder = TRY(folder_of(path));
  const auto entry = TRY(find_or_make(InodeId{folder.attr().inode()}, path.substr(path.rfind('/') + 1), S_IFREG | kLogMode));
  if (entry.attr().class_() != dir::v1::APPEND) {
    return Error(Errc::kInvalid, path + " is no log: its folder is not of class append");
  }
  SensorLog log{InodeId{entry.attr().inode()}, path, entry.ticket(), 0};
  std::uint64_t seq = 0;
  const std::string token = TRY(lease(log, LeaseMode::kShared, seq));
  const auto ask = [&]() -> Status {
    const auto last = TRY(tail(log, token, false));
    if (last.members.empty()) return {};
    const auto stat = TRY(file_.stat(last, token, {kCursorName}));
    if (stat.cursors_size() == 1) log.cursor = stat.cursors(0);
    return {};
  };
  const Status asked = ask();
  TRY(give_back(log, seq));
  TRY(asked);
  return log;
}

Status LogSession::close_log(const SensorLog& log, const std::string& to) {
  dir::v1::SetAttrRequest mode;
  *mode.mutable_caller() = caller();
  mode.set_inode(raw(log.inode));
  mode.set_mode(kClosedMode);
  TRY(dir_.set_attr(mode));
  dir::v1::RenameRequest move;
  *move.mutable_caller() = caller();
  move.set_from_parent(TRY(folder_of(log.path)).attr().inode());
  move.set_from_name(log.path.substr(log.path.rfind('/') + 1));
  move.set_to_parent(TRY(folder_of(to)).attr().inode());
  move.set_to_name(to.substr(to.rfind('/') + 1));
  move.set_no_replace(true);
  move.set_inode(raw(log.inode));
  TRY(dir_.rename(move));
  return {};
}

Result<std::string> LogSession::lease(const SensorLog& log, LeaseMode mode, std::uint64_t& seq) {
  lock::v1::AcquireRequest request;
  request.set_session(raw(session_));
  auto* want = request.add_wants();
  want->set_inode(raw(log.inode));
  want->set_mode(lock::mode_of(mode));
  want->set_ticket(log.ticket);
  const MonoTime give_up = seams_.clock.now() + kLeasePatience;
  for (;;) {
    const auto answer = TRY(lock_.acquire(request));
    if (answer.grants_size() != 1) return Error(Errc::kInternal, "the lock server answered another question");
    const auto& grant = answer.grants(0);
    if (!grant.errc().empty()) return Error(errc_of_name(grant.errc()), log.path + ": no lease");
    if (!grant.pending()) {
      seq = grant.seq();
      return grant.token();
    }
    if (seams_.clock.now() >= give_up) return Error(Errc::kUnavailable, log.path + " is held by somebody who does not give it back");
    seams_.clock.sleep_until(seams_.clock.now() + kLeasePoll);
  }
}

Status LogSession::give_back(const SensorLog& log, std::uint64_t seq) {
  lock::v1::ReturnRequest request;
  request.set_session(raw(session_));
  auto* one = request.add_returns();
  one->set_inode(raw(log.inode));
  one->set_seq(seq);
  TRY(lock_.give_back(request));
  return {};
}

Result<file::ChunkPlace> LogSession::tail(const SensorLog& log, const std::string& token, bool create) {
  dir::v1::PlaceRequest request;
  request.set_inode(raw(log.inode));
  request.set_token(token);
  request.set_tail(true);
  request.set_create(create);
  const auto answer = TRY(dir_.place(request));
  const dir::v1::Layout* found = nullptr;
  for (const auto& layout : answer.layouts()) {
    if (!layout.permit().empty() && (found == nullptr || layout.index() > found->index())) found = &layout;
  }
  file::ChunkPlace place;
  if (found == nullptr) return place;
  place.permit = found->permit();
  for (const std::uint32_t member : found->members()) place.members.push_back(ServerId{member});
  if (!file_.knows(place)) TRY(learn_servers());
  return place;
}

Status LogSession::append_one(Record& record, const std::string& token) {
  const file::FileClient::Cursor cursor{kCursorName, record.log->cursor, record.to};
  for (int attempt = 1;; ++attempt) {
    const auto place = TRY(tail(*record.log, token, true));
    const auto done = file_.append(place, token, record.bytes, &cursor);
    if (done) {
      record.log->cursor = record.to;
      return {};
    }
    if (done.error().code != Errc::kStale || attempt == kTailAttempts) return done.error();
  }
}

Status LogSession::append(std::vector<Record>& records) {
  for (Record& record : records) {
    if (record.to <= record.log->cursor) continue;  // an earlier round wrote it
    std::uint64_t seq = 0;
    const std::string token = TRY(lease(*record.log, LeaseMode::kShared, seq));
    const Status done = append_one(record, token);
    TRY(give_back(*record.log, seq));
    if (!done) return in_context(record.log->path, done.error());
  }
  return {};
}

Result<std::string> LogSession::tail_of(const SensorLog& log, std::uint64_t bytes) {
  std::uint64_t seq = 0;
  const std::string token = TRY(lease(log, LeaseMode::kShared, seq));
  const auto read = [&]() -> Result<std::string> {
    const auto place = TRY(tail(log, token, false));
    if (place.members.empty()) return std::string();
    const std::uint64_t length = TRY(file_.stat(place, token)).length_bytes();
    const std::uint64_t from = length - std::min(length, bytes);
    return file_.read(place, token, from, length - from);
  };
  auto text = read();
  TRY(give_back(log, seq));
  return text;
}

Status LogSession::renew() {
  lock::v1::RenewRequest request;
  request.set_session(raw(session_));
  const auto answer = lock_.renew(request, kCallDeadline);
  if (!answer) return answer.error();
  return {};
}

}  // namespace conclave::streams
