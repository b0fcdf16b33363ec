#include "vault/identity.h"

#include <algorithm>

#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CONCLAVE IDENTITY-----\n";
constexpr std::string_view kEnd = "-----END CONCLAVE IDENTITY-----\n";
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kMaxIdentityFileBytes = 4096;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kPrivateBytes = 64;  // both seeds

std::string armour(ByteView bytes) {
  const std::string text = to_base64(bytes);
  std::string out(kBegin);
  for (std::size_t at = 0; at < text.size(); at += kLineBytes) out += text.substr(at, kLineBytes) + "\n";
  return out += kEnd;
}

Result<Bytes> without_armour(std::string_view file) {
  const Error no_identity(Errc::kCorrupt, "not an identity file");
  if (file.size() > kMaxIdentityFileBytes || !file.starts_with(kBegin) || !file.ends_with(kEnd)) return no_identity;
  file.remove_prefix(kBegin.size());
  if (file.size() < kEnd.size()) return no_identity;
  file.remove_suffix(kEnd.size());
  std::string text(file);
  std::erase(text, '\n');
  const Result<Bytes> bytes = from_base64(text);
  if (!bytes || armour(*bytes) != std::string(kBegin) + std::string(file) + std::string(kEnd)) return no_identity;
  return *bytes;
}

// The file's content: a head that is the AAD of the sealed private keys after it.
struct SealedIdentity {
  IdentityLabel label;
  unsigned cost_log2 = 0;
  std::array<std::uint8_t, kSaltBytes> salt{};
  Bytes head;
  Bytes sealed;
};

Bytes head_of(const IdentityLabel& label, unsigned cost_log2, ByteView salt) {
  CanonicalWriter out = begin_body();
  out.raw(label.cluster).lv(label.person).raw(label.device.signing).raw(label.device.agreement);
  out.u8(static_cast<std::uint8_t>(cost_log2)).raw(salt);
  return std::move(out).bytes();
}

Result<SealedIdentity> parse_identity_file(std::string_view file) {
  const Bytes bytes = TRY(without_armour(file));
  CanonicalReader in = read_body(bytes);
  SealedIdentity out;
  out.label.cluster = in.array<16>();
  out.label.person = get_person_name(in);
  out.label.device.signing = in.array<32>();
  out.label.device.agreement = in.array<32>();
  out.cost_log2 = in.u8();
  out.salt = in.array<kSaltBytes>();
  out.head = bytes_of(ByteView(bytes).first(bytes.size() - in.left()));
  out.sealed = bytes_of(in.raw(kPrivateBytes + kAeadTagBytes));
  TRY(in.finish("identity file"));
  return out;
}

// The key serves this one sealing: its salt is fresh. So the nonce may be zero.
Result<SecretBytes> key_of(const SecretBytes& passphrase, ByteView salt, unsigned cost_log2) {
  return scrypt(passphrase.view(), salt, cost_log2, kAeadKeyBytes);
}

Bytes body_of(const LoginCert& cert) {
  CanonicalWriter out = begin_body();
  out.raw(cert.cluster).lv(cert.person).raw(cert.kid).raw(cert.key);
  put_time(out, cert.not_before);
  put_time(out, cert.not_after);
  return std::move(out).bytes();
}

}  // namespace

Kid DevicePublic::kid() const {
  const Hash hash = labelled_hash("device", encode(*this));
  Kid out{};
  std::copy_n(hash.begin(), out.size(), out.begin());
  return out;
}

Bytes encode(const DevicePublic& device) {
  CanonicalWriter out = begin_body();
  out.raw(device.signing).raw(device.agreement);
  return std::move(out).bytes();
}

Result<DevicePublic> parse_device(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  DevicePublic out;
  out.signing = in.array<32>();
  out.agreement = in.array<32>();
  TRY(in.finish("device"));
  return out;
}

Device make_device(Random& random) { return {make_signing_key(random), make_agreement_key(random)}; }

