// Result<T>: a value or an Error, with std::expected's vocabulary. [[nodiscard]], unlike GCC 12's
// std::expected, and readable by clang 14. No exceptions of our own anywhere: functions return these.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/errc.h"

namespace conclave {

// What went wrong, and a sentence for a person: what was wanted, what stood in the way, and, where
// there is something to do, what to do next. `key` belongs to kPending only.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;
  std::uint64_t key = 0;

  Error(Errc c) : code(c) {}  // NOLINT(google-explicit-constructor): `return Errc::kNotFound;`
  Error(Errc c, std::string m) : code(c), message(std::move(m)) {}
  Error(Errc c, std::string m, std::uint64_t k) : code(c), message(std::move(m)), key(k) {}
};

// "prefix: message", the code kept. Context is added once, where its meaning is known.
inline Error in_context(std::string prefix, Error error) {
  error.message = error.message.empty() ? std::move(prefix) : std::move(prefix) + ": " + error.message;
  return error;
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result(Errc code) : state_(std::in_place_index<1>, Error(code)) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Precondition: has_value(). Anything else is our own mistake and aborts.
  T& value() & { CHECK(has_value()); return *std::get_if<0>(&state_); }
  const T& value() const& { CHECK(has_value()); return *std::get_if<0>(&state_); }
  T&& value() && { CHECK(has_value()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) && { return has_value() ? std::move(*this).value() : std::move(other); }

  // Precondition: !has_value().
  const Error& error() const& { CHECK(!has_value()); return *std::get_if<1>(&state_); }
  Error&& error() && { CHECK(!has_value()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}  // NOLINT
  Result(Errc code) : failed_(true), error_(code) {}  // NOLINT

  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const { CHECK(has_value()); }
  const Error& error() const& { CHECK(failed_); return error_; }
  Error&& error() && { CHECK(failed_); return std::move(error_); }

 private:
  bool failed_ = false;
  Error error_{Errc::kInternal};
};

using Status = Result<void>;

// Evaluates a Result; on an error returns that error from the enclosing function, else is its value:
//   auto entry = TRY(store.find(name));
// Each use names its variable anew, so that one TRY may stand inside another.
#define TRY(expression) CONCLAVE_TRY_NAMED(expression, __COUNTER__)
#define CONCLAVE_TRY_NAMED(expression, number) CONCLAVE_TRY(expression, CONCLAVE_TRY_NAME(number))
#define CONCLAVE_TRY_NAME(number) try_result_##number
#define CONCLAVE_TRY(expression, result)                \
  __extension__({                                       \
    auto result = (expression);                         \
    if (!result) return std::move(result).error();      \
    std::move(result).value();                          \
  })

}  // namespace conclave
