// Programs that write, read, truncate, punch, sync and look at a few files at random, each with its own descriptors,
// and check every answer against the files' histories.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/cluster/fs_world.h"

namespace conclave::sim {

class FsPrograms {
 public:
  struct Mix {
    int steps = 60;
    Duration pause = 20ms;        // at most, between two steps
    std::vector<std::string> paths = {"f0", "f1"};
    bool two_chunks = true;       // some offsets lie about the first chunk's end
    bool may_fail = false;        // servers crash, messages get lost: calls may fail as posix.md says
    bool cuts = true;             // truncates and punches too
    bool sync_writes = false;     // each write is followed by an fsync
  };
  FsPrograms(FsWorld& world, Mix mix) : world_(world), mix_(std::move(mix)) {}

  // Makes the files, on mount 0.
  void make_files();
  void start(int mount);          // one more program
  // Until all have ended, at most `limit` of simulated time: then something hangs, and that is a failure.
  void finish(Duration limit = 10min);
  [[nodiscard]] bool running() const { return running_ != 0; }
  // One program reads everything and all sizes, on a mount. Errors are failures.
  void read_all(int mount);

 private:
  struct Program {
    int mount = 0;
    std::map<std::string, std::uint64_t> handles;
  };
  void step(Program& program, const std::string& path);
  void write(Program& program, const std::string& path, std::uint64_t handle);
  void read(Program& program, const std::string& path, std::uint64_t handle);
  void cut(Program& program, const std::string& path, std::uint64_t handle);
  void sync(Program& program, const std::string& path, std::uint64_t handle);
  void look(Program& program, const std::string& path);
  client::ByteRange range();
  std::uint64_t below(std::uint64_t bound) { return world_.sim.random.below(bound); }
  // True if the call succeeded; an error that may not be is a failure, and one about the descriptor closes it.
  template <class Outcome>
  bool fine(Program& program, const std::string& path, const char* call, const Outcome& outcome);

  FsWorld& world_;
  const Mix mix_;
  int running_ = 0;
  std::vector<std::string> doing_;   // by program: the call it is in
};

}  // namespace conclave::sim
