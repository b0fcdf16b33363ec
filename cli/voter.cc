#include "cli/voter.h"

namespace conclave::cli {

namespace {

// Others were quicker, or time was: the request needs this share no more.
bool was_late(Errc code) {
  return code == Errc::kWouldBlock || code == Errc::kExists || code == Errc::kAccess || code == Errc::kTimedOut;
}

}  // namespace

Result<CheckedRequest> find_request(vault::VaultClient& vault, const std::string& id, const vault::RosterChain& roster) {
  CheckedRequest out = TRY(check_request(TRY(vault.get_request(id)), roster));
  TRY(check_named(out, id));
  return out;
}

Voter::Voter(Seams seams, vault::VaultClient& vault, const ClusterFile& cluster, const vault::RosterChain& roster,
             const vault::Device& device, vault::VaultMemory& memory)
    : seams_(seams), vault_(vault), roster_(roster), device_(device),
      log_([&vault](const std::string& path) { return vault.log_file(path); }, vault::log_origin(cluster.id),
           cluster.log_key, memory) {}

// The log is looked at before and after: only what is new in it can be this vote.
template <class Send>
Result<CheckedRequest> Voter::cast(vault::LeafKind kind, const Hash& rd, const Bytes& vote, const Send& send) {
  const std::uint64_t before = TRY(log_.advance()).size;
  CheckedRequest after = TRY(check_request(TRY(send()), roster_));
  TRY(check_named(after, to_hex(rd)));
  const vault::Checkpoint now = TRY(log_.advance());
  TRY(log_.check_logged(before, now, kind, rd, vote));
  return after;
}

Result<CheckedRequest> Voter::send(vault::LeafKind kind, const vault::Approval& approval) {
  vault::v1::ApproveRequest vote;
  vote.set_approval(string_of(encode(approval)));
  return cast(kind, approval.rd, encode_vote(approval), [&] { return vault_.approve(vote); });
}

Result<CheckedRequest> Voter::approve(const CheckedRequest& request) {
  const auto approval = TRY(vault::approve(request.a_case, device_, roster_, seams_.clock.wall(), seams_.random));
  if (!request.a_case.request.claims) {
    return Error(Errc::kAccess, "the vault does not show you what the requester says, though you are an approver: nothing was sent");
  }
  CheckedRequest after = TRY(send(vault::LeafKind::kApprove, approval));
  if (!share_is_due(after)) return after;
  return disclose(after);
}

bool Voter::share_is_due(const CheckedRequest& request) const {
  const auto found = roster_.current().find(device_.kid());
  const auto state = request.view.state();
  const bool waits = state == vault::v1::FILED || state == vault::v1::PENDING;
  return waits && found.person != nullptr && vault::share_is_due(request.a_case.policy, request.tally, found.person->name);
}

// The votes that were counted, each by its place in the log that was seen: a vault cannot show them to this device alone.
Status Voter::check_votes_logged(const CheckedRequest& request) {
  const vault::Checkpoint now = TRY(log_.advance());
  for (int i = 0; i < request.view.approvals_size(); ++i) {
    const ByteView vote = view_of(request.view.approvals(i));
    if (TRY(vault::parse_approval(vote)).part != vault::Part::kVote) continue;
    if (i >= request.view.approval_leaves_size()) return Error(Errc::kCorrupt, "the vault does not say where a vote stands in the log");
    TRY(log_.check_logged_at(request.view.approval_leaves(i), now, vault::LeafKind::kApprove, request.a_case.rd, vote));
  }
  return {};
}

Result<CheckedRequest> Voter::disclose(const CheckedRequest& request) {
  if (!share_is_due(request)) return Error(Errc::kWouldBlock, "votes are missing: the share is not due");
  TRY(check_votes_logged(request));
  const auto share = TRY(vault::disclose(request.a_case, device_, roster_, seams_.clock.wall(), seams_.random));
  return send(vault::LeafKind::kDisclose, share);
}

Result<std::vector<CheckedRequest>> Voter::disclose_due(const std::string& person) {
  vault::v1::ListRequestsRequest wanted;
  wanted.set_approver(person);
  auto response = TRY(vault_.list_requests(wanted));
  std::vector<CheckedRequest> out;
  Status first;   // what one request fails with does not keep the others from theirs
  for (auto& view : *response.mutable_requests()) {
    const auto request = check_request(std::move(view), roster_);
    if (!request || !share_is_due(*request)) continue;   // what does not verify gets none
    auto given = disclose(*request);
    if (given) {
      out.push_back(std::move(*given));
    } else if (!was_late(given.error().code) && first) {
      first = given.error();
    }
  }
  TRY(std::move(first));
  return out;
}

Result<CheckedRequest> Voter::deny(const CheckedRequest& request, const std::string& reason) {
  const Bytes denial = encode(TRY(vault::deny(request.a_case, device_, roster_, reason, seams_.clock.wall())));
  vault::v1::DenyRequest vote;
  vote.set_denial(string_of(denial));
  return cast(vault::LeafKind::kDeny, request.a_case.rd, denial, [&] { return vault_.deny(vote); });
}

}  // namespace conclave::cli