Result<std::string> seal_identity(const Identity& identity, const SecretBytes& passphrase, unsigned cost_log2,
                                  Random& random) {
  if (!is_person_name(identity.person)) {
    return Error(Errc::kInvalid, "a name is " + std::string(kPersonNameRule) + "; not '" + identity.person + "'");
  }
  std::array<std::uint8_t, kSaltBytes> salt{};
  random.fill(salt);
  const SecretBytes key = TRY(key_of(passphrase, salt, cost_log2));
  SecretBytes keys(kPrivateBytes);
  const ByteView signing = identity.device.signing.seed.view();
  const ByteView agreement = identity.device.agreement.secret.view();
  std::copy(agreement.begin(), agreement.end(), std::copy(signing.begin(), signing.end(), keys.span().begin()));

  Bytes out = head_of({identity.cluster, identity.person, identity.device.public_half()}, cost_log2, salt);
  const Bytes sealed = aead_seal(key.view(), AeadNonce{}, out, keys.view());
  out.insert(out.end(), sealed.begin(), sealed.end());
  return armour(out);
}

Result<Identity> open_identity(std::string_view file, const SecretBytes& passphrase) {
  const SealedIdentity in = TRY(parse_identity_file(file));
  const Result<SecretBytes> key = key_of(passphrase, in.salt, in.cost_log2);
  if (!key) return in_context("identity file", key.error());
  const Result<SecretBytes> keys = aead_open(key->view(), AeadNonce{}, in.head, in.sealed);
  if (!keys) return Error(Errc::kKeyRejected, "wrong passphrase");
  Device device{signing_key_of_seed(keys->view().first(32)), agreement_key_of_secret(keys->view().subspan(32))};
  if (device.public_half() != in.label.device) return Error(Errc::kCorrupt, "identity file: keys that are no pair");
  return Identity{in.label.cluster, in.label.person, std::move(device)};
}

Result<IdentityLabel> read_identity_label(std::string_view file) { return TRY(parse_identity_file(file)).label; }

Mac join_mac(const SecretBytes& invitation_secret, ByteView id, std::string_view person, const DevicePublic& device) {
  CanonicalWriter body = begin_body();
  body.lv(id).lv(person).raw(device.signing).raw(device.agreement);
  const Hash hash = labelled_hash("join", body.bytes());
  return hmac_sha256(invitation_secret.view(), hash);
}

Bytes encode(const LoginCert& cert) {
  Bytes out = body_of(cert);
  out.insert(out.end(), cert.signature.begin(), cert.signature.end());
  return out;
}

Result<LoginCert> parse_login_cert(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  LoginCert out;
  out.cluster = in.array<16>();
  out.person = get_person_name(in);
  out.kid = in.array<16>();
  out.key = in.array<32>();
  out.not_before = get_time(in);
  out.not_after = get_time(in);
  out.signature = in.array<64>();
  TRY(in.finish("login certificate"));
  return out;
}

Status verify_signature(const LoginCert& cert, const DevicePublic& device) {
  return verify(device.signing, "login", body_of(cert), cert.signature);
}

Signature sign_logout(const Login& login) { return sign(login.key, "logout", encode(login.cert)); }

Status verify_logout(const LoginCert& cert, ByteView signature) {
  const Error bad(Errc::kKeyRejected, "a logout is signed by the login's own key");
  Signature own{};
  if (signature.size() != own.size()) return bad;
  std::copy(signature.begin(), signature.end(), own.begin());
  return verify(cert.key, "logout", encode(cert), own) ? Status() : bad;
}

Login make_login(const Identity& identity, WallTime now, std::chrono::seconds lifetime, Random& random) {
  Login out{make_signing_key(random), {}};
  LoginCert& cert = out.cert;
  cert.cluster = identity.cluster;
  cert.person = identity.person;
  cert.kid = identity.device.kid();
  cert.key = out.key.public_key;
  cert.not_before = now;
  cert.not_after = now + std::min(lifetime, kMaxLogin);
  cert.signature = sign(identity.device.signing, "login", body_of(cert));
  return out;
}

}  // namespace conclave::vault
