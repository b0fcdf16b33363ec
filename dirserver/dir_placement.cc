#include "dirserver/dir_placement.h"

#include <algorithm>
#include <set>

#include "base/limits.h"

namespace conclave::dir {
namespace {

// In MiB, so that sums of many disks stay far below 2⁶⁴.
std::uint64_t weight_of(const Candidate& candidate) {
  return std::max<std::uint64_t>(1, (candidate.free_bytes >> 20) / (1 + candidate.load));
}

// splitmix64: the next of a sequence of dice.
std::uint64_t roll(std::uint64_t& dice) {
  std::uint64_t out = dice += 0x9e3779b97f4a7c15;
  out = (out ^ out >> 30) * 0xbf58476d1ce4e5b9;
  out = (out ^ out >> 27) * 0x94d049bb133111eb;
  return out ^ out >> 31;
}

// One of those that `fits` says yes to, by weight; end() if none.
template <class Fits>
std::vector<Candidate>::iterator draw(std::vector<Candidate>& from, std::uint64_t& dice, const Fits& fits) {
  std::uint64_t total = 0;
  for (const Candidate& candidate : from) total += fits(candidate) ? weight_of(candidate) : 0;
  if (total == 0) return from.end();
  std::uint64_t point = roll(dice) % total;
  for (auto it = from.begin(); it != from.end(); ++it) {
    if (!fits(*it)) continue;
    if (point < weight_of(*it)) return it;
    point -= weight_of(*it);
  }
  return from.end();
}

}  // namespace

std::vector<ServerId> choose_members(std::vector<Candidate> candidates, unsigned copies, std::uint64_t dice) {
  std::erase_if(candidates, [](const Candidate& c) { return c.free_bytes < kChunkBytes; });
  std::vector<ServerId> chosen;
  std::set<std::string> hosts;
  while (chosen.size() < copies && !candidates.empty()) {
    auto it = draw(candidates, dice, [&](const Candidate& c) { return !hosts.contains(c.host); });
    if (it == candidates.end()) it = draw(candidates, dice, [](const Candidate&) { return true; });
    hosts.insert(it->host);
    chosen.push_back(it->id);
    candidates.erase(it);
  }
  return chosen;
}

}  // namespace conclave::dir
