#include "vault/secret_version.h"

#include <algorithm>
#include <tuple>

#include "base/certificate.h"
#include "base/limits.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::size_t kEntryBytes = 1 + 1 + sizeof(Kid) + sizeof(Hash) + kSealedShareBytes;
constexpr std::size_t kMaxEntries = kMaxApprovers * kMaxDevicesPerPerson;

auto order_of(const ShareEntry& entry) { return std::tie(entry.group, entry.x, entry.kid); }

void write_core(CanonicalWriter& out, const IdCore& core) {
  out.raw(core.secret).u64(core.version).raw(core.payload_hash).raw(core.nonce).u64(core.padded_bytes);
}

IdCore read_core(CanonicalReader& in) {
  IdCore out;
  out.secret = in.array<16>();
  out.version = in.u64();
  out.payload_hash = in.array<32>();
  out.nonce = in.array<16>();
  out.padded_bytes = in.u64();
  return out;
}

Bytes body_of(const SecretHeader& header) {
  CanonicalWriter out;
  out.raw(mac_body_of(header)).raw(header.mac);
  return std::move(out).bytes();
}

void write_entries(CanonicalWriter& out, const ShareTable& table) {
  out.u32(static_cast<std::uint32_t>(table.entries.size()));
  for (const ShareEntry& entry : table.entries) {
    out.u8(entry.group).u8(entry.x).raw(entry.kid).raw(entry.commitment).raw(entry.sealed);
  }
}

Bytes body_of(const TableHead& head) {
  CanonicalWriter out = begin_body();
  out.raw(head.header).raw(head.policy).u64(head.roster_version).raw(head.entries);
  return std::move(out).bytes();
}

Error bad_table(std::string why) { return {Errc::kKeyRejected, "share table: " + std::move(why)}; }

// The entry lies on a live device of the person whose place it takes; true in `has_share` for that person afterwards.
Status check_entry(const ShareEntry& entry, const Policy& policy, const RosterVersion& roster, WallTime written,
                   std::vector<std::vector<bool>>& has_share) {
  const Result<const Person*> found = standing(roster, entry.kid, kApprover, written);
  if (!found) return bad_table(found.error().message);
  const Person* person = *found;
  const Policy::Place place = policy.place_of(person->name);
  if (place.group == nullptr) return bad_table("a share for " + person->name + ", who is no approver");
  if (place.group_index != entry.group || place.x != entry.x) return bad_table(person->name + " has another's share");
  has_share[entry.group][entry.x - 1u] = true;
  return {};
}

Status check_one_commitment_a_person(const ShareTable& table) {
  for (std::size_t i = 1; i < table.entries.size(); ++i) {
    const ShareEntry& a = table.entries[i - 1];
    const ShareEntry& b = table.entries[i];
    if (a.group == b.group && a.x == b.x && a.commitment != b.commitment) return bad_table("one person has two shares");
  }
  return {};
}

}  // namespace

SecretId secret_id_of(const ClusterId& cluster, InodeId inode) {
  const Hash hash = labelled_hash("secret id", CanonicalWriter().raw(cluster).u64(raw(inode)).bytes());
  SecretId id{};
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

Bytes encode(const IdCore& core) {
  CanonicalWriter out = begin_body();
  write_core(out, core);
  return std::move(out).bytes();
}

Bytes mac_body_of(const SecretHeader& header) {
  CanonicalWriter out = begin_body();
  write_core(out, header.core);
  out.raw(header.quorum_commitment).u64(raw(header.directory)).lv(header.path).u64(header.roster_version);
  put_time(out, header.written);
  out.lv(encode(header.author));
  return std::move(out).bytes();
}

Hash SecretHeader::hash() const { return labelled_hash("header", body_of(*this)); }

Bytes encode(const SecretHeader& header) {
  CanonicalWriter out;
  out.raw(body_of(header)).raw(header.signature);
  return std::move(out).bytes();
}

Result<SecretHeader> parse_header(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  SecretHeader out;
  out.core = read_core(in);
  out.quorum_commitment = in.array<32>();
  out.directory = InodeId{in.u64()};
  out.path = get_plain_text(in, kMaxPathBytes);
  out.roster_version = in.u64();
  out.written = get_time(in);
  const ByteView author = in.lv(kMaxLoginCertBytes);
  out.mac = in.array<32>();
  out.signature = in.array<64>();
  TRY(in.finish("secret header"));
  out.author = TRY(parse_login_cert(author));
  return out;
}

void sign_header(SecretHeader& header, const Login& author) {
  header.signature = sign(author.key, "header", body_of(header));
}

const ShareEntry* ShareTable::find(const Kid& kid) const {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const ShareEntry& e) { return e.kid == kid; });
  return at == entries.end() ? nullptr : &*at;
}

