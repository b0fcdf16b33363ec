#include "base/shamir.h"

#include <array>

namespace conclave {
namespace {

// In GF(2⁸): the same instructions whatever the operands.
std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  unsigned shifted = a;
  for (int bit = 0; bit < 8; ++bit) {
    product ^= shifted & (0u - (static_cast<unsigned>(b) >> bit & 1));
    shifted = (shifted << 1) ^ (0x11bu & (0u - (shifted >> 7 & 1)));
  }
  return static_cast<std::uint8_t>(product);
}

// a²⁵⁴, since a²⁵⁵ = 1.
std::uint8_t inverse(std::uint8_t a) {
  std::uint8_t out = 1;
  for (int i = 0; i < 254; ++i) out = multiply(out, a);
  return out;
}

// Lagrange's weight of share i for the value at 0: ∏ x_j / (x_j − x_i), and − is ⊕.
std::uint8_t weight_at_zero(const std::vector<Share>& shares, std::size_t i) {
  std::uint8_t above = 1;
  std::uint8_t below = 1;
  for (std::size_t j = 0; j < shares.size(); ++j) {
    if (j == i) continue;
    above = multiply(above, shares[j].x);
    below = multiply(below, shares[j].x ^ shares[i].x);
  }
  return multiply(above, inverse(below));
}

Status check_shares(const std::vector<Share>& shares) {
  if (shares.empty()) return Error(Errc::kInvalid, "no shares to join");
  std::array<bool, 256> seen{};
  for (const Share& share : shares) {
    if (share.x == 0) return Error(Errc::kInvalid, "a share with x = 0");
    if (seen[share.x]) return Error(Errc::kInvalid, "two shares with x = " + std::to_string(share.x));
    if (share.y.size() != shares[0].y.size()) return Error(Errc::kInvalid, "shares of unequal lengths");
    seen[share.x] = true;
  }
  return {};
}

// Horner's rule: ((c₂·x + c₁)·x + secret).
Share share_at(std::uint8_t x, const SecretBytes& secret, const std::vector<SecretBytes>& coefficients) {
  Share out{x, SecretBytes(secret.size())};
  const ByteSpan y = out.y.span();
  for (std::size_t byte = 0; byte < y.size(); ++byte) {
    for (std::size_t c = coefficients.size(); c > 0; --c) {
      y[byte] = multiply(y[byte] ^ coefficients[c - 1].view()[byte], x);
    }
    y[byte] ^= secret.view()[byte];
  }
  return out;
}

}  // namespace

Result<std::vector<Share>> shamir_split(const SecretBytes& secret, unsigned m, unsigned n, Random& random) {
  if (m < 1 || m > n) return Error(Errc::kInvalid, "a threshold that is not between 1 and the number of shares");
  std::vector<SecretBytes> coefficients;
  for (unsigned i = 1; i < m && m <= 255; ++i) {
    coefficients.emplace_back(secret.size());
    random.fill(coefficients.back().span());
  }
  return shamir_split_with(secret, coefficients, n);
}

Result<std::vector<Share>> shamir_split_with(const SecretBytes& secret, const std::vector<SecretBytes>& coefficients,
                                             unsigned n) {
  if (n < 1 || n > 255) return Error(Errc::kInvalid, "1 to 255 shares can be made");
  if (coefficients.size() >= n) return Error(Errc::kInvalid, "a threshold above the number of shares");
  for (const SecretBytes& coefficient : coefficients) {
    if (coefficient.size() != secret.size()) return Error(Errc::kInvalid, "a coefficient of another length");
  }
  std::vector<Share> out;
  for (unsigned x = 1; x <= n; ++x) out.push_back(share_at(static_cast<std::uint8_t>(x), secret, coefficients));
  return out;
}

Result<SecretBytes> shamir_join(const std::vector<Share>& shares) {
  TRY(check_shares(shares));
  SecretBytes out(shares[0].y.size());
  const ByteSpan secret = out.span();
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::uint8_t weight = weight_at_zero(shares, i);
    for (std::size_t byte = 0; byte < secret.size(); ++byte) {
      secret[byte] ^= multiply(weight, shares[i].y.view()[byte]);
    }
  }
  return out;
}

}  // namespace conclave
