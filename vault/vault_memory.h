// What a client remembers between its runs so that a vault cannot turn time back: the newest roster, the newest checkpoint
// of the log, and each folder's newest policy that it has verified. Three small files in a folder of the client's own
// (docs/formats.md).
//
// What is learned by two processes in one folder at the same time may be lost for one of them: its news, not what either
// knew. Thread-safe; blocks on Files. What is remembered is durable before the call returns. kCorrupt: a file is damaged; kIo.
#pragma once

#include <map>
#include <optional>

#include "base/files.h"
#include "base/turns.h"
#include "vault/policy.h"
#include "vault/tlog.h"

namespace conclave::vault {

// What a person can do about a vault that shows less than was seen.
inline constexpr std::string_view kRolledBack =
    "the vault was rolled back, or lies; believe nothing that it shows, and have an admin bring back its newest state";

class VaultMemory {
 public:
  // `folder` is made when there is something to remember.
  VaultMemory(Files& files, std::string folder, Waiter& waiter);

  // Whether this very version of the roster, or a later one that it leads to, was let pass before.
  Result<bool> knows(const RosterVersion& roster);
  // kStale: `chain` ends before a version that was seen; kKeyRejected: it has another version there. Who lets a new version
  // pass looks at the log that it names first (log_check.h, accept_roster).
  Status check_roster(const RosterChain& chain);

  // The version of a directory's policy that was seen last; 0: none.
  Result<std::uint64_t> policy_version(InodeId directory);
  // What the vault shows from that version on continues what was seen: it begins with the very one, and each names the hash of
  // the one before. kStale: the vault shows an older one, or none; kKeyRejected: another one.
  Status check_policy(const std::vector<Policy>& trail);
  // The last of such a trail, once its signatures were checked.
  Status remember(const Policy& policy);
  // The vault says that the directory has none. kStale: one was seen.
  Status check_no_policy(InodeId directory);

  // The newest checkpoint verified; size 0 if none. The caller checks consistency with it first.
  Result<Checkpoint> checkpoint();
  // Kept unless a longer one is known.
  Status remember(const Checkpoint& checkpoint);

 private:
  struct Seen {
    std::uint64_t number = 0;          // a version, or a size
    Hash hash{};
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  using Lines = std::map<std::uint64_t, Seen>;   // by directory; one line under 0 in the other files
  Result<Lines> read(const std::string& name) const;
  Status write(const std::string& name, const Lines& lines);
  Result<Lines*> policies();           // with the turn
  Result<Seen> seen_policy(InodeId directory);
  [[nodiscard]] Error rolled_back(const std::string& what, const std::string& file) const;

  Files& files_;
  const std::string folder_;
  Turns turns_;
  std::optional<Lines> policies_;      // guarded by turns_
};

}  // namespace conclave::vault
