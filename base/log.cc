#include "base/log.h"

#include <google/protobuf/stubs/logging.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <cstdio>

namespace conclave {
namespace {

constexpr const char* kJsonLine = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";
constexpr const char* kTerminalLine = "%H:%M:%S.%e %^%-7l%$ %v";

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Escapes what JSON must have escaped; bytes of 0x80 and above stay as they are.
void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"\\=\n\t\r\x1b") == text.npos;
}

// protobuf has one log for the process. What it says about messages that cannot be parsed becomes an Error where
// they are parsed; only what it is about to abort for is worth a line.
void on_protobuf_log(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL) (void)std::fprintf(stderr, "protobuf: %s\n", message.c_str());
}

}  // namespace

struct Log::Inside {
  std::string part;
  bool terminal;
  spdlog::logger logger;
};

void quiet_protobuf() {
  static const auto once = google::protobuf::SetLogHandler(on_protobuf_log);
  (void)once;
}

Log::Log(std::string part, LogLevel least) {
  quiet_protobuf();
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const spdlog::sink_ptr sink = terminal ? spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_color_sink_mt>())
                                         : spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  inside_.reset(new Inside{std::move(part), terminal, spdlog::logger("", sink)});
  inside_->logger.set_pattern(terminal ? kTerminalLine : kJsonLine,
                              terminal ? spdlog::pattern_time_type::local : spdlog::pattern_time_type::utc);
  inside_->logger.set_level(level_of(least));
  inside_->logger.flush_on(spdlog::level::debug);
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view what, LogFields fields) {
  if (!inside_->logger.should_log(level_of(level))) return;
  std::string line;
  if (inside_->terminal) {
    line = inside_->part + ": ";
    line += what;
    for (const LogField& field : fields) {
      line.append(" ").append(field.name).append("=");
      is_plain(field.value) ? line += field.value : (append_quoted(line, field.value), line);
    }
  } else {
    line = "\"part\":";
    append_quoted(line, inside_->part);
    line += ",\"what\":";
    append_quoted(line, what);
    for (const LogField& field : fields) {
      line += ',';
      append_quoted(line, field.name);
      line += ':';
      field.quoted ? append_quoted(line, field.value) : static_cast<void>(line += field.value);
    }
  }
  inside_->logger.log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace conclave
