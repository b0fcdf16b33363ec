// What a client remembers between its runs so that a vault cannot turn time back: the newest roster, the newest checkpoint
// of the log, and each folder's newest policy that it has verified. Three small files in a folder of the client's own
// (docs/formats.md).
//
// One process at a time per folder keeps what it learns; a second one loses nothing but its own news. Thread-safe; blocks
// on Files. Every check remembers what it lets pass, durably, before it returns. kCorrupt: a file is damaged; kIo.
#pragma once

#include <map>
#include <optional>

#include "base/files.h"
#include "base/turns.h"
#include "vault/policy.h"
#include "vault/tlog.h"

namespace conclave::vault {

class VaultMemory {
 public:
  // `folder` is made when there is something to remember.
  VaultMemory(Files& files, std::string folder, Waiter& waiter);

  // kStale: `chain` ends before a version that was seen; kKeyRejected: it has another version there.
  Status check_roster(const RosterChain& chain);
  // A policy that check_policy let pass. kStale: a newer one of its directory was seen; kKeyRejected: another of that version.
  Status check_policy(const Policy& policy);
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

  Files& files_;
  const std::string folder_;
  Turns turns_;
  std::optional<Lines> policies_;      // guarded by turns_
};

}  // namespace conclave::vault
