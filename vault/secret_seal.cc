#include "vault/secret_seal.h"

#include <algorithm>
#include <bit>

#include "base/limits.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::size_t kChunk = 64u << 10;
constexpr std::size_t kLeastPadded = 256;
constexpr std::size_t kLengthBytes = 4;

ByteView info(std::string_view label) { return view_of(label); }

SecretBytes random_key(Random& random) {
  SecretBytes out(32);
  random.fill(out.span());
  return out;
}

SecretBytes payload_key(const SecretBytes& dek, const IdCore& core) {
  return hkdf(dek.view(), core.nonce, info("ConclaveFS/v1/payload"), kAeadKeyBytes);
}

Mac header_mac(const SecretHeader& header, const SecretBytes& dek) {
  const SecretBytes key = hkdf(dek.view(), header.core.nonce, info("ConclaveFS/v1/header mac"), 32);
  return hmac_sha256(key.view(), mac_body_of(header));
}

// S serves one sealing, so the nonce may be zero.
SecretBytes inner_key(const SecretBytes& quorum_secret) {
  return hkdf(quorum_secret.view(), {}, info("ConclaveFS/v1/inner"), kAeadKeyBytes);
}

// 11 bytes of counter, big-endian, and the flag of the last chunk.
AeadNonce chunk_nonce(std::uint64_t number, bool last) {
  AeadNonce out{};
  for (std::size_t i = 0; i < 8; ++i) out[10 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  out[11] = last ? 1 : 0;
  return out;
}

SecretBytes pad(const SecretBytes& plaintext) {
  SecretBytes out(padded_size(plaintext.size()));
  std::copy(plaintext.view().begin(), plaintext.view().end(), out.span().begin());
  const ByteSpan length = out.span().last(kLengthBytes);
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length[i] = static_cast<std::uint8_t>(plaintext.size() >> (8 * (kLengthBytes - 1 - i)));
  }
  return out;
}

Result<SecretBytes> unpad(SecretBytes padded) {
  const std::size_t length = CanonicalReader(padded.view().last(kLengthBytes)).u32();
  const Error bad(Errc::kCorrupt, "the payload's padding is not the author's");
  if (length > kMaxSecretBytes || padded_size(length) != padded.size()) return bad;
  const ByteView zeros = padded.view().subspan(length, padded.size() - kLengthBytes - length);
  if (std::any_of(zeros.begin(), zeros.end(), [](std::uint8_t byte) { return byte != 0; })) return bad;
  padded.shrink(length);
  return padded;
}

Bytes seal_stream(const SecretBytes& key, const SecretBytes& padded) {
  Bytes out;
  out.reserve(payload_size(padded.size()));
  for (std::size_t at = 0; at < padded.size(); at += kChunk) {
    const std::size_t size = std::min(kChunk, padded.size() - at);
    const AeadNonce nonce = chunk_nonce(at / kChunk, at + size == padded.size());
    const Bytes chunk = aead_seal(key.view(), nonce, {}, padded.view().subspan(at, size));
    out.insert(out.end(), chunk.begin(), chunk.end());
  }
  return out;
}

// One group's shares, each sealed to every device of its approver that is not revoked.
Status add_group(ShareTable& table, const SecretHeader& header, const Policy& policy, std::size_t group_index,
                 const SecretBytes& group_secret, const RosterVersion& roster, Random& random) {
  const ApproverGroup& group = policy.groups[group_index];
  const auto n = static_cast<unsigned>(group.approvers.size());
  const std::vector<Share> shares = TRY(shamir_split(group_secret, group.m, n, random));
  for (const Share& share : shares) {
    const std::string& name = group.approvers[share.x - 1u];
    const Person* person = TRY(standing(roster, name, kApprover, header.written));
    bool has_device = false;
    for (const RosterDevice& device : person->devices) {
      if (device.revoked) continue;
      has_device = true;
      ShareEntry entry{static_cast<std::uint8_t>(group_index), share.x, device.keys.kid(), {}, {}};
      entry.commitment = share_commitment(header.core, entry.group, entry.x, share.y);
      const Bytes sealed = TRY(hpke_seal(device.keys.agreement, info("ConclaveFS/v1/share"),
                                         share_aad(header, table.policy, entry), share.y.view(), random));
      std::copy(sealed.begin(), sealed.end(), entry.sealed.begin());
      table.entries.push_back(entry);
    }
    if (!has_device) return Error(Errc::kKeyRevoked, name + " has no device to hold a share");
  }
  return {};
}

// S = S₁ ⊕ S₂ ⊕ …: one independent secret for each group.
Result<ShareTable> make_table(const SecretHeader& header, const Policy& policy, const SecretBytes& quorum_secret,
                              const RosterVersion& roster, Random& random) {
  ShareTable table;
  table.header = header.hash();
  table.policy = policy.hash();
  table.roster_version = roster.version;
  SecretBytes rest = quorum_secret.clone();
  for (std::size_t g = 0; g < policy.groups.size(); ++g) {
    const bool last = g + 1 == policy.groups.size();
    const SecretBytes part = last ? rest.clone() : random_key(random);
    for (std::size_t i = 0; i < rest.size(); ++i) rest.span()[i] ^= part.view()[i];
    TRY(add_group(table, header, policy, g, part, roster, random));
  }
  return table;
}

