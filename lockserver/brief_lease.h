// A lease for one operation, by a program that keeps nothing and reads no event stream (a command, an ingest round): it
// is asked for until granted, used, and given back when this is destroyed. There is no recall to answer.
#pragma once

#include <string>

#include "lockserver/lock_client.h"

namespace conclave::lock {

class BriefLease {
 public:
  // Polls while somebody else has to give way, at most `patience`. kAccess (the ticket), kUnavailable (patience is
  // over), kStale and kFenced (the session).
  static Result<BriefLease> take(LockClient& client, Clock& clock, SessionId session, InodeId inode, LeaseMode mode,
                                 const std::string& ticket, Duration patience = std::chrono::seconds(10));
  BriefLease(BriefLease&& other) noexcept;
  BriefLease& operator=(BriefLease&&) = delete;
  ~BriefLease();

  [[nodiscard]] const std::string& token() const { return token_; }

 private:
  BriefLease(LockClient& client, SessionId session, InodeId inode, std::uint64_t seq, std::string token)
      : client_(&client), session_(session), inode_(inode), seq_(seq), token_(std::move(token)) {}
  LockClient* client_;
  SessionId session_;
  InodeId inode_;
  std::uint64_t seq_;
  std::string token_;
};

}  // namespace conclave::lock
