// A simulated cluster with a vault, a secret that 2 of bob, carol and dave open, alice who writes and reads it on mounts,
// and approvers at their command lines. Everything that alice reads is checked against what she wrote, and every opening
// against the votes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/cluster/fs_world.h"
#include "tests/cluster/sim_person.h"
#include "tests/cluster/vote_history.h"

namespace conclave::sim {

class VoteWorld {
 public:
  struct Rules {
    std::chrono::seconds request_lifetime{60};
    std::chrono::seconds grant{60};
    vault::Disclose disclose = vault::Disclose::kWithVote;
  };
  static constexpr std::uint32_t kQuorum = 2;
  static constexpr const char* kSecret = "secrets/prod/db";

  // The policy is in force, alice is logged in on each mount, the secret holds its first content.
  VoteWorld(std::uint64_t seed, int mounts, Rules rules);

  FsWorld fs;
  VoteHistory votes{kQuorum};

  // From now on calls may say that a server is away, or that it is unknown whether they happened.
  void may_fail() { may_fail_ = true; }
  [[nodiscard]] SimPerson& person(const std::string& name) { return *people_.at(name); }

  void log_in(int mount);   // alice, on a mount that has just started
  // One open(2), read and close by alice, from a task of the mount. Success, or why there was no plaintext.
  Status read_secret(int mount);
  // The next content replaces the one before. From a task of the mount.
  Status write_secret(int mount);
  // One vote on one request, from a task of the person.
  Status vote(const std::string& name, const cli::CheckedRequest& request, bool approval);

  // Programs until `end`: alice reads again and again; approvers look every while and vote on what waits, with no by
  // `denies` of the time and not at all by a fifth.
  void start_reader(int mount, MonoTime end);
  void start_writer(int mount, MonoTime end);
  void start_approver(const std::string& name, MonoTime end, double denies);
  [[nodiscard]] bool running() const { return running_ != 0; }
  // Until all have ended; more than ten minutes is a failure.
  void finish();
  // Without faults any more: the whole log, every request, and what alice reads now, all against the history.
  void check();

 private:
  void expect_passing(const Status& status, const char* call) const;
  void pause(std::uint64_t most_ms) { fs.sim.scheduler.sleep_for(std::chrono::milliseconds(fs.sim.random.below(most_ms) + 1)); }
  void run(SimScheduler::TaskId task) { fs.sim.scheduler.join(task); }
  void repeat(SimNode& node, const std::string& what, MonoTime end, std::uint64_t most_ms, std::function<void()> step);

  bool may_fail_ = false;
  int running_ = 0;
  std::map<std::string, std::unique_ptr<SimPerson>> people_;
  struct Write {
    MonoTime begun;
    std::optional<MonoTime> stored;   // acknowledged
  };
  void check_content(const std::string& text, MonoTime asked) const;
  std::vector<Write> writes_;         // by the number of the content, from 0
};

}  // namespace conclave::sim