Status check_seal(const SecretBytes& plaintext, const SealPlace& place, const Policy& policy,
                  const RosterVersion& roster, const Login& author, WallTime now) {
  if (plaintext.size() > kMaxSecretBytes) {
    return Error(Errc::kFileTooBig, "a secret is at most " + std::to_string(kMaxSecretBytes >> 20) + " MiB");
  }
  if (policy.directory != place.directory) return Error(Errc::kAccess, "the policy is another directory's");
  if (place.path.size() > kMaxPathBytes) return Error(Errc::kNameTooLong, "the secret's path is too long");
  if (place.version == 0) return Error(Errc::kInvalid, "secrets' versions begin with 1");
  TRY(check_login(roster, author.cert, kAuthor, now));
  return {};
}

}  // namespace

std::size_t padded_size(std::size_t plaintext_bytes) {
  const std::size_t size = plaintext_bytes + kLengthBytes;
  if (size <= kChunk) return std::max(kLeastPadded, std::bit_ceil(size));
  return (size + kChunk - 1) / kChunk * kChunk;
}

std::size_t payload_size(std::size_t padded_bytes) {
  return padded_bytes + (padded_bytes + kChunk - 1) / kChunk * kAeadTagBytes;
}

Result<SealedVersion> seal_secret(const SecretBytes& plaintext, const SealPlace& place, const Policy& policy,
                                  const RosterVersion& roster, const Login& author, WallTime now, Random& random) {
  TRY(check_seal(plaintext, place, policy, roster, author, now));
  const SecretBytes dek = random_key(random);
  const SecretBytes quorum_secret = random_key(random);
  SealedVersion out;
  SecretHeader& header = out.header;
  IdCore& core = header.core;
  core.secret = place.secret;
  core.version = place.version;
  random.fill(core.nonce);
  core.padded_bytes = padded_size(plaintext.size());
  out.payload = seal_stream(payload_key(dek, core), pad(plaintext));
  core.payload_hash = labelled_hash("payload", out.payload);

  header.quorum_commitment = quorum_commitment(core, quorum_secret);
  header.directory = place.directory;
  header.path = plain_text(place.path, kMaxPathBytes);
  header.roster_version = roster.version;
  header.written = now;
  header.author = author.cert;
  header.mac = header_mac(header, dek);
  sign_header(header, author);

  out.table = TRY(make_table(header, policy, quorum_secret, roster, random));
  sign_share_table(out.table, author);
  out.inner = aead_seal(inner_key(quorum_secret).view(), AeadNonce{}, encode(core), dek.view());
  return out;
}

Result<SecretBytes> open_payload(const SecretHeader& header, const SecretBytes& dek, ByteView payload) {
  const IdCore& core = header.core;
  const Error bad(Errc::kCorrupt, "the payload is not the one that the author signed");
  if (core.padded_bytes < kLeastPadded || core.padded_bytes > padded_size(kMaxSecretBytes)) return bad;
  if (payload.size() != payload_size(core.padded_bytes)) return bad;
  if (labelled_hash("payload", payload) != core.payload_hash) return bad;
  const SecretBytes key = payload_key(dek, core);
  SecretBytes padded(core.padded_bytes);
  for (std::size_t at = 0; at < padded.size(); at += kChunk) {
    const std::size_t size = std::min(kChunk, padded.size() - at);
    const std::size_t number = at / kChunk;
    const ByteView sealed = payload.subspan(at + number * kAeadTagBytes, size + kAeadTagBytes);
    const SecretBytes chunk = TRY(aead_open(key.view(), chunk_nonce(number, at + size == padded.size()), {}, sealed));
    std::copy(chunk.view().begin(), chunk.view().end(), padded.span().begin() + static_cast<std::ptrdiff_t>(at));
  }
  return unpad(std::move(padded));
}

Result<Share> open_share(const Device& device, const SecretHeader& header, const ShareTable& table) {
  const ShareEntry* entry = table.find(device.kid());
  if (entry == nullptr) return Error(Errc::kAccess, "this device holds no share of the secret");
  Share share{entry->x, TRY(hpke_open(device.agreement, info("ConclaveFS/v1/share"),
                                      share_aad(header, table.policy, *entry), entry->sealed))};
  if (share_commitment(header.core, entry->group, entry->x, share.y) != entry->commitment) {
    return Error(Errc::kCorrupt, "the share does not fit its commitment: the author made a bad one");
  }
  return share;
}

Result<SecretBytes> join_quorum(const SecretHeader& header, const std::vector<std::vector<Share>>& shares) {
  SecretBytes quorum_secret(kShareBytes);
  if (shares.empty()) return Error(Errc::kInvalid, "no shares");
  for (const std::vector<Share>& group : shares) {
    const SecretBytes part = TRY(shamir_join(group));
    if (part.size() != kShareBytes) return Error(Errc::kInvalid, "shares of a wrong length");
    for (std::size_t i = 0; i < kShareBytes; ++i) quorum_secret.span()[i] ^= part.view()[i];
  }
  if (quorum_commitment(header.core, quorum_secret) != header.quorum_commitment) {
    return Error(Errc::kCorrupt, "the shares do not make the secret's key: too few of them, or a bad one");
  }
  return quorum_secret;
}

Result<SecretBytes> open_inner(const SecretHeader& header, const SecretBytes& quorum_secret, ByteView inner) {
  SecretBytes dek = TRY(aead_open(inner_key(quorum_secret).view(), AeadNonce{}, encode(header.core), inner));
  if (dek.size() != 32 || !equal_in_constant_time(header_mac(header, dek), header.mac)) {
    return Error(Errc::kCorrupt, "the secret's key is not the one that the author used");
  }
  return dek;
}

}  // namespace conclave::vault
