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

Error VaultMemory::rolled_back(const std::string& what, const std::string& file) const {
  return {Errc::kStale, what + ": " + std::string(kRolledBack) + " (what was seen is kept in " + folder_ + "/" + file + ")"};
}

Result<bool> VaultMemory::knows(const RosterVersion& roster) {
  const auto turn = turns_.take();
  const Seen seen = TRY(read(kRoster))[0];
  return roster.version < seen.number || (roster.version == seen.number && roster.hash() == seen.hash);
}

Status VaultMemory::check_roster(const RosterChain& chain) {
  const auto turn = turns_.take();
  Lines lines = TRY(read(kRoster));
  const Seen seen = lines[0];
  const std::uint64_t newest = chain.current().version;
  if (newest < seen.number) {
    return rolled_back("the vault's roster ends at version " + std::to_string(newest) + ", but version " +
                           std::to_string(seen.number) + " was seen here", kRoster);
  }
  if (seen.number > 0) TRY(chain.check_seen(seen.number, seen.hash));
  if (seen.number == newest) return {};
  lines[0] = {newest, chain.current().hash()};
  return write(kRoster, lines);
}

Result<VaultMemory::Lines*> VaultMemory::policies() {
  if (!policies_) policies_ = TRY(read(kPolicies));
  return &*policies_;
}

Result<VaultMemory::Seen> VaultMemory::seen_policy(InodeId directory) {
  const Lines& lines = *TRY(policies());
  const auto found = lines.find(raw(directory));
  return found == lines.end() ? Seen() : found->second;
}

Result<std::uint64_t> VaultMemory::policy_version(InodeId directory) {
  const auto turn = turns_.take();
  return TRY(seen_policy(directory)).number;
}

Status VaultMemory::check_policy(const std::vector<Policy>& trail) {
  const auto turn = turns_.take();
  if (trail.empty()) return rolled_back("the vault shows no policy where one was seen here", kPolicies);
  const Policy& first = trail.front();
  const Seen seen = TRY(seen_policy(first.directory));
  if (first.version < seen.number) {
    return rolled_back("the vault shows version " + std::to_string(first.version) + " of the policy of " + first.path +
                           ", but version " + std::to_string(seen.number) + " was seen here", kPolicies);
  }
  if (seen.number > 0 && (first.version != seen.number || first.hash() != seen.hash)) {
    return Error(Errc::kKeyRejected, "the policy of " + first.path + " does not continue version " +
                                         std::to_string(seen.number) + ", which was seen here: " + std::string(kRolledBack));
  }
  for (std::size_t i = 1; i < trail.size(); ++i) {
    if (trail[i].version == trail[i - 1].version + 1 && trail[i].previous == trail[i - 1].hash()) continue;
    return Error(Errc::kKeyRejected, "version " + std::to_string(trail[i].version) + " of the policy of " + first.path +
                                         " does not name the one before it: " + std::string(kRolledBack));
  }
  return {};
}

// Another process may have learned something meanwhile: of each directory the newer one is kept.
Status VaultMemory::remember(const Policy& policy) {
  const auto turn = turns_.take();
  if (TRY(seen_policy(policy.directory)).number >= policy.version) return {};
  Lines next = TRY(read(kPolicies));
  Seen& line = next[raw(policy.directory)];
  if (line.number < policy.version) line = {policy.version, policy.hash()};
  TRY(write(kPolicies, next));
  *TRY(policies()) = std::move(next);
  return {};
}

Status VaultMemory::check_no_policy(InodeId directory) {
  const auto turn = turns_.take();
  if (TRY(seen_policy(directory)).number == 0) return {};
  return rolled_back("the vault has lost the policy of a folder, which was seen here", kPolicies);
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
