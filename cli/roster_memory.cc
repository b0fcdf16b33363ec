#include "cli/roster_memory.h"

#include "base/canonical.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxMemoryBytes = 4096;

// "NUMBER HASHHEX" in one line.
struct Seen {
  std::uint64_t number = 0;
  Hash hash{};
};

Result<Seen> read_seen(Files& files, const std::string& path) {
  if (!TRY(files.exists(path))) return Seen{};
  const std::string text = TRY(files.read_all(path, kMaxMemoryBytes));
  const Error damaged(Errc::kCorrupt, path + " is damaged; it held the newest version this device has seen");
  const auto space = text.find(' ');
  if (space == std::string::npos || text.size() < space + 65) return damaged;
  const auto bytes = from_hex(text.substr(space + 1, 64));
  if (!bytes) return damaged;
  Seen seen;
  seen.number = std::strtoull(text.c_str(), nullptr, 10);
  std::copy(bytes->begin(), bytes->end(), seen.hash.begin());
  return seen;
}

Status write_seen(Files& files, const std::string& path, const Seen& seen) {
  return files.write_all(path, std::to_string(seen.number) + " " + to_hex(seen.hash) + "\n");
}

std::string roster_path(const IdentityFolder& folder) { return folder.path + "/seen-roster"; }
std::string checkpoint_path(const IdentityFolder& folder) { return folder.path + "/seen-checkpoint"; }

}  // namespace

Status check_remembered_roster(Files& files, const IdentityFolder& folder, const vault::RosterChain& chain) {
  const Seen seen = TRY(read_seen(files, roster_path(folder)));
  if (seen.number > 0) TRY(chain.check_seen(seen.number, seen.hash));
  if (seen.number >= chain.current().version) return {};
  return write_seen(files, roster_path(folder), {chain.current().version, chain.current().hash()});
}

Result<vault::Checkpoint> remembered_checkpoint(Files& files, const IdentityFolder& folder) {
  const Seen seen = TRY(read_seen(files, checkpoint_path(folder)));
  return vault::Checkpoint{.origin = "", .size = seen.number, .root = seen.hash};
}

Status remember_checkpoint(Files& files, const IdentityFolder& folder, const vault::Checkpoint& checkpoint) {
  return write_seen(files, checkpoint_path(folder), {checkpoint.size, checkpoint.root});
}

}  // namespace conclave::cli
