#include "vault/vault_memory.h"

#include <charconv>

namespace conclave::vault {
namespace {

constexpr const char* kRoster = "seen-roster";
constexpr const char* kCheckpoint = "seen-checkpoint";
constexpr const char* kPolicies = "seen-policies";
constexpr std::size_t kMaxFileBytes = 8u << 20;   // 80,000 folders
constexpr std::size_t kHexHashBytes = 2 * sizeof(Hash);

// Takes a number and the space after it off `line`.
bool take_number(std::string_view& line, std::uint64_t& out) {
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), out);
  if (failure != std::errc() || end == line.data() + line.size() || *end != ' ') return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()) + 1);
  return true;
}

}  // namespace

VaultMemory::VaultMemory(Files& files, std::string folder, Waiter& waiter)
    : files_(files), folder_(std::move(folder)), turns_(waiter) {}

// "DIRECTORY NUMBER HASH" a line.
Result<VaultMemory::Lines> VaultMemory::read(const std::string& name) const {
  Lines out;
  const std::string path = folder_ + "/" + name;
  if (!TRY(files_.exists(path))) return out;
  const std::string text = TRY(files_.read_all(path, kMaxFileBytes));
  const Error damaged(Errc::kCorrupt, path + " is damaged; it held what this device has seen of the vault");
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    std::uint64_t directory = 0;
    Seen seen;
    if (!take_number(line, directory) || !take_number(line, seen.number) || line.size() != kHexHashBytes) return damaged;
    const auto hash = from_hex(line);
    if (!hash) return damaged;
    std::copy(hash->begin(), hash->end(), seen.hash.begin());
    out[directory] = seen;
  }
  return out;
}

Status VaultMemory::write(const std::string& name, const Lines& lines) {
  std::string text;
  for (const auto& [directory, seen] : lines) {
    text += std::to_string(directory) + " " + std::to_string(seen.number) + " " + to_hex(seen.hash) + "\n";
  }
  TRY(files_.make_folders(folder_));
  return files_.write_all(folder_ + "/" + name, text);
}

Status VaultMemory::check_roster(const RosterChain& chain) {
  const auto turn = turns_.take();
  Lines lines = TRY(read(kRoster));
  const Seen seen = lines[0];
  if (seen.number > 0) TRY(chain.check_seen(seen.number, seen.hash));
  if (seen.number >= chain.current().version) return {};
  lines[0] = {chain.current().version, chain.current().hash()};
  return write(kRoster, lines);
}

Result<VaultMemory::Lines*> VaultMemory::policies() {
  if (!policies_) policies_ = TRY(read(kPolicies));
  return &*policies_;
}

Status VaultMemory::check_policy(const Policy& policy) {
  const auto turn = turns_.take();
  Lines& lines = *TRY(policies());
  const Seen now{policy.version, policy.hash()};
  const auto found = lines.find(raw(policy.directory));
  if (found != lines.end()) {
    const Seen& seen = found->second;
    if (seen == now) return {};
    if (now.number < seen.number) {
      return Error(Errc::kStale, "the vault shows version " + std::to_string(now.number) + " of the policy of " + policy.path +
                                     ", but version " + std::to_string(seen.number) + " was seen before: it was rolled back");
    }
    if (now.number == seen.number) {
      return Error(Errc::kKeyRejected, "the policy of " + policy.path + " is another than the one of the same version seen before");
    }
  }
  Lines next = lines;
  next[raw(policy.directory)] = now;
  TRY(write(kPolicies, next));
  lines = std::move(next);
  return {};
}

Status VaultMemory::check_no_policy(InodeId directory) {
  const auto turn = turns_.take();
  const Lines& lines = *TRY(policies());
  if (!lines.contains(raw(directory))) return {};
  return Error(Errc::kStale, "the vault has lost the policy of a folder, which was seen before");
}

Result<Checkpoint> VaultMemory::checkpoint() {
  const auto turn = turns_.take();
  const Seen seen = TRY(read(kCheckpoint))[0];
  return Checkpoint{.origin = "", .size = seen.number, .root = seen.hash};
}

Status VaultMemory::remember(const Checkpoint& checkpoint) {
  const auto turn = turns_.take();
  Lines lines = TRY(read(kCheckpoint));
  if (checkpoint.size <= lines[0].number) return {};
  lines[0] = {checkpoint.size, checkpoint.root};
  return write(kCheckpoint, lines);
}

}  // namespace conclave::vault
