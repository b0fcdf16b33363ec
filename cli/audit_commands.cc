#include <iostream>
#include <map>

#include "cli/commands.h"
#include "cli/person_client.h"
#include "vault/log_check.h"
#include "vault/log_leaf.h"
#include "vault/tlog.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxLogFileBytes = 32u << 20;  // a bundle of 256 leaves of 64 KiB, and a little

using vault::LogFile;   // from the vault, or from a copy of /.conclave/audit

struct VerifiedLog {
  vault::Checkpoint checkpoint;
  vault::MerkleTree tree;
  std::vector<vault::LogLeaf> leaves;
};

// Every entry, hashed up to the root that the checkpoint signs. kCorrupt, kKeyRejected.
Result<VerifiedLog> read_log(const LogFile& file, const ClusterFile& cluster) {
  VerifiedLog out;
  const std::string origin = vault::log_origin(cluster.id);
  out.checkpoint = TRY(vault::open_checkpoint(TRY(file("checkpoint")), origin, cluster.log_key));
  for (std::uint64_t first = 0; first < out.checkpoint.size; first += vault::kTileWidth) {
    const std::uint64_t width = std::min<std::uint64_t>(vault::kTileWidth, out.checkpoint.size - first);
    const std::string path = path_of(vault::TilePath{true, 0, first / vault::kTileWidth, width});
    for (const Bytes& bytes : TRY(vault::parse_bundle(view_of(TRY(file(path))), width))) {
      out.tree.append(vault::leaf_hash(bytes));
      out.leaves.push_back(TRY(vault::parse_leaf(bytes)));
    }
  }
  if (out.tree.root() != out.checkpoint.root) {
    return Error(Errc::kCorrupt, "the log's entries do not give the root that its checkpoint signs: an entry was changed");
  }
  return out;
}

// What was seen here before must be how the log begins.
Status check_remembered(vault::VaultMemory& memory, const VerifiedLog& log) {
  const vault::Checkpoint seen = TRY(memory.checkpoint());
  if (seen.size > log.checkpoint.size) {
    return Error(Errc::kCorrupt, "the log has " + std::to_string(log.checkpoint.size) + " entries; this device has seen " +
                                     std::to_string(seen.size) + ": the newest were deleted. " + std::string(vault::kRolledBack));
  }
  if (seen.size > 0 && log.tree.root(seen.size) != seen.root) {
    return Error(Errc::kCorrupt, "the log's first " + std::to_string(seen.size) + " entries are not those that this device has seen");
  }
  return memory.remember(log.checkpoint);
}

Result<VerifiedLog> open_log(Context& context, const std::string& copy) {
  if (!copy.empty()) {
    const ClusterFile cluster = TRY(context.cluster());
    return read_log([&](const std::string& path) { return context.files().read_all(copy + "/" + path, kMaxLogFileBytes); },
                    cluster);
  }
  const VaultReader reader = TRY(open_vault_reader(context));
  return read_log([&](const std::string& path) { return reader.vault->log_file(path); }, reader.cluster);
}

// Each release needs a request and at least one approval of it before it.
Status check_order(const VerifiedLog& log) {
  std::map<Hash, bool> approved;  // by rd; present: requested
  for (const vault::LogLeaf& leaf : log.leaves) {
    if (leaf.kind == vault::LeafKind::kRequest) approved.emplace(leaf.subject, false);
    const auto request = approved.find(leaf.subject);
    if (leaf.kind == vault::LeafKind::kApprove && request != approved.end()) request->second = true;
    if (leaf.kind == vault::LeafKind::kRelease && (request == approved.end() || !request->second)) {
      return Error(Errc::kCorrupt, "the log has a release without a request and an approval before it: " + line_of(leaf));
    }
  }
  return {};
}

Status verify(Context& context, const std::string& copy) {
  const VerifiedLog log = TRY(open_log(context, copy));
  TRY(check_order(log));
  for (const std::string& folder : memory_folders(context)) {
    vault::VaultMemory memory(context.files(), folder, context.waiter());
    TRY(check_remembered(memory, log));
  }
  std::cout << "The log verifies: " << log.checkpoint.size << " entries, root " << to_base64(log.checkpoint.root)
            << ", signed by " << log.checkpoint.origin << ".\n";
  return {};
}

Status show(Context& context, const std::string& copy) {
  const VerifiedLog log = TRY(open_log(context, copy));
  for (const vault::LogLeaf& leaf : log.leaves) std::cout << line_of(leaf) << "\n";
  return {};
}

int run(Context& context, const Arguments& args, const std::string& name, const std::string& about,
        Status (*work)(Context& context, const std::string& copy)) {
  std::string copy;
  CommandLine line("conclave " + name, about);
  context.accept_identity(line);
  line.option("--files", copy, "a copy of /.conclave/audit, instead of asking the vault");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish(name, work(context, copy));
}

}  // namespace

int run_audit_show(Context& context, const Arguments& args) {
  return run(context, args, "audit show", "The audit log, one line an entry, verified first.", show);
}

int run_audit_verify(Context& context, const Arguments& args) {
  return run(context, args, "audit verify", "Checks every entry against the signed checkpoint, and that nothing seen before is gone.",
             verify);
}

}  // namespace conclave::cli
