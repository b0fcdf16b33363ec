#include "base/certificate.h"
#include "base/check.h"
#include "base/token.h"
#include "tests/fuzz/fuzz_targets.h"

namespace conclave::fuzz {

// Nobody without the key makes a token that opens.
void tokens(ByteView input) {
  const EpochKeys keys(ClusterId{1}, {7, SecretBytes::copy_of(Bytes(32, 1))});
  CHECK(!keys.open_lease(input));
  CHECK(!keys.open_pass(input));
  CHECK(!keys.open_ticket(input));
  CHECK(!keys.open_permit(input));
}

void certificate(ByteView input) {
  if (const auto peer = peer_of_certificate(input, {}, ClusterId{1})) CHECK(!peer->name.empty());
  static_cast<void>(peer_of_certificate(input, input, ClusterId{1}));
  static_cast<void>(expiry_of_pem(text_of(input)));
}

}  // namespace conclave::fuzz
