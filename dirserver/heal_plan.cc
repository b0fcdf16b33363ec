#include "dirserver/heal_plan.h"

#include <algorithm>

namespace conclave::dir {
namespace {

Host host_of(const std::map<ServerId, Host>& hosts, ServerId id) {
  const auto found = hosts.find(id);
  return found == hosts.end() ? Host{false, true, {}} : found->second;   // one that nobody knows comes never back
}

}  // namespace

HealStep heal_step(const Chunk& chunk, const std::map<ServerId, Host>& hosts, unsigned replicas, Duration heal_after) {
  using Kind = HealStep::Kind;
  const auto leaving = [&](ServerId id) { return host_of(hosts, id).leaving; };
  const auto up = [&](ServerId id) { return host_of(hosts, id).up; };
  const auto staying = static_cast<std::size_t>(
      std::ranges::count_if(chunk.members, [&](ServerId id) { return !leaving(id); }));
  if (!up(chunk.members.front())) return {};   // only the master gives copies
  if (chunk.doubted) return {};                // and not of what nobody trusts: an operator accepts it first

  if (staying >= replicas) {
    if (leaving(chunk.members.front())) return {Kind::kStepBack, {}};
    if (staying < chunk.members.size()) return {Kind::kLeave, {}};
    return chunk.former.empty() ? HealStep{} : HealStep{Kind::kFree, chunk.former};
  }
  HealStep out;
  std::ranges::copy_if(chunk.former, std::back_inserter(out.servers), [&](ServerId id) { return up(id) && !leaving(id); });
  std::ranges::reverse(out.servers);   // who left last lacks least
  if (!out.servers.empty()) {
    out.kind = Kind::kCopyTo;
    return out;
  }
  const bool one_may_return = std::ranges::any_of(chunk.former, [&](ServerId id) {
    const Host host = host_of(hosts, id);
    return !host.up && !host.leaving && host.down_for < heal_after;
  });
  const bool room = chunk.members.size() < kMaxReplicas;
  if (!one_may_return && room) out.kind = Kind::kCopyAnywhere;
  return out;
}

}  // namespace conclave::dir
