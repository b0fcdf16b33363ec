#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace conclave {

void SystemRandom::fill(ByteSpan out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    CHECK(n > 0);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace conclave
