#include "tests/cluster/name_history.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace conclave::sim {
namespace {

std::string us(MonoTime at) {
  return at == kNever ? "…" : std::to_string(at.time_since_epoch().count() / 1000 - 1'000'000'000);
}

}  // namespace

NameHistory::Number NameHistory::begin(const std::string& appears, const std::string& vanishes) {
  ops_.push_back({appears, vanishes, clock_.now()});
  return ops_.size() - 1;
}

void NameHistory::acknowledge(Number number, bool exclusive) {
  Op& op = ops_[number];
  op.end = clock_.now();
  op.certain = !op.lost;
  op.exclusive = exclusive;
  if (exclusive) check(op.appears, false, op.begin);
  if (!op.vanishes.empty()) check(op.vanishes, true, op.begin);
}

void NameHistory::forget(Number number) { ops_[number].refused = true; }

void NameHistory::acknowledge_sync(MonoTime asked) {
  for (Op& op : ops_) op.durable |= op.certain && op.end <= asked;
}

void NameHistory::lose_power() {
  for (Op& op : ops_) {
    if (op.durable) continue;
    op.certain = false;
    op.lost = true;   // also if its answer is on its way
  }
}

bool NameHistory::explained(const std::string& name, bool there, MonoTime asked) const {
  const auto hidden = [&](MonoTime since) {
    return std::ranges::any_of(ops_, [&](const Op& op) {
      const bool contradicts = (there ? op.vanishes : op.appears) == name;
      return op.certain && contradicts && op.begin > since && op.end < asked;
    });
  };
  if (!there && !hidden(MonoTime{})) return true;
  return std::ranges::any_of(ops_, [&](const Op& op) {
    return !op.refused && (there ? op.appears : op.vanishes) == name && !hidden(op.end);
  });
}

void NameHistory::check(const std::string& name, bool there, MonoTime asked) const {
  if (explained(name, there, asked)) return;
  ADD_FAILURE() << name << (there ? " was there" : " was not there") << " for a call of [" << us(asked) << ", "
                << us(clock_.now()) << " us]" << text(name);
}

void NameHistory::check_balance(const std::string& name, bool there) const {
  std::int64_t least = 0;   // of how often it appeared more than it vanished
  std::int64_t most = 0;
  for (const Op& op : ops_) {
    if (op.refused || (op.appears != name && op.vanishes != name)) continue;
    const bool appears = op.appears == name;
    if (appears && op.certain && !op.exclusive) return;   // it may have taken the place of another
    (appears ? most : least) += appears ? 1 : -1;
    if (op.certain) (appears ? least : most) += appears ? 1 : -1;
  }
  const std::int64_t now = there ? 1 : 0;
  if (least <= now && now <= most) return;
  ADD_FAILURE() << name << (there ? " is there" : " is not there") << ", but appeared " << least << " to " << most
                << " times more than it vanished" << text(name);
}

std::string NameHistory::text(const std::string& name) const {
  std::string out;
  for (const Op& op : ops_) {
    if (op.appears != name && op.vanishes != name) continue;
    out += "\n  +" + op.appears + " -" + op.vanishes + " [" + us(op.begin) + ", " + us(op.end) + " us]" +
           (op.refused ? " refused" : op.durable ? " synced" : op.certain ? "" : " uncertain");
  }
  return out;
}

}  // namespace conclave::sim
