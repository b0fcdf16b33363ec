// Who may touch which bytes: the lease token, the chunk's permit, the session and the connection of one call, judged
// together (docs/design.md, "Permission on the data path"). No byte is given or taken without.
#pragma once

#include <memory>
#include <mutex>

#include "base/guarded.h"
#include "base/router.h"
#include "fileserver/chain_floors.h"
#include "fileserver/floor_table.h"
#include "fileserver/membership.h"
#include "fileserver/replicator.h"

namespace conclave::file {

class Admission {
 public:
  explicit Admission(Membership& membership) : membership_(membership) {}

  enum class Need : std::uint8_t { kRead, kWrite, kAppend };
  struct Admitted {
    LeaseToken token;
    SealedPermit chunk;
    std::shared_ptr<const Standing> standing;
  };
  // kUnavailable: this server may not serve now. kInvalid: no token or permit at all. kAccess: a wrong MAC, a token of
  // another inode, of another connection's holder or session, or of a mode that does not allow it. kFenced. kStale: of
  // an old epoch, recalled since, or a chunk that is elsewhere. Changes need this server as the master.
  Result<Admitted> admit(const CallContext& context, ByteView token, std::string_view permit, Need need);
  // What was admitted may have waited since: kFenced, kStale, kUnavailable as above.
  Status still(const Admitted& admitted);
  // A further chunk under the same token.
  Result<SealedPermit> chunk_of(const Admitted& admitted, std::string_view permit, bool as_master);

  // From another file server: the permit's master, and this one a member.
  Result<SealedPermit> from_master(const CallContext& context, std::string_view permit);
  // That this server serves at all.
  Result<std::shared_ptr<const Standing>> serving() const { return membership_.serving(); }

 private:
  Membership& membership_;
  Result<SealedPermit> newest(SealedPermit chunk);

  std::mutex mutex_;
  ChainFloors chains_ GUARDED_BY(mutex_);
  FloorTable floors_ GUARDED_BY(mutex_);
};

}  // namespace conclave::file
