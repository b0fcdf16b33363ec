// What programs on several mounts did to the names of one directory, and whether one machine could have answered so:
// as file_history.h, with each name a register that says whether it is there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/sim_clock.h"

namespace conclave::sim {

class NameHistory {
 public:
  explicit NameHistory(SimClock& clock) : clock_(clock) {}

  // A change that was asked for: `appears` is made, `vanishes` is removed; either may be empty.
  using Number = std::size_t;
  Number begin(const std::string& appears, const std::string& vanishes);
  // It was acknowledged. `exclusive`: the name that appeared was not there before.
  void acknowledge(Number number, bool exclusive);
  void forget(Number number);      // it was refused: it did not happen
  // A sync of the directory that was begun at `asked` was acknowledged.
  void acknowledge_sync(MonoTime asked);
  void lose_power();               // of the directory server

  // What was seen by a call begun at `asked` and answered now. Adds a test failure if nothing explains it.
  void check(const std::string& name, bool there, MonoTime asked) const;
  // Nothing runs any more: no name appeared twice without vanishing in between.
  void check_balance(const std::string& name, bool there) const;

 private:
  struct Op {
    std::string appears, vanishes;
    MonoTime begin{}, end = kNever;
    bool certain = false, durable = false, lost = false, exclusive = false, refused = false;
  };
  [[nodiscard]] bool explained(const std::string& name, bool there, MonoTime asked) const;
  [[nodiscard]] std::string text(const std::string& name) const;

  SimClock& clock_;
  std::vector<Op> ops_;
};

}  // namespace conclave::sim
