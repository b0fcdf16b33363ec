// What the lock server remembers over its end, however it ends: its epoch, the epoch's key and those of earlier ones
// that a session may still show, and the sessions with their fences. No lease and no lock is here: clients reclaim
// them (lock_reclaim.cc). File "memory" in the data folder, mode 0600, layout in docs/protocol.md.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "base/token.h"
#include "lockserver/session_table.h"

namespace conclave::lock {

class LockMemory {
 public:
  // More restarts than these, in a row and without a session's coming back between, end the session.
  static constexpr std::size_t kMostKeys = 8;

  // Begins the next epoch, with a new key: when it returned, both survive power loss, and no epoch is begun twice. kIo,
  // kNoSpace, kReadOnly; kCorrupt with the file untouched.
  static Result<LockMemory> begin(Files& files, Random& random, const std::string& folder);

  [[nodiscard]] std::uint32_t epoch() const { return keys_.front().epoch; }
  // The newest first: this epoch's, the last one's if a session is from there, and so on.
  [[nodiscard]] const std::vector<EpochKeys::Key>& keys() const { return keys_; }
  // Those that were saved last; at first as the last run left them. Fenced ones are those that D had not acknowledged.
  [[nodiscard]] const std::vector<SessionTable::Session>& sessions() const { return sessions_; }

  // Replaces the sessions; when it returned, they survive power loss, and after a failure the old ones do. One at a time.
  Status save(std::vector<SessionTable::Session> sessions);

 private:
  LockMemory(Files& files, std::string path) : files_(&files), path_(std::move(path)) {}
  Status read(std::string_view text);
  void drop_old_keys();

  Files* files_;
  std::string path_;
  std::vector<EpochKeys::Key> keys_;
  std::vector<SessionTable::Session> sessions_;
};

}  // namespace conclave::lock
