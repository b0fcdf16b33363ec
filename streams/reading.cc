#include "streams/reading.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace conclave::streams {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::string number_text(double value) {
  std::array<char, 32> out{};
  const auto [end, failure] = std::to_chars(out.data(), out.data() + out.size(), value);
  return failure == std::errc() ? std::string(out.data(), end) : "0";
}

// Seconds with nine decimals: exact, where a double of today's time would lose the last 200 ns.
std::string seconds_text(WallTime time) {
  std::array<char, 40> out{};
  const int n = std::snprintf(out.data(), out.size(), "%lld.%09lld", static_cast<long long>(time.ns / kNsPerSecond),
                              static_cast<long long>(time.ns % kNsPerSecond));
  return std::string(out.data(), static_cast<std::size_t>(n));
}

bool is_name(std::string_view text) {
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:./_";
  return !text.empty() && text.size() <= 128 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_plain(std::string_view text) {  // what a JSON string may hold without escapes
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') return false;
  }
  return text.size() <= 128;
}

// Reads the one form that line_of writes; anything else is not ours.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  bool literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool until_quote(std::string& out) {
    const auto quote = rest_.find('"');
    if (quote == std::string_view::npos) return false;
    out = std::string(rest_.substr(0, quote));
    rest_.remove_prefix(quote + 1);
    return true;
  }
  bool number(double& out) {
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (failure != std::errc() || !std::isfinite(out)) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  bool seconds(WallTime& out) {
    std::int64_t whole = 0, part = 0;
    if (!integer(whole) || whole < 0 || whole > 253402300799 || !literal(".")) return false;  // to the year 9999
    const std::size_t before = rest_.size();
    if (!integer(part) || before - rest_.size() != 9 || part < 0) return false;
    out.ns = whole * kNsPerSecond + part;
    return true;
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  bool integer(std::int64_t& out) {
    const auto [end, failure] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (failure != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  std::string_view rest_;
};

std::string time_text(WallTime time, const char* format) {
  const std::time_t seconds = time.ns / kNsPerSecond;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> out{};
  return std::string(out.data(), std::strftime(out.data(), out.size(), format, &parts));
}

}  // namespace

std::string line_of(const Reading& r) {
  return "{\"n\":\"" + r.name + "\",\"u\":\"" + r.unit + "\",\"v\":" + number_text(r.value) + ",\"t\":" +
         seconds_text(r.time) + ",\"at\":" + seconds_text(r.arrived) + ",\"o\":\"" + r.origin + "\"}\n";
}

Result<Reading> parse_line(std::string_view line) {
  if (line.size() > kMaxReadingLineBytes) return Error(Errc::kInvalid, "a reading's line is longer than 1024 bytes");
  Reading r;
  LineReader in(line);
  const bool well_formed = in.literal("{\"n\":\"") && in.until_quote(r.name) && in.literal(",\"u\":\"") &&
                           in.until_quote(r.unit) && in.literal(",\"v\":") && in.number(r.value) &&
                           in.literal(",\"t\":") && in.seconds(r.time) && in.literal(",\"at\":") &&
                           in.seconds(r.arrived) && in.literal(",\"o\":\"") && in.until_quote(r.origin) &&
                           in.literal("}\n") && in.at_end();
  if (!well_formed) return Error(Errc::kInvalid, "the line is not a reading {n,u,v,t,at,o}");
  if (!is_name(r.name)) return Error(Errc::kInvalid, "'" + r.name + "' is no SenML name");
  if (!is_plain(r.unit) || !is_plain(r.origin)) return Error(Errc::kInvalid, "unit or origin has a control character");
  return r;
}

std::string csv_of(const Reading& r) {
  return utc_text(r.time) + "," + r.name + "," + number_text(r.value) + "," + r.unit + "\n";
}

std::string utc_text(WallTime time) {
  std::array<char, 8> ms{};
  std::snprintf(ms.data(), ms.size(), ".%03dZ", static_cast<int>(time.ns % kNsPerSecond / 1'000'000));
  return time_text(time, "%Y-%m-%dT%H:%M:%S") + ms.data();
}

std::string utc_day(WallTime time) { return time_text(time, "%Y-%m-%d"); }

}  // namespace conclave::streams