Hash TableHead::hash() const { return labelled_hash("share table", body_of(*this)); }
Hash ShareTable::hash() const { return head_of(*this).hash(); }

TableHead head_of(const ShareTable& table) {
  CanonicalWriter entries;
  write_entries(entries, table);
  return {table.header, table.policy, table.roster_version, labelled_hash("share entries", entries.bytes()), table.signature};
}

Status verify_signature(const TableHead& head, const SecretHeader& header) {
  if (head.header != header.hash()) return bad_table("of another secret");
  return verify(header.author.key, "share table", body_of(head), head.signature);
}

Bytes encode(const LoggedPut& put) {
  CanonicalWriter out = begin_body();
  out.lv(encode(put.header)).raw(put.table.policy).u64(put.table.roster_version).raw(put.table.entries).raw(put.table.signature);
  return std::move(out).bytes();
}

Result<LoggedPut> parse_put(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  LoggedPut out;
  const ByteView header = in.lv(bytes.size());
  out.table.policy = in.array<32>();
  out.table.roster_version = in.u64();
  out.table.entries = in.array<32>();
  out.table.signature = in.array<64>();
  TRY(in.finish("logged put"));
  out.header = TRY(parse_header(header));
  out.table.header = out.header.hash();
  return out;
}

Bytes encode(const ShareTable& table) {
  CanonicalWriter out = begin_body();
  out.raw(table.header).raw(table.policy).u64(table.roster_version);
  write_entries(out, table);
  out.raw(table.signature);
  return std::move(out).bytes();
}

Result<ShareTable> parse_share_table(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  ShareTable out;
  out.header = in.array<32>();
  out.policy = in.array<32>();
  out.roster_version = in.u64();
  const std::uint32_t entries = in.count(kMaxEntries, kEntryBytes);
  for (std::uint32_t i = 0; i < entries; ++i) {
    ShareEntry entry;
    entry.group = in.u8();
    entry.x = in.u8();
    entry.kid = in.array<16>();
    entry.commitment = in.array<32>();
    entry.sealed = in.array<kSealedShareBytes>();
    if (!out.entries.empty() && !(order_of(out.entries.back()) < order_of(entry))) in.fail();
    out.entries.push_back(entry);
  }
  out.signature = in.array<64>();
  TRY(in.finish("share table"));
  return out;
}

void sign_share_table(ShareTable& table, const Login& author) {
  std::sort(table.entries.begin(), table.entries.end(),
            [](const ShareEntry& a, const ShareEntry& b) { return order_of(a) < order_of(b); });
  table.signature = sign(author.key, "share table", body_of(head_of(table)));
}

Bytes share_aad(const SecretHeader& header, const Hash& policy, const ShareEntry& entry) {
  CanonicalWriter out = begin_body();
  out.raw(header.hash()).raw(policy);
  out.u8(entry.group).u8(entry.x).raw(entry.kid).raw(entry.commitment);
  return std::move(out).bytes();
}

