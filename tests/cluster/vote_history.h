// What approvers of a simulated cluster did, beside what the vault says: no request may open, be released, or have been
// logged otherwise than their votes allow.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cli/request_text.h"
#include "vault/log_leaf.h"

namespace conclave::sim {

class VoteHistory {
 public:
  explicit VoteHistory(std::size_t quorum) : quorum_(quorum) {}

  // `person` is about to vote: the vote may count from here on. Then, if it was answered: it counts.
  void sends(const Hash& rd, const std::string& person, bool approval);
  void acknowledged(const Hash& rd, const std::string& person, bool approval);

  // A requester has the plaintext, by a request that admits one opening: there must be as many requests that may have
  // their quorum and were not denied.
  void opened();
  [[nodiscard]] std::size_t openings() const { return opened_; }
  [[nodiscard]] std::size_t denials() const;   // requests that were denied, for all that is known
  [[nodiscard]] bool may_be_denied() const;    // any

  // At the end: the whole log in order, and every request as the vault shows it, verified.
  void check(const std::vector<vault::LogLeaf>& log, const std::vector<cli::CheckedRequest>& requests) const;

 private:
  using People = std::set<std::string>;
  struct Ballot {
    People may_have_approved, approved, may_have_denied, denied;
  };
  struct Logged {
    People approved, denied;
    int releases = 0;
  };
  void check_release(const Hash& rd, const Logged& before) const;
  void check_request(const cli::CheckedRequest& request, const Logged& logged) const;

  const std::size_t quorum_;
  std::map<Hash, Ballot> ballots_;
  std::size_t opened_ = 0;
};

}  // namespace conclave::sim
