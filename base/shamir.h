// Shamir's secret sharing over GF(2⁸), polynomial 0x11B, byte by byte; multiplication in constant time
// and without tables (table look-ups leaked: CVE-2023-25000).
#pragma once

#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace conclave {

struct Share {
  std::uint8_t x = 0;   // 1 to 255
  SecretBytes y;        // as long as the secret
};

// n shares of which any m rebuild the secret: 1 <= m <= n <= 255, x = 1 … n. kInvalid otherwise.
Result<std::vector<Share>> shamir_split(const SecretBytes& secret, unsigned m, unsigned n, Random& random);
// The same with given coefficients (of x¹ … x^(m−1)), for vectors.
Result<std::vector<Share>> shamir_split_with(const SecretBytes& secret, const std::vector<SecretBytes>& coefficients,
                                             unsigned n);
// From exactly m shares (more are used too: they must lie on the same polynomial to help). kInvalid for none,
// x = 0, an x twice, or unequal lengths. Fewer than m give a wrong secret, which the caller's commitment finds.
Result<SecretBytes> shamir_join(const std::vector<Share>& shares);

}  // namespace conclave
