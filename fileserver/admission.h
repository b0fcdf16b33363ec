// Who may touch which bytes: the lease token, the chunk's permit, the session and the connection of one call, judged
// together (docs/design.md, "Permission on the data path"). No byte is given or taken without.
#pragma once

#include <memory>

#include "base/router.h"
#include "fileserver/chain_floors.h"
#include "fileserver/membership.h"
#include "fileserver/replicator.h"

namespace conclave::file {

// Whether what is here of a chunk may be shown, changed or given on. kCorrupt: it is missing although the chunk was born,
// behind, or cannot be opened; D hears of it then.
Status check_copy(ChunkStore& store, Membership& membership, const ChunkPermit& permit);

class Admission {
 public:
  Admission(Membership& membership, ChunkStore& store) : membership_(membership), store_(store) {}

  // kAsk: no more than kRead, but only the master answers.
  enum class Need : std::uint8_t { kRead, kAsk, kWrite, kAppend };
  struct Admitted {
    LeaseToken token;
    SealedPermit chunk;
    std::shared_ptr<const Standing> standing;
  };
  // kUnavailable: this server may not serve now. kInvalid: no token or permit at all. kAccess: a wrong MAC, a token of
  // another inode, of another connection's holder or session, or of a mode that does not allow it. kFenced. kOvertaken:
  // recalled since. kStale: a chunk that is elsewhere. Changes need this server as the master. kCorrupt: the copy here is
  // missing although the chunk was born, behind, or cannot be opened; a change has made D look for another master then, and
  // is kStale where there is one. May block on D for that.
  Result<Admitted> admit(const CallContext& context, ByteView token, std::string_view permit, Need need);
  // What was admitted may have waited since: kFenced, kOvertaken, kUnavailable as above.
  Status still(const Admitted& admitted);
  // A further chunk under the same token.
  Result<SealedPermit> chunk_of(const Admitted& admitted, std::string_view permit, bool as_master);

  // From another file server: the permit's master, and this one a member.
  Result<SealedPermit> from_master(const CallContext& context, std::string_view permit);
  // That this server serves at all.
  Result<std::shared_ptr<const Standing>> serving() const { return membership_.serving(); }

 private:
  Result<SealedPermit> newest(SealedPermit chunk);

  Membership& membership_;
  ChunkStore& store_;
  std::mutex mutex_;
  ChainFloors chains_ GUARDED_BY(mutex_);
};

}  // namespace conclave::file
