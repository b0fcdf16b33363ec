// A request to open one version of a secret, signed by the requester's login key, and the records that the same key
// signs while the opening lives. What a person will read in it is plain text by construction.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "vault/secret_version.h"

namespace conclave::vault {

// What the requester says of itself. Nobody can check it, and it is for who decides, not for the log: the request commits to it.
struct Claims {
  std::array<std::uint8_t, 16> salt{};    // random, so that nobody finds a short reason by trying
  std::string host;
  std::uint32_t uid = 0;
  std::string program;                    // name, and arguments where the policy says so
  std::string reason;
};
Bytes encode(const Claims& claims);
Result<Claims> parse_claims(ByteView bytes);    // kCorrupt, also for text that is not plain

struct Request {
  std::array<std::uint8_t, 16> id{};      // random: two equal wishes are two requests
  Hash header{}, table{};                 // of the version asked for
  LoginCert requester;
  Hash claims_hash{};
  AgreementPublic key{};                  // fresh; its private half stays in the daemon's locked memory
  WallTime filed, expires;                // undecided at `expires`: timed out
  std::chrono::seconds grant{};           // how long the opening lasts, from its first open
  std::uint32_t openings = 1;
  std::uint64_t log_size = 0;             // the newest checkpoint the requester has verified
  Hash log_root{};
  Signature signature{};
  std::optional<Claims> claims;           // not encoded with it; empty: not shown here
  [[nodiscard]] Hash rd() const;          // its name everywhere: labelled hash of all but the signature
};
Bytes encode(const Request& request);
Result<Request> parse_request(ByteView bytes);  // kCorrupt
// Adds the claims that belong to it. kKeyRejected if they do not.
Status add_claims(Request& request, ByteView claims);

// The first 8 hexadecimal digits of rd, for people to type.
inline constexpr std::size_t kShortIdBytes = 4;
std::string short_id(const Hash& rd);

// What the requester wishes; the rest comes from the version, the policy and the login.
struct Wish {
  std::string host;
  std::uint32_t uid = 0;
  std::string program;
  std::string reason;
  std::chrono::seconds grant{0};          // 0: the policy's longest
  std::uint32_t openings = 0;             // 0: the policy's most
  std::uint64_t log_size = 0;
  Hash log_root{};
};
// Makes text plain and cuts grant and openings to the policy's. `key` is the public half of a fresh key.
Request make_request(const SecretHeader& header, const ShareTable& table, const Policy& policy, const Login& login,
                     const AgreementPublic& key, const Wish& wish, WallTime now, Random& random);
// By itself and against the policy: kInvalid (reason too short, if the claims are there; grant, openings or lifetime above the policy's).
Status check_request_limits(const Request& request, const Policy& policy);
// The signature of the login key that the request carries. kKeyRejected.
Status verify_signature(const Request& request);

// What happened to an opening at the requester's side, for the log.
enum class Happening : std::uint8_t { kCancelled = 1, kOpened = 2, kClosed = 3, kExpired = 4 };
struct Record {
  Hash rd{};
  Happening happening = Happening::kCancelled;
  WallTime at;
  Signature signature{};                  // by the request's login key
};
Bytes encode(const Record& record);
Result<Record> parse_record(ByteView bytes);
Record make_record(const Hash& rd, Happening happening, WallTime at, const SigningKey& login_key);
// kKeyRejected unless it is about this request and signed by its requester.
Status check_record(const Record& record, const Request& request);

}  // namespace conclave::vault