Hash share_commitment(const IdCore& core, std::uint8_t group, std::uint8_t x, const SecretBytes& share) {
  CanonicalWriter public_part = begin_body();
  public_part.raw(labelled_hash("idcore", encode(core))).u8(group).u8(x);
  const SecretBytes hashed = hkdf(share.view(), {}, labelled_hash("share", public_part.bytes()), sizeof(Hash));
  Hash out{};
  std::copy(hashed.view().begin(), hashed.view().end(), out.begin());
  return out;
}

Hash quorum_commitment(const IdCore& core, const SecretBytes& quorum_secret) {
  const SecretBytes hashed =
      hkdf(quorum_secret.view(), {}, labelled_hash("quorum secret", encode(core)), sizeof(Hash));
  Hash out{};
  std::copy(hashed.view().begin(), hashed.view().end(), out.begin());
  return out;
}

const RosterVersion* refused_since(const SecretHeader& header, const RosterChain& chain) {
  const RosterVersion* named = chain.at(header.roster_version);
  if (named == nullptr) return nullptr;
  const auto [person, device] = named->find(header.author.kid);
  if (person == nullptr) return nullptr;
  return first_refusal(chain, header.roster_version, [&, person = person, device = device](const RosterVersion& later) {
    return still_stands(later, person->name, device->keys, kAuthor, header.written);
  });
}

Status check_header(const SecretHeader& header, const RosterChain& chain, const LogProof* proof) {
  const RosterVersion* roster = chain.at(header.roster_version);
  if (roster == nullptr) {
    return Error(Errc::kStale, "the secret was written under roster version " + std::to_string(header.roster_version) +
                                   ", and only " + std::to_string(chain.current().version) + " are known");
  }
  if (header.core.version == 0) return Error(Errc::kInvalid, "secrets' versions begin with 1");
  const Result<const Person*> author = check_login(*roster, header.author, kAuthor, header.written);
  if (!author) return in_context("the secret's author", author.error());
  TRY(verify(header.author.key, "header", body_of(header), header.signature));
  return check_logged_before(refused_since(header, chain), LeafKind::kPut, header.hash(), proof, "the secret " + header.path);
}

Status check_share_table(const ShareTable& table, const SecretHeader& header, const Policy& policy,
                         const RosterChain& chain) {
  TRY(verify_signature(head_of(table), header));
  if (table.policy != policy.hash()) return bad_table("made under another policy");
  if (policy.directory != header.directory) return bad_table("made under another directory's policy");
  const RosterVersion* roster = chain.at(table.roster_version);
  if (roster == nullptr || table.roster_version < policy.roster_version) {
    return Error(Errc::kStale, "share table: roster version " + std::to_string(table.roster_version) + " does not fit");
  }
  std::vector<std::vector<bool>> has_share;
  for (const ApproverGroup& group : policy.groups) has_share.emplace_back(group.approvers.size());
  for (const ShareEntry& entry : table.entries) TRY(check_entry(entry, policy, *roster, header.written, has_share));
  for (std::size_t g = 0; g < has_share.size(); ++g) {
    const auto without = std::find(has_share[g].begin(), has_share[g].end(), false);
    if (without == has_share[g].end()) continue;
    return bad_table("no share for " +
                     policy.groups[g].approvers[static_cast<std::size_t>(without - has_share[g].begin())]);
  }
  return check_one_commitment_a_person(table);
}

Status check_put(const SecretHeader& header, const ShareTable& table, const Policy& current_policy,
                 const RosterChain& chain, WallTime now) {
  const std::uint64_t newest = chain.current().version;
  if (header.roster_version != newest || table.roster_version != newest) {
    return Error(Errc::kStale, "roster version " + std::to_string(newest) + " holds now: seal the secret again");
  }
  if (table.policy != current_policy.hash()) {
    return Error(Errc::kStale, "the policy has changed: seal the secret again");
  }
  const std::chrono::seconds skew = kCertificateSkew;
  if (header.written + skew < now || now + skew < header.written) {
    return Error(Errc::kInvalid, "the secret says it was written at " + time_text(header.written) + ", not now");
  }
  TRY(check_header(header, chain));
  return check_share_table(table, header, current_policy, chain);
}

}  // namespace conclave::vault
