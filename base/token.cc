#include "base/token.h"

#include "base/canonical.h"
#include "base/limits.h"

namespace conclave {
namespace {

constexpr std::string_view kLease = "lease token";
constexpr std::string_view kPass = "session pass";
constexpr std::string_view kTicket = "ticket";
constexpr std::string_view kPermit = "chunk permit";

// Every sealed thing is its epoch in 4 bytes, its fields, the MAC.
constexpr std::size_t kEpochBytes = 4;

// HMAC(key, "ConclaveFS/v1/" ‖ label ‖ 0x00 ‖ cluster ‖ body)
Mac mac_of(const EpochKeys::Key& key, std::string_view label, const ClusterId& cluster, ByteView body) {
  CanonicalWriter message;
  message.raw(view_of("ConclaveFS/v1/")).raw(view_of(label)).u8(0).raw(cluster).raw(body);
  return hmac_sha256(key.bytes.view(), message.bytes());
}

// A reader's kCorrupt is for what lies on our own disks; this came from a caller.
Status ended(const CanonicalReader& in, std::string_view label) {
  Status status = in.finish(label);
  return status ? status : Error(Errc::kInvalid, std::move(status).error().message);
}

bool is_lease_mode(std::uint8_t mode) { return mode <= static_cast<std::uint8_t>(LeaseMode::kSharedRead); }

}  // namespace

EpochKeys::EpochKeys(ClusterId cluster, Key current, std::optional<Key> previous)
    : cluster_(cluster), current_(std::move(current)), previous_(std::move(previous)) {}

Bytes EpochKeys::with_mac(std::string_view label, Bytes body) const {
  const Mac mac = mac_of(current_, label, cluster_, body);
  body.insert(body.end(), mac.begin(), mac.end());
  return body;
}

// The fields, once the MAC fits.
Result<ByteView> EpochKeys::checked(std::string_view label, ByteView sealed) const {
  const std::string name(label);
  if (sealed.size() < kEpochBytes + sizeof(Mac)) return Error(Errc::kInvalid, name + ": cut short");
  const ByteView body = sealed.first(sealed.size() - sizeof(Mac));
  const std::uint32_t epoch = CanonicalReader(body).u32();
  const Key* key = nullptr;
  if (previous_ && previous_->epoch == epoch) key = &*previous_;
  if (current_.epoch == epoch) key = &current_;
  if (key == nullptr) {
    // Of an epoch to come: the lock server restarted, and its key is on its way here with a heartbeat.
    const Errc code = epoch > current_.epoch ? Errc::kUnavailable : Errc::kStale;
    return Error(code, name + ": of epoch " + std::to_string(epoch) + ", which is not current");
  }
  if (!equal_in_constant_time(mac_of(*key, label, cluster_, body), sealed.last(sizeof(Mac)))) {
    return Error(Errc::kAccess, name + ": its MAC does not fit");
  }
  return body.subspan(kEpochBytes);
}

Bytes EpochKeys::seal(const LeaseToken& token) const {
  CanonicalWriter out;
  out.u32(epoch()).u64(raw(token.session)).u64(token.holder).u64(raw(token.inode));
  out.u8(static_cast<std::uint8_t>(token.mode)).u64(token.seq);
  return with_mac(kLease, std::move(out).bytes());
}

Result<LeaseToken> EpochKeys::open_lease(ByteView sealed) const {
  const auto body = checked(kLease, sealed);
  const bool old = !body && body.error().code == Errc::kStale;
  if (old) return Error(Errc::kFenced, body.error().message + ": reclaim it at the lock server");
  CanonicalReader in(TRY(body));
  LeaseToken out;
  out.session = SessionId{in.u64()};
  out.holder = in.u64();
  out.inode = InodeId{in.u64()};
  const std::uint8_t mode = in.u8();
  if (!is_lease_mode(mode)) in.fail();
  out.mode = static_cast<LeaseMode>(mode);
  out.seq = in.u64();
  TRY(ended(in, kLease));
  return out;
}

Bytes EpochKeys::seal(const SessionPass& pass) const {
  CanonicalWriter out;
  out.u32(epoch()).u64(raw(pass.session)).u32(pass.generation).u64(pass.holder).u32(pass.epoch);
  return with_mac(kPass, std::move(out).bytes());
}

Result<SessionPass> EpochKeys::open_pass(ByteView sealed) const {
  CanonicalReader in(TRY(checked(kPass, sealed)));
  SessionPass out;
  out.session = SessionId{in.u64()};
  out.generation = in.u32();
  out.holder = in.u64();
  out.epoch = in.u32();
  TRY(ended(in, kPass));
  return out;
}

Bytes EpochKeys::seal(const Ticket& ticket) const {
  CanonicalWriter out;
  out.u32(epoch()).u64(raw(ticket.session)).u64(raw(ticket.inode)).u8(ticket.rights);
  return with_mac(kTicket, std::move(out).bytes());
}

Result<Ticket> EpochKeys::open_ticket(ByteView sealed) const {
  CanonicalReader in(TRY(checked(kTicket, sealed)));
  Ticket out;
  out.session = SessionId{in.u64()};
  out.inode = InodeId{in.u64()};
  out.rights = in.u8();
  TRY(ended(in, kTicket));
  return out;
}

Bytes EpochKeys::seal(const ChunkPermit& permit) const {
  CanonicalWriter out;
  out.u32(epoch()).u64(raw(permit.inode)).u64(permit.index).u64(raw(permit.chunk)).u32(permit.chainver);
  out.u32(static_cast<std::uint32_t>(permit.members.size()));
  for (const ServerId member : permit.members) out.u32(raw(member));
  out.u8(permit.born ? 1 : 0);
  return with_mac(kPermit, std::move(out).bytes());
}

Result<ChunkPermit> EpochKeys::open_permit(ByteView sealed) const {
  CanonicalReader in(TRY(checked(kPermit, sealed)));
  ChunkPermit out;
  out.inode = InodeId{in.u64()};
  out.index = in.u64();
  out.chunk = ChunkId{in.u64()};
  out.chainver = in.u32();
  const std::uint32_t members = in.count(kMaxReplicas, 4);
  if (members == 0) in.fail();
  for (std::uint32_t i = 0; i < members; ++i) out.members.push_back(ServerId{in.u32()});
  const std::uint8_t born = in.u8();
  if (born > 1) in.fail();
  out.born = born == 1;
  TRY(ended(in, kPermit));
  return out;
}

// File servers let whoever may write also read: it takes both rights.
std::uint8_t rights_for(LeaseMode mode) {
  switch (mode) {
    case LeaseMode::kWrite:
    case LeaseMode::kShared: return kTicketRead | kTicketWrite;
    case LeaseMode::kDirWrite: return kTicketWrite;
    default: return kTicketRead;
  }
}

}  // namespace conclave
