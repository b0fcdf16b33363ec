#include "tests/cluster/vote_history.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace conclave::sim {
namespace {

bool within(const std::set<std::string>& some, const std::set<std::string>& all) {
  return std::ranges::includes(all, some);
}

bool is_vote(const std::string& approval) {
  const auto parsed = vault::parse_approval(view_of(approval));
  return parsed && parsed->part != vault::Part::kShare;
}

bool was_released(vault::v1::State state) {
  return state == vault::v1::RELEASED || state == vault::v1::OPEN || state == vault::v1::CLOSED || state == vault::v1::EXPIRED;
}

}  // namespace

void VoteHistory::sends(const Hash& rd, const std::string& person, bool approval) {
  Ballot& ballot = ballots_[rd];
  (approval ? ballot.may_have_approved : ballot.may_have_denied).insert(person);
}

void VoteHistory::acknowledged(const Hash& rd, const std::string& person, bool approval) {
  Ballot& ballot = ballots_[rd];
  (approval ? ballot.approved : ballot.denied).insert(person);
}

void VoteHistory::opened() {
  ++opened_;
  const auto may_open = [this](const auto& entry) {
    return entry.second.may_have_approved.size() >= quorum_ && entry.second.denied.empty();
  };
  EXPECT_LE(opened_, static_cast<std::size_t>(std::ranges::count_if(ballots_, may_open))) << "opened without a quorum";
}

std::size_t VoteHistory::denials() const {
  return static_cast<std::size_t>(std::ranges::count_if(ballots_, [](const auto& entry) { return !entry.second.denied.empty(); }));
}

bool VoteHistory::may_be_denied() const {
  return std::ranges::any_of(ballots_, [](const auto& entry) { return !entry.second.may_have_denied.empty(); });
}

void VoteHistory::check(const std::vector<vault::LogLeaf>& log, const std::vector<cli::CheckedRequest>& requests) const {
  std::map<Hash, Logged> logged;
  for (const vault::LogLeaf& leaf : log) {
    Logged& of = logged[leaf.subject];
    switch (leaf.kind) {
      case vault::LeafKind::kApprove: EXPECT_TRUE(of.approved.insert(leaf.person).second) << leaf.person << " twice"; break;
      case vault::LeafKind::kDeny: EXPECT_TRUE(of.denied.insert(leaf.person).second) << leaf.person << " twice"; break;
      case vault::LeafKind::kRelease:
        check_release(leaf.subject, of);
        EXPECT_EQ(++of.releases, 1) << "one release, one leaf";
        break;
      default: break;
    }
  }
  std::set<Hash> shown;
  std::size_t released = 0;
  for (const cli::CheckedRequest& request : requests) {
    shown.insert(request.a_case.rd);
    released += was_released(request.view.state()) ? 1 : 0;
    check_request(request, logged[request.a_case.rd]);
  }
  for (const auto& [rd, ballot] : ballots_) EXPECT_TRUE(shown.contains(rd)) << "request " << vault::short_id(rd) << " is lost";
  EXPECT_LE(opened_, released);
}

void VoteHistory::check_release(const Hash& rd, const Logged& before) const {
  EXPECT_GE(before.approved.size(), quorum_) << "request " << vault::short_id(rd) << " was released without a quorum";
  EXPECT_TRUE(before.denied.empty()) << "request " << vault::short_id(rd) << " was released after a denial";
}

void VoteHistory::check_request(const cli::CheckedRequest& request, const Logged& logged) const {
  const std::string id = vault::short_id(request.a_case.rd);
  const vault::v1::State state = request.view.state();
  EXPECT_EQ(logged.releases, was_released(state) ? 1 : 0) << id;
  EXPECT_EQ(static_cast<std::ptrdiff_t>(logged.approved.size()), std::count_if(request.view.approvals().begin(), request.view.approvals().end(), is_vote)) << id;
  EXPECT_EQ(static_cast<int>(logged.denied.size()), request.view.denials_size()) << id;
  EXPECT_EQ(request.tally.decision == vault::Decision::kDenied, state == vault::v1::DENIED) << id;
  const auto found = ballots_.find(request.a_case.rd);
  const Ballot ballot = found == ballots_.end() ? Ballot() : found->second;
  EXPECT_TRUE(within(ballot.approved, logged.approved)) << id << ": an acknowledged approval is lost";
  EXPECT_TRUE(within(ballot.denied, logged.denied)) << id << ": an acknowledged denial is lost";
  EXPECT_TRUE(within(logged.approved, ballot.may_have_approved)) << id << ": an approval that nobody gave";
  EXPECT_TRUE(within(logged.denied, ballot.may_have_denied)) << id << ": a denial that nobody gave";
}

}  // namespace conclave::sim
