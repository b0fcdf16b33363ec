// What programs on several mounts did to one file, and whether one machine could have answered so. All offsets and
// sizes are multiples of eight bytes; a write fills its range with a number of its own, so each word that is read
// names the write it comes from. Sound, not complete: what it reports cannot be explained by any order of the
// operations; wrong orders of operations that overlap in time may pass.
//
// An operation is certain once it was acknowledged, and as long as nothing that may take it back has happened: the
// loss of its mount's session, or a power loss before a later fsync of that mount returned. What is not certain may
// be seen or not.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "client/bytes/block_range.h"
#include "tests/support/sim_clock.h"

namespace conclave::sim {

class FileHistory {
 public:
  static constexpr std::uint64_t kWord = 8;
  FileHistory(std::string name, SimClock& clock) : name_(std::move(name)), clock_(clock) {}

  enum class Kind : std::uint8_t {
    kWrite,   // the range has its number, and the file reaches to its end
    kPunch,   // the range is zeros, as far as the file reaches
    kResize,  // the file ends at range.begin; what a growing file gains is zeros
  };
  using Number = std::uint64_t;   // from 1
  Number begin(int mount, Kind kind, client::ByteRange range);
  static Bytes content(Number write, std::uint64_t length);
  // It was acknowledged; without this it may have happened, or happen at any later time.
  void acknowledge(Number number);
  // An fsync that `mount` began at `asked` was acknowledged.
  void acknowledge_sync(int mount, MonoTime asked);
  void lose_session(int mount);
  void lose_power();   // of a server that this file's bytes or name lie on

  // What a read of `range` answered that was begun at `asked` and is answered now; fewer bytes than asked for: the
  // file ended there. Adds a test failure if nothing explains it.
  void check_read(int mount, MonoTime asked, client::ByteRange range, const std::string& bytes) const;
  void check_size(int mount, MonoTime asked, std::uint64_t size) const;

  [[nodiscard]] std::string text() const;   // for a failure's message: the last operations

 private:
  struct Op {
    Kind kind{};
    int mount = 0;
    client::ByteRange range;
    MonoTime begin{}, end = kNever;
    bool certain = false, durable = false, lost = false;
  };
  static constexpr Number kNothing = 0;   // zeros that nobody wrote

  // What an operation does to the word at `at`.
  [[nodiscard]] static bool fills(const Op& op, std::uint64_t at);      // with its number
  [[nodiscard]] static bool clears(const Op& op, std::uint64_t at);     // to zeros, if it is there then
  [[nodiscard]] static bool cuts_off(const Op& op, std::uint64_t at);
  [[nodiscard]] static bool reaches(const Op& op, std::uint64_t at);    // the file goes on behind it
  // A certain operation of the kind that `hides` says came surely after `base` and before a read begun at `asked`.
  template <class Hides>
  [[nodiscard]] const Op* hidden_by(MonoTime base_end, MonoTime asked, Hides hides) const;
  [[nodiscard]] std::string why_not(std::uint64_t at, Number value, MonoTime asked) const;
  [[nodiscard]] std::string why_not_zero(std::uint64_t at, MonoTime asked) const;
  [[nodiscard]] std::string why_not_there(std::uint64_t at, MonoTime asked) const;
  [[nodiscard]] std::string why_not_the_end(std::uint64_t at, MonoTime asked) const;
  [[nodiscard]] std::string text_of(const Op& op) const;
  void report(int mount, MonoTime asked, const std::string& what, const std::string& why) const;

  const std::string name_;
  SimClock& clock_;
  std::vector<Op> ops_;   // by number, less one
};

}  // namespace conclave::sim
