// One leaf of the audit log: what happened, when by the vault's clock, who did it, and what was signed, so that anybody can check
// signatures and count quorums from the log and the rosters beside it (log_audit.h). What is for few eyes stands in it by hash.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/crypto.h"

namespace conclave::vault {

enum class LeafKind : std::uint8_t {
  kRoster = 1,    // subject: the version's hash; no content: the version itself lies beside the log
  kPolicy = 2,    // subject: the policy's hash; content: the policy
  kPut = 3,       // subject: the header's hash; content: LoggedPut (secret_version.h)
  kRequest = 4,   // subject from here on: rd; content: the request, without its claims
  kApprove = 5,   // content: the vote, without its share
  kDeny = 6,      // content: the denial
  kRelease = 7,   // content: release_hash (release.h)
  kOpen = 8,      // content of 8 to 10: the record
  kClose = 9,
  kExpire = 10,
  kRevoke = 11,
  kReshare = 12,
  kCancel = 13,   // content: the record
  kTimeOut = 14,  // no content: nobody signs it
  kDisclose = 15, // content: as kApprove, of a share that follows its vote
};
std::string_view name_of(LeafKind kind);   // "release"

struct LogLeaf {
  LeafKind kind = LeafKind::kRoster;
  WallTime at;
  std::string person;          // who did it; empty for the vault itself. As the note it follows from the content
  Hash subject{};
  std::string note;            // for people: a path, a roster's or policy's version; plain text
  Bytes content;
};
inline constexpr std::size_t kMaxLeafContentBytes = 8u << 10;   // so that a bundle of 256 leaves fits one answer
inline constexpr std::size_t kMaxLeafNoteBytes = 4096;
Bytes encode(const LogLeaf& leaf);
Result<LogLeaf> parse_leaf(ByteView bytes);   // kCorrupt
// "2026-01-31T23:59:59Z release  bob  3f9a1c22  /secrets/prod/db"
std::string line_of(const LogLeaf& leaf);

}  // namespace conclave::vault
