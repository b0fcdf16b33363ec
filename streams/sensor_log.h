// Appending to logs of the append class from a program, without a mount: a session at the lock server, and for each round
// of records a shared lease that is taken, used and given back. Nothing is cached, so there is no recall to answer.
//
// An append carries a cursor: bytes and cursor are one record, or nothing. A record whose cursor was passed is
// acknowledged and not written again, so a round may be repeated as often as one likes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cluster_file.h"
#include "base/random.h"
#include "dirserver/dir_client.h"
#include "fileserver/file_client.h"
#include "lockserver/brief_lease.h"

namespace conclave::streams {

struct SensorLog {
  InodeId inode{};
  std::string path;            // of the cluster
  std::string ticket;
  std::uint64_t cursor = 0;    // where `kCursorName` stands
};

class LogSession {
 public:
  struct Seams {
    Transport& transport;
    Clock& clock;
    Random& random;
    Waiter& waiter;
  };
  // `uid` and `gid` own what is made. kUnavailable, kAccess.
  static Result<std::unique_ptr<LogSession>> open(Seams seams, const ClusterFile& cluster, const std::string& label,
                                                  std::uint32_t uid, std::uint32_t gid);
  ~LogSession();
  LogSession(const LogSession&) = delete;

  // A log by its path; folders above it and the log itself are made if they are missing. Its cursor is asked for.
  Result<SensorLog> open_log(const std::string& path);
  // The log under its old path becomes `to` (its folder is made), read-only for ever.
  Status close_log(const SensorLog& log, const std::string& to);

  struct Record {
    SensorLog* log = nullptr;
    std::string bytes;         // at most kMaxIoBytes
    std::uint64_t to = 0;      // the cursor moves from log->cursor to here
  };
  // All of them, in order, under one round of leases. What was appended has its cursor moved; the rest is for the next
  // round. kStale, kOvertaken, kFenced: the session is over, open another; kRange: another writer moved the cursor.
  Status append(std::vector<Record>& records);
  // The last `bytes` of a log's newest chunk.
  Result<std::string> tail_of(const SensorLog& log, std::uint64_t bytes);

  // Keeps the session alive; call it at least every kRenewEvery.
  Status renew();
  static constexpr auto kRenewEvery = std::chrono::seconds(8);

 private:
  static constexpr const char* kCursorName = "ingest";
  LogSession(Seams seams, const ClusterFile& cluster, const dir::DirClient::Session& session, std::uint32_t uid,
             std::uint32_t gid);
  Result<dir::v1::Entry> find_or_make(const dir::v1::Entry& parent, const std::string& name, std::uint32_t mode);
  Result<dir::v1::Entry> folder_of(const std::string& path);
  Result<lock::BriefLease> lease(InodeId inode, LeaseMode mode, const std::string& ticket);
  Result<file::ChunkPlace> tail(const SensorLog& log, const std::string& token, bool create, ServerId silent = {});
  Status append_one(Record& record, const std::string& token);
  Status learn_servers();
  dir::v1::Caller caller() const;

  Seams seams_;
  lock::LockClient lock_;
  const SessionId session_;
  dir::DirClient dir_;
  file::FileClient file_;
  const std::uint32_t uid_, gid_;
};

}  // namespace conclave::streams
