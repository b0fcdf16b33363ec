// Who signs: a person's device with its two keys, the file that keeps them under a passphrase, and the login that a
// device certifies for some hours, so that the mount's daemon signs without the device's keys.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace conclave::vault {

// A device's name everywhere: the first 16 bytes of the labelled SHA-256 of both public keys.
using Kid = std::array<std::uint8_t, 16>;

struct DevicePublic {
  SigningPublic signing{};
  AgreementPublic agreement{};
  [[nodiscard]] Kid kid() const;
  friend bool operator==(const DevicePublic&, const DevicePublic&) = default;
};
Bytes encode(const DevicePublic& device);
Result<DevicePublic> parse_device(ByteView bytes);   // kCorrupt

struct Device {
  SigningKey signing;
  AgreementKey agreement;
  [[nodiscard]] DevicePublic public_half() const { return {signing.public_key, agreement.public_key}; }
  [[nodiscard]] Kid kid() const { return public_half().kid(); }
};
Device make_device(Random& random);

// A person of a cluster, on this device.
struct Identity {
  ClusterId cluster{};
  std::string person;
  Device device;
};

// The identity file: text between BEGIN and END lines, the private keys in it sealed under scrypt(passphrase).
// cost_log2 as scrypt's (15: ~0.1 s); kNoSpace without the memory for it, kInvalid for a cost or name out of range.
inline constexpr unsigned kPassphraseCostLog2 = 15;
Result<std::string> seal_identity(const Identity& identity, const SecretBytes& passphrase, unsigned cost_log2,
                                  Random& random);
// kKeyRejected "wrong passphrase" (or private keys damaged since); kCorrupt for what is no identity file.
Result<Identity> open_identity(std::string_view file, const SecretBytes& passphrase);
// What the file tells without its passphrase, not verified: for lists.
struct IdentityLabel {
  ClusterId cluster{};
  std::string person;
  DevicePublic device;
};
Result<IdentityLabel> read_identity_label(std::string_view file);

// HMAC under an invitation's 128-bit secret: the admin's client checks it before it signs the device into the
// roster, so that no server can put its own keys there. `id` is the invitation's.
Mac join_mac(const SecretBytes& invitation_secret, ByteView id, std::string_view person, const DevicePublic& device);

// What a device says of a login key.
struct LoginCert {
  ClusterId cluster{};
  std::string person;
  Kid kid{};
  SigningPublic key{};
  WallTime not_before, not_after;
  Signature signature{};           // by the device, label "login"
};
inline constexpr std::chrono::seconds kMaxLogin = std::chrono::hours(24 * 7);
Bytes encode(const LoginCert& cert);
Result<LoginCert> parse_login_cert(ByteView bytes);  // kCorrupt; the signature is check_login's (roster.h)
inline constexpr std::size_t kMaxLoginCertBytes = 4 + 16 + 4 + 64 + 16 + 32 + 16 + 64;
// Only the device's signature, for who holds the device's keys from elsewhere. kKeyRejected.
Status verify_signature(const LoginCert& cert, const DevicePublic& device);

struct Login {
  SigningKey key;
  LoginCert cert;
};
// What ends a login: the signature of its own key, for who is not the person. kKeyRejected.
Signature sign_logout(const Login& login);
Status verify_logout(const LoginCert& cert, ByteView signature);
// lifetime is cut to kMaxLogin.
Login make_login(const Identity& identity, WallTime now, std::chrono::seconds lifetime, Random& random);

}  // namespace conclave::vault
