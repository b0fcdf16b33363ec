#include "cli/voter.h"

namespace conclave::cli {

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

Result<CheckedRequest> Voter::approve(const CheckedRequest& request) {
  const Bytes approval = encode(TRY(vault::approve(request.a_case, device_, roster_, seams_.clock.wall(), seams_.random)));
  vault::v1::ApproveRequest vote;
  vote.set_approval(string_of(approval));
  return cast(vault::LeafKind::kApprove, request.a_case.rd, approval, [&] { return vault_.approve(vote); });
}

Result<CheckedRequest> Voter::deny(const CheckedRequest& request, const std::string& reason) {
  const Bytes denial = encode(TRY(vault::deny(request.a_case, device_, roster_, reason, seams_.clock.wall())));
  vault::v1::DenyRequest vote;
  vote.set_denial(string_of(denial));
  return cast(vault::LeafKind::kDeny, request.a_case.rd, denial, [&] { return vault_.deny(vote); });
}

}  // namespace conclave::cli
