// CHECK(condition): for our own mistakes only. Prints the place and aborts, in every build: a wrong
// program that goes on would write wrong bytes. Nothing a peer or a user sends may reach one.
#pragma once

namespace conclave {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

#define CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::conclave::check_failed(#condition, __FILE__, __LINE__))

}  // namespace conclave
