// One measured value, and its line in a log: a resolved SenML record (RFC 8428: absolute name, time and unit) with
// when it arrived and where it came from. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace conclave::streams {

struct Reading {
  std::string name;       // "load1": 1 to 128 of [A-Za-z0-9-:./_], as RFC 8428 section 4.5.1
  std::string unit;       // of the SenML registry: "1", "B", "B/s", "Cel", "%"; empty: none
  double value = 0;       // finite
  WallTime time;          // when it was measured
  WallTime arrived;
  std::string origin;     // who fed it: "host:NAME"

  friend bool operator==(const Reading&, const Reading&) = default;
};

inline constexpr std::size_t kMaxReadingLineBytes = 1024;

// {"n":"load1","u":"1","v":0.52,"t":1763640000.123456789,"at":…,"o":"host:db1"} and a newline. Values are written with the
// fewest digits that read back as the same double.
std::string line_of(const Reading& reading);
// kInvalid with what is wrong: not an object of exactly these members, a name or value out of range.
Result<Reading> parse_line(std::string_view line);

// "2026-11-20T13:05:11.123Z,load1,0.52,1" and a newline.
std::string csv_of(const Reading& reading);
inline constexpr std::string_view kCsvHead = "time,name,value,unit\n";

// UTC, with milliseconds: "2026-11-20T13:05:11.123Z"; the day: "2026-11-20".
std::string utc_text(WallTime time);
std::string utc_day(WallTime time);

}  // namespace conclave::streams
