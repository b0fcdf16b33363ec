#include "vault/policy_client.h"

#include "vault/proof_message.h"

namespace conclave::vault {
namespace {

// Appends what the vault shows from `from` on; the proof is of the last.
struct Shown {
  std::optional<LogProof> proof;
  bool all = false;             // up to the one in force
};
Result<Shown> fetch_some(VaultClient& vault, InodeId directory, std::uint64_t from, std::vector<Policy>& trail) {
  const auto answer = TRY(vault.get_policy(directory, from));
  for (const std::string& bytes : answer.policies()) {
    trail.push_back(TRY(parse_policy(view_of(bytes))));
    if (trail.back().directory != directory) {
      return Error(Errc::kKeyRejected, "the vault answered with another directory's policy");
    }
  }
  const bool ends = answer.policies().empty() || from == 0 || trail.back().version >= answer.newest();
  return Shown{proof_in(answer.proof()), ends};
}

}  // namespace

Result<Policy> fetch_policy(VaultClient& vault, const RosterChain& chain, VaultMemory& memory, InodeId directory) {
  std::vector<Policy> trail;
  Shown shown;
  for (std::uint64_t from = TRY(memory.policy_version(directory)); !shown.all; from = trail.empty() ? 0 : trail.back().version + 1) {
    auto some = fetch_some(vault, directory, from, trail);
    if (!some && some.error().code == Errc::kNotFound) TRY(memory.check_no_policy(directory));
    shown = TRY(std::move(some));
  }
  TRY(memory.check_policy(trail));
  for (std::size_t i = 1; i < trail.size(); ++i) TRY(check_next(trail[i - 1], trail[i], chain));
  TRY(check_policy(trail.back(), chain, pointer_to(shown.proof)));
  TRY(memory.remember(trail.back()));
  return std::move(trail.back());
}

}  // namespace conclave::vault
