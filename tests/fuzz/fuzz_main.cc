// One libFuzzer program for each target: FUZZ_TARGET is its function's name.
#include "tests/fuzz/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  conclave::fuzz::FUZZ_TARGET({bytes, size});
  return 0;
}
