// What all of suite 1's canonical bytes share: how times, flags, names and signatures stand in them, the limits,
// and what text a person may be shown. Every body begins with its suite.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/canonical.h"
#include "base/clock.h"
#include "base/crypto.h"

namespace conclave::vault {

inline constexpr std::uint32_t kSuite = 1;

inline constexpr std::size_t kMaxPersonNameBytes = 64;       // as in certificates
inline constexpr std::size_t kMaxPeople = 1000;              // a roster is one message
inline constexpr std::size_t kMaxDevicesPerPerson = 8;       // each holds a copy of the person's share
inline constexpr std::size_t kMaxAdminSignatures = 64;
inline constexpr std::size_t kMaxPathBytes = 4095;           // PATH_MAX less the final NUL
inline constexpr std::size_t kMaxHostBytes = 255;
inline constexpr std::size_t kMaxProgramBytes = 1000;        // name and arguments, cut to this
inline constexpr std::chrono::seconds kMaxLifetime = std::chrono::hours(24 * 366 * 10);  // any duration here

// A writer that already holds the suite, and a reader that has checked it.
CanonicalWriter begin_body();
CanonicalReader read_body(ByteView bytes);

// Nanoseconds in 8 bytes, 0 to 2⁶²−1 (the year 2116), so that adding kMaxLifetime cannot overflow. As below, a value
// out of range is written as it is, and refused by whoever reads it.
void put_time(CanonicalWriter& out, WallTime time);
WallTime get_time(CanonicalReader& in);
// Whole seconds in 8 bytes, at most kMaxLifetime.
void put_seconds(CanonicalWriter& out, std::chrono::seconds value);
std::chrono::seconds get_seconds(CanonicalReader& in);
// One byte, 0 or 1 and nothing else.
void put_flag(CanonicalWriter& out, bool value);
bool get_flag(CanonicalReader& in);
// A person's name, which also names a folder.
inline constexpr std::string_view kPersonNameRule = "1 to 64 of a-z, 0-9, '.', '_' and '-', not beginning with '.' or '-'";
bool is_person_name(std::string_view name);
std::string get_person_name(CanonicalReader& in);
// Text that a person will read before deciding: fails unless is_plain_text.
std::string get_plain_text(CanonicalReader& in, std::size_t max_size);

// UTF-8 without control characters and without the marks that reorder what is shown: nothing in it can move a
// terminal's cursor or turn a line around.
bool is_plain_text(std::string_view text);
// The same text with '?' for every byte that is_plain_text would refuse, cut to max_size at a character.
std::string plain_text(std::string_view text, std::size_t max_size);

WallTime operator+(WallTime time, std::chrono::seconds span);
// "2026-01-31T23:59:59Z"
std::string time_text(WallTime time);

}  // namespace conclave::vault
