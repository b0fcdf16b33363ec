#include "tests/cluster/file_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace conclave::sim {
namespace {

constexpr std::size_t kTold = 60;

std::string us(MonoTime at) {
  return at == kNever ? "…" : std::to_string(at.time_since_epoch().count() / 1000 - 1'000'000'000);
}

}  // namespace

FileHistory::Number FileHistory::begin(int mount, Kind kind, client::ByteRange range) {
  ops_.push_back({kind, mount, range, clock_.now()});
  return ops_.size();
}

Bytes FileHistory::content(Number write, std::uint64_t length) {
  CHECK(length % kWord == 0);
  Bytes out(length);
  for (std::uint64_t at = 0; at < length; at += kWord) std::memcpy(out.data() + at, &write, kWord);
  return out;
}

void FileHistory::acknowledge(Number number) {
  Op& op = ops_[number - 1];
  op.end = clock_.now();
  op.certain = !op.lost;
}

void FileHistory::acknowledge_sync(int mount, MonoTime asked) {
  for (Op& op : ops_) op.durable |= op.mount == mount && op.certain && op.end <= asked;
}

void FileHistory::lose_session(int mount) {
  for (Op& op : ops_) {
    if (op.mount != mount || op.durable) continue;
    op.certain = false;
    op.lost = true;
  }
}

void FileHistory::lose_power() {
  for (Op& op : ops_) {
    if (op.durable) continue;
    op.certain = false;
    op.lost = true;
  }
}

// --- What an operation does to a word.

bool FileHistory::fills(const Op& op, std::uint64_t at) {
  return op.kind == Kind::kWrite && op.range.begin <= at && at < op.range.end;
}
bool FileHistory::clears(const Op& op, std::uint64_t at) {
  return cuts_off(op, at) || (op.kind == Kind::kPunch && op.range.begin <= at && at < op.range.end);
}
bool FileHistory::cuts_off(const Op& op, std::uint64_t at) { return op.kind == Kind::kResize && op.range.begin <= at; }
bool FileHistory::reaches(const Op& op, std::uint64_t at) {
  return (op.kind == Kind::kWrite && at < op.range.end) || (op.kind == Kind::kResize && at < op.range.begin);
}

template <class Hides>
const FileHistory::Op* FileHistory::hidden_by(MonoTime base_end, MonoTime asked, Hides hides) const {
  const auto found = std::ranges::find_if(
      ops_, [&](const Op& op) { return op.certain && op.begin > base_end && op.end < asked && hides(op); });
  return found == ops_.end() ? nullptr : &*found;
}

// --- Whether an answer can be explained; empty if it can.

std::string FileHistory::why_not(std::uint64_t at, Number value, MonoTime asked) const {
  if (value == kNothing) return why_not_zero(at, asked);
  if (value > ops_.size() || !fills(ops_[value - 1], at)) return "which nobody wrote there";
  const Op& write = ops_[value - 1];
  const Op* hidden = hidden_by(write.end, asked, [&](const Op& op) { return fills(op, at) || clears(op, at); });
  return hidden == nullptr ? "" : "of " + text_of(write) + ", although there was " + text_of(*hidden);
}

std::string FileHistory::why_not_zero(std::uint64_t at, MonoTime asked) const {
  const auto fills_it = [&](const Op& op) { return fills(op, at); };
  const Op* hidden = hidden_by(MonoTime{}, asked, fills_it);
  for (const Op& op : ops_) {
    if (hidden == nullptr) break;
    if (clears(op, at)) hidden = hidden_by(op.end, asked, fills_it);
  }
  if (hidden != nullptr) return "zeros, although there was " + text_of(*hidden);
  return why_not_there(at, asked);
}

std::string FileHistory::why_not_there(std::uint64_t at, MonoTime asked) const {
  const Op* hidden = nullptr;
  for (const Op& op : ops_) {
    if (!reaches(op, at)) continue;
    hidden = hidden_by(op.end, asked, [&](const Op& other) { return cuts_off(other, at); });
    if (hidden == nullptr) return "";
  }
  return hidden == nullptr ? "although nobody ever wrote so far" : "although there was " + text_of(*hidden);
}

std::string FileHistory::why_not_the_end(std::uint64_t at, MonoTime asked) const {
  const auto reaches_it = [&](const Op& op) { return reaches(op, at); };
  const Op* hidden = hidden_by(MonoTime{}, asked, reaches_it);
  for (const Op& op : ops_) {
    if (hidden == nullptr) break;
    if (cuts_off(op, at)) hidden = hidden_by(op.end, asked, reaches_it);
  }
  return hidden == nullptr ? "" : "although there was " + text_of(*hidden);
}

void FileHistory::check_read(int mount, MonoTime asked, client::ByteRange range, const std::string& bytes) const {
  if (bytes.size() > range.length() || bytes.size() % kWord != 0) {
    return report(mount, asked, "read " + std::to_string(bytes.size()) + " bytes", "which is no length of this file");
  }
  for (std::uint64_t i = 0; i < bytes.size(); i += kWord) {
    Number value = 0;
    std::memcpy(&value, bytes.data() + i, kWord);
    const std::string why = why_not(range.begin + i, value, asked);
    if (why.empty()) continue;
    return report(mount, asked, "read " + std::to_string(value) + " at " + std::to_string(range.begin + i), why);
  }
  if (bytes.size() == range.length()) return;
  const std::uint64_t end = range.begin + bytes.size();
  const std::string why = why_not_the_end(end, asked);
  if (!why.empty()) report(mount, asked, "read the file's end at " + std::to_string(end), why);
}

void FileHistory::check_size(int mount, MonoTime asked, std::uint64_t size) const {
  std::string why = why_not_the_end(size, asked);
  if (why.empty() && size != 0) why = why_not_there(size - kWord, asked);
  if (!why.empty()) report(mount, asked, "saw the size " + std::to_string(size), why);
}

// --- Telling.

std::string FileHistory::text_of(const Op& op) const {
  const char* const kinds[] = {"write", "punch", "resize to"};
  std::string out = "#" + std::to_string(&op - ops_.data() + 1) + " mount " + std::to_string(op.mount) + " " +
                    kinds[static_cast<std::size_t>(op.kind)] + " " + std::to_string(op.range.begin);
  if (op.kind != Kind::kResize) out += "–" + std::to_string(op.range.end);
  out += " [" + us(op.begin) + ", " + us(op.end) + " us]";
  return out + (op.durable ? " synced" : op.certain ? "" : " uncertain");
}

std::string FileHistory::text() const {
  std::string out = name_ + ":";
  for (std::size_t i = ops_.size() > kTold ? ops_.size() - kTold : 0; i < ops_.size(); ++i) {
    out += "\n  " + text_of(ops_[i]);
  }
  return out;
}

void FileHistory::report(int mount, MonoTime asked, const std::string& what, const std::string& why) const {
  ADD_FAILURE() << "mount " << mount << " [" << us(asked) << ", " << us(clock_.now()) << " us] " << what << ", " << why
                << "\n" << text();
}

}  // namespace conclave::sim
