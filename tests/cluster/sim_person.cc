#include "tests/cluster/sim_person.h"

#include "vault/log_audit.h"
#include "vault/roster_client.h"

namespace conclave::sim {
namespace {

Peer peer_of(const std::string& name, const vault::Device& device) {
  Peer peer = sim_peer(Role::kUser, name);
  peer.device_kid_hex = to_hex(device.kid());
  return peer;
}

}  // namespace

SimPerson::SimPerson(Simulation& sim, SimVault& vault, const std::string& name)
    : sim_(sim), vault_(vault), name_(name), cluster_(vault.cluster()), node_(sim.network, name),
      transport_(sim.network, node_, peer_of(name, device())), client_(transport_, sim.clock, cluster_.vault),
      memory_(files_, "seen", sim.waiter) {}

Result<vault::RosterChain> SimPerson::roster() {
  vault::RosterChain chain = TRY(vault::fetch_roster(client_, cluster_.roster_1));
  vault::LogCheck log([this](const std::string& path) { return client_.log_file(path); }, vault::log_origin(cluster_.id),
                      cluster_.log_key, memory_);
  TRY(vault::accept_roster(chain, memory_, log));
  return chain;
}

Result<std::vector<cli::CheckedRequest>> SimPerson::requests(bool all) {
  const vault::RosterChain chain = TRY(roster());
  vault::v1::ListRequestsRequest wanted;
  wanted.set_all(all);
  auto answer = TRY(client_.list_requests(wanted));
  std::vector<cli::CheckedRequest> out;
  for (auto& view : *answer.mutable_requests()) out.push_back(TRY(cli::check_request(std::move(view), chain)));
  return out;
}

Result<cli::CheckedRequest> SimPerson::approve(const cli::CheckedRequest& request) {
  const vault::RosterChain chain = TRY(roster());
  return cli::Voter({sim_.clock, sim_.random}, client_, cluster_, chain, device(), memory_).approve(request);
}

Result<cli::CheckedRequest> SimPerson::deny(const cli::CheckedRequest& request) {
  const vault::RosterChain chain = TRY(roster());
  return cli::Voter({sim_.clock, sim_.random}, client_, cluster_, chain, device(), memory_).deny(request, "not today");
}

Result<std::size_t> SimPerson::disclose_due() {
  const vault::RosterChain chain = TRY(roster());
  const auto given = TRY(cli::Voter({sim_.clock, sim_.random}, client_, cluster_, chain, device(), memory_).disclose_due(name_));
  return given.size();
}

Status SimPerson::put_policy(vault::Policy policy) {
  policy.signatures.clear();
  sign_policy(policy, device());
  vault::v1::PutPolicyRequest request;
  request.set_policy(string_of(encode(policy)));
  return client_.put_policy(request);
}

Status SimPerson::put_version(InodeId secret, std::uint64_t version, const std::string& path) {
  const vault::RosterChain chain = TRY(roster());
  const auto policies = TRY(client_.list_policies());
  const vault::Policy policy = TRY(vault::parse_policy(view_of(policies.policies(0))));
  const vault::SealPlace place{vault::secret_id_of(cluster_.id, secret), version, policy.directory, path};
  const WallTime now = sim_.clock.wall();
  const auto sealed = TRY(vault::seal_secret(vault::secret("bogus"), place, policy, chain.current(),
                                             vault_.people().login(name_, now), now, sim_.random));
  vault::v1::PutSecretRequest request;
  request.set_header(string_of(encode(sealed.header)));
  request.set_share_table(string_of(encode(sealed.table)));
  request.set_inner(string_of(sealed.inner));
  return client_.put_secret(request);
}

Result<std::vector<vault::LogLeaf>> SimPerson::read_log() {
  const std::string origin = vault::log_origin(cluster_.id);
  const auto signed_end = TRY(vault::open_checkpoint(TRY(client_.log_file("checkpoint")), origin, cluster_.log_key));
  std::vector<vault::LogLeaf> out;
  vault::MerkleTree tree;
  vault::LogAudit audit(cluster_.roster_1, [this](std::uint64_t version) -> Result<Bytes> {
    return bytes_of(view_of(TRY(client_.log_file(vault::roster_file(version)))));
  });
  for (const vault::TilePath& tile : vault::tiles_of(signed_end.size)) {
    if (!tile.entries) continue;
    const std::string bundle = TRY(client_.log_file(path_of(tile)));
    for (const Bytes& leaf : TRY(vault::parse_bundle(view_of(bundle), tile.width))) {
      tree.append(vault::leaf_hash(leaf));
      TRY(audit.take(leaf));
      out.push_back(TRY(vault::parse_leaf(leaf)));
    }
  }
  if (tree.size() != signed_end.size || tree.root() != signed_end.root) return Error(Errc::kCorrupt, "the log is not the signed one");
  return out;
}

}  // namespace conclave::sim
