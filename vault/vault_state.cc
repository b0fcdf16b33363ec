#include "vault/vault_state.h"

#include "vault/fields.h"
#include "vault/log_audit.h"
#include "vault/vault_schema.h"

namespace conclave::vault {
namespace {

// All versions from the database; a new database is given the first one, with its leaf.
Result<RosterChain> load_roster(Database& db, ByteView first_roster) {
  const RosterVersion first = TRY(parse_roster(first_roster));
  RosterChain chain = TRY(RosterChain::begin(first_roster, first.hash()));
  Statement all = TRY(db.prepare("SELECT version, bytes FROM roster ORDER BY version"));
  for (;;) {
    if (!TRY(all.step())) return chain;
    if (all.i64(0) > 1) {
      TRY(chain.append(all.blob(1)));
    } else if (TRY(parse_roster(all.blob(1))).hash() != first.hash()) {
      return Error(Errc::kKeyRejected, "the database begins with another roster than the configuration names");
    }
  }
}

constexpr std::int64_t kFormat = 2;

Result<std::int64_t> number_of(Database& database, std::string_view query) {
  auto statement = TRY(database.prepare(query));
  if (!TRY(statement.step())) return Error(Errc::kCorrupt, "the database answers nothing");
  return statement.i64(0);
}

Status make_schema(Database& database) {
  const bool has_one = TRY(number_of(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'request'")) != 0;
  const std::string all = std::string(kSchema) + "PRAGMA user_version = " + std::to_string(kFormat) + ";";
  if (!has_one) return database.transaction(true, [&] { return database.exec(all); });
  const std::int64_t format = TRY(number_of(database, "PRAGMA user_version"));
  if (format == kFormat) return {};
  return Error(Errc::kNotSupported, "the vault's database is of format " + std::to_string(format) +
                                        ", which this version does not know: run the version that made it");
}

}  // namespace

Result<std::unique_ptr<VaultState>> VaultState::open(const SqliteVfs& vfs, const std::string& path,
                                                     ByteView first_roster, SigningKey log_key, Clock& clock,
                                                     Random& random, Waiter& waiter) {
  auto db = TRY(Database::open(vfs, path, Database::Access::kReadWrite));
  TRY(make_schema(*db));
  RosterChain roster = TRY(load_roster(*db, first_roster));
  auto state = std::unique_ptr<VaultState>(
      new VaultState(std::move(db), std::move(roster), std::move(log_key), clock, random, waiter));
  TRY(state->load_log());
  if (state->tree_.size() > 0) return state;
  const RosterVersion& first = state->roster_.current();
  TRY(state->change([&]() -> Status {
    Statement insert = TRY(state->prepare("INSERT INTO roster (version, bytes) VALUES (1, ?)"));
    TRY(insert.bind(first_roster).run());
    TRY(state->log({.kind = LeafKind::kRoster, .person = first_signer(first, first.signatures), .subject = first.hash(),
                    .note = note_of(first), .content = {}}));
    return {};
  }));
  return state;
}

VaultState::VaultState(std::unique_ptr<Database> db, RosterChain roster, SigningKey log_key, Clock& clock,
                       Random& random, Waiter& waiter)
    : db_(std::move(db)),
      roster_(std::move(roster)),
      log_key_(std::move(log_key)),
      origin_(log_origin(roster_.current().cluster)),
      clock_(clock),
      random_(random),
      turns_(waiter) {}

Status VaultState::load_log() {
  Statement all = TRY(prepare("SELECT position, bytes FROM leaf ORDER BY position"));
  while (TRY(all.step())) {
    if (all.u64(0) != tree_.size()) return Error(Errc::kCorrupt, "the audit log lacks leaf " + std::to_string(tree_.size()));
    tree_.append(leaf_hash(all.blob(1)));
  }
  return {};
}

Status VaultState::check_peer(const Peer& peer) const {
  if (peer.role != Role::kUser) return {};
  const auto kid = from_hex(peer.device_kid_hex);
  Kid device{};
  if (!kid || kid->size() != device.size()) return Error(Errc::kKeyRejected, "a certificate without a device");
  std::copy(kid->begin(), kid->end(), device.begin());
  const Person* person = TRY(standing(roster_.current(), device, 0, now()));
  if (person->name != peer.name) {
    return Error(Errc::kKeyRejected, "a certificate of " + peer.name + " for a device of " + person->name);
  }
  return {};
}

Status VaultState::change(const std::function<Status()>& body) {
  const std::uint64_t before = tree_.size();
  Status status = db_->transaction(/*synced=*/true, body);
  if (!status) tree_.truncate(before);  // the leaves of what did not happen
  return status;
}

Result<VaultState::Logged> VaultState::log(LogLeaf leaf) {
  leaf.at = now();
  leaf.note = plain_text(leaf.note, kMaxLeafNoteBytes);
  if (leaf.content.size() > kMaxLeafContentBytes) return Error(Errc::kInternal, "what is to be logged is too long");
  Logged out{tree_.size(), encode(leaf)};
  Statement insert = TRY(prepare("INSERT INTO leaf (position, bytes) VALUES (?, ?)"));
  TRY(insert.bind(out.position, out.leaf).run());
  tree_.append(leaf_hash(out.leaf));
  return out;
}

std::string VaultState::checkpoint() const {
  return sign_checkpoint({.origin = origin_, .size = tree_.size(), .root = tree_.root()}, log_key_);
}

Result<LogProof> VaultState::proof_at(std::uint64_t position, std::uint64_t size) {
  auto inclusion = TRY(tree_.inclusion_proof(position, size));
  auto leaf = TRY(leaves(position, 1));
  return LogProof{std::move(leaf.front()), position, std::move(inclusion)};
}

Result<std::vector<Bytes>> VaultState::leaves(std::uint64_t first, std::uint64_t count) {
  Statement some = TRY(prepare("SELECT bytes FROM leaf WHERE position >= ? AND position < ? ORDER BY position"));
  some.bind(first, first + count);
  std::vector<Bytes> out;
  while (TRY(some.step())) out.push_back(bytes_of(some.blob(0)));
  if (out.size() != count) return Error(Errc::kNotFound, "the log has no such entries yet");
  return out;
}

Result<std::string> VaultState::log_file(const std::string& path) {
  if (path == "checkpoint") return checkpoint();
  if (const auto version = roster_file_version(path)) {
    const RosterVersion* found = roster_.at(*version);
    if (found == nullptr) return Error(Errc::kNotFound, "there is no such roster version");
    return string_of(encode(*found));
  }
  const TilePath tile = TRY(parse_tile_path(path));
  if (!tile.entries) return string_of(TRY(tile_content(tree_, tree_.size(), tile)));
  if (tile.number > tree_.size() / kTileWidth) return Error(Errc::kNotFound, "the log has no such entries yet");
  return string_of(bundle_of(TRY(leaves(tile.number * kTileWidth, tile.width))));
}

}  // namespace conclave::vault
