// Events for operators: a level, a fixed sentence, and fields. JSON lines when the output is not a terminal.
// No secret, key, token or passphrase is ever a field. spdlog is included by log.cc only.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace conclave {

struct LogField {
  LogField(std::string_view n, std::string_view v) : name(n), value(v), quoted(true) {}
  LogField(std::string_view n, const char* v) : name(n), value(v), quoted(true) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v), quoted(true) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  LogField(std::string_view n, Number v) : name(n), value(std::to_string(v)) {}
  LogField(std::string_view n, const Error& e)
      : name(n), value(std::string(name_of(e.code)) + ": " + e.message), quoted(true) {}

  std::string_view name;
  std::string value;
  bool quoted = false;
};
using LogFields = std::initializer_list<LogField>;

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

// protobuf writes to standard error by itself of bytes that it cannot parse; here they become an Error. Once for the
// process, by whatever parses what comes from others: Log, Router, ConnectClient. Thread-safe.
void quiet_protobuf();

// Thread-safe.
class Log {
 public:
  // To standard error. `part` ("dirserver 1") stands in every line. The level comes from the configuration.
  explicit Log(std::string part, LogLevel least = LogLevel::kInfo);
  ~Log();
  void debug(std::string_view what, LogFields fields = {}) { write(LogLevel::kDebug, what, fields); }
  void info(std::string_view what, LogFields fields = {}) { write(LogLevel::kInfo, what, fields); }
  void warning(std::string_view what, LogFields fields = {}) { write(LogLevel::kWarning, what, fields); }
  void error(std::string_view what, LogFields fields = {}) { write(LogLevel::kError, what, fields); }

 private:
  void write(LogLevel level, std::string_view what, LogFields fields);
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace conclave
