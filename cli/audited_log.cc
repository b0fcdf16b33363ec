#include "cli/audited_log.h"

#include "cli/person_client.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxLogFileBytes = 32u << 20;  // a bundle of 256 leaves of 64 KiB, and a little

using vault::LogFile;

Result<AuditedLog> read_log(const LogFile& file, const ClusterFile& cluster) {
  const auto rosters = [&file](std::uint64_t version) -> Result<Bytes> { return bytes_of(view_of(TRY(file(vault::roster_file(version))))); };
  AuditedLog out{.checkpoint = {}, .audit = vault::LogAudit(cluster.roster_1, rosters), .leaves = {}};
  out.checkpoint = TRY(vault::open_checkpoint(TRY(file("checkpoint")), vault::log_origin(cluster.id), cluster.log_key));
  const Error changed(Errc::kCorrupt, "the log's entries do not give the root that its checkpoint signs: an entry was changed");
  std::vector<Bytes> entries;
  vault::MerkleTree tree;
  for (std::uint64_t first = 0; first < out.checkpoint.size; first += vault::kTileWidth) {
    const std::uint64_t width = std::min<std::uint64_t>(vault::kTileWidth, out.checkpoint.size - first);
    const std::string path = path_of(vault::TilePath{true, 0, first / vault::kTileWidth, width});
    for (Bytes& bytes : TRY(vault::parse_bundle(view_of(TRY(file(path))), width))) {
      tree.append(vault::leaf_hash(bytes));
      entries.push_back(std::move(bytes));
    }
  }
  if (tree.root() != out.checkpoint.root) return changed;   // before what they say: a copy may be damaged
  for (const Bytes& bytes : entries) {
    TRY(out.audit.take(bytes));
    out.leaves.push_back(TRY(vault::parse_leaf(bytes)));
  }
  return out;
}

Status check_remembered(vault::VaultMemory& memory, const AuditedLog& log) {
  const vault::Checkpoint seen = TRY(memory.checkpoint());
  if (seen.size > log.checkpoint.size) {
    return Error(Errc::kCorrupt, "the log has " + std::to_string(log.checkpoint.size) + " entries; this device has seen " +
                                     std::to_string(seen.size) + ": the newest were deleted. " + std::string(vault::kRolledBack));
  }
  if (seen.size > 0 && log.audit.tree().root(seen.size) != seen.root) {
    return Error(Errc::kCorrupt, "the log's first " + std::to_string(seen.size) + " entries are not those that this device has seen. " +
                                     std::string(vault::kRolledBack));
  }
  return memory.remember(log.checkpoint);
}

Result<AuditedLog> read_somewhere(Context& context, const std::string& copy) {
  if (!copy.empty()) {
    const ClusterFile cluster = TRY(context.cluster());
    return read_log([&](const std::string& path) { return context.files().read_all(copy + "/" + path, kMaxLogFileBytes); }, cluster);
  }
  const VaultReader reader = TRY(open_vault_reader(context));
  return read_log([&](const std::string& path) { return reader.vault->log_file(path); }, reader.cluster);
}

}  // namespace

Result<AuditedLog> open_audited_log(Context& context, const std::string& copy) {
  AuditedLog log = TRY(read_somewhere(context, copy));
  for (const std::string& folder : memory_folders(context)) {
    vault::VaultMemory memory(context.files(), folder, context.waiter());
    TRY(check_remembered(memory, log));
  }
  return log;
}

}  // namespace conclave::cli
