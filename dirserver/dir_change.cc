#include "dirserver/dir_change.h"

#include <algorithm>

#include "base/limits.h"
#include "dirserver/chunk_chain.h"

namespace conclave::dir {
namespace {

constexpr std::size_t kMaxCachedNodes = 4096;      // ~1 MiB
constexpr std::uint64_t kChunksPerOperation = 257;  // Place's 256, or a Create's or Seal's one
// Each start raises the bound of inodes by 32,000 at least: 2^38 changes of one inode until the next.
constexpr unsigned kChangesBits = 24;

}  // namespace

Result<std::unique_ptr<Change>> Change::over(Database& database, const Placing& placing) {
  std::unique_ptr<Change> out(new Change(placing));
  out->view_ = TRY(View::over(database, 0));
  const std::pair<Statement*, std::string_view> statements[] = {
      {&out->load_,
       "SELECT inode_bound, chunk_bound, cookie_bound, commits, inodes, chunks, orphans, identity, timeline,"
       " committed_ns FROM state WHERE one = 1"},
      {&out->state_,
       "UPDATE state SET inode_bound = ?, chunk_bound = ?, cookie_bound = ?, commits = ?, inodes = ?, chunks = ?,"
       " orphans = ?, identity = ?, timeline = ?, committed_ns = ? WHERE one = 1"},
      {&out->insert_node_, "INSERT INTO nodes (mode, nlink, uid, gid, rdev, size, allocated, atime_ns, mtime_ns,"
                           " ctime_ns, btime_ns, change, xattrs, acls, class, parent, target, inode)"
                           " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
      {&out->update_node_,
       "UPDATE nodes SET mode = ?, nlink = ?, uid = ?, gid = ?, rdev = ?, size = ?, allocated = ?, atime_ns = ?,"
       " mtime_ns = ?, ctime_ns = ?, btime_ns = ?, change = ?, xattrs = ?, acls = ?, class = ?, parent = ?,"
       " target = ? WHERE inode = ?"},
      {&out->delete_node_, "DELETE FROM nodes WHERE inode = ?"},
      {&out->delete_xattrs_, "DELETE FROM xattrs WHERE inode = ?"},
      {&out->insert_name_, "INSERT INTO names (parent, name, inode, type, cookie) VALUES (?,?,?,?,?)"},
      {&out->update_name_, "UPDATE names SET inode = ?, type = ? WHERE parent = ? AND name = ?"},
      {&out->delete_name_, "DELETE FROM names WHERE parent = ? AND name = ?"},
      {&out->put_xattr_, "INSERT OR REPLACE INTO xattrs (inode, name, value) VALUES (?,?,?)"},
      {&out->delete_xattr_, "DELETE FROM xattrs WHERE inode = ? AND name = ?"},
      {&out->insert_chunk_, "INSERT INTO chunks (chunk, chainver, born, doubted, start, length, copies, members, cursors,"
                            " inode, position) VALUES (?,?,?,?,?,?,?,?,?,?,?)"},
      {&out->update_chunk_, "UPDATE chunks SET chunk = ?, chainver = ?, born = ?, doubted = ?, start = ?, length = ?, copies = ?,"
                            " members = ?, cursors = ? WHERE inode = ? AND position = ?"},
      {&out->delete_chunk_, "DELETE FROM chunks WHERE inode = ? AND position = ?"},
      {&out->insert_copy_, "INSERT INTO copies (server, in_sync, inode, position) VALUES (?,?,?,?)"},
      {&out->delete_copy_, "DELETE FROM copies WHERE server = ? AND in_sync = ? AND inode = ? AND position = ?"},
      {&out->add_free_, "INSERT OR IGNORE INTO frees (server, chunk, since) VALUES (?,?,?)"},
      {&out->delete_free_, "DELETE FROM frees WHERE server = ? AND chunk = ?"},
      {&out->insert_orphan_, "INSERT INTO orphans (inode, since_ns) VALUES (?,?)"},
      {&out->delete_orphan_, "DELETE FROM orphans WHERE inode = ?"},
      {&out->put_server_, "INSERT OR REPLACE INTO servers (id, name, instance, host, port, back_port, mark, behind_ns,"
                          " behind_epoch, state) VALUES (?,?,?,?,?,?,?,?,?,?)"},
      {&out->random_, "SELECT random()"},
      // Above all that file servers can have seen of a chunk: they take no permit that is older.
      {&out->raise_chainvers_, "UPDATE chunks SET chainver = chainver + 65536"},
      {&out->put_run_, "INSERT OR IGNORE INTO runs (run) VALUES (?)"},
      {&out->put_mark_, "UPDATE servers SET mark = ? WHERE id = ?"},
      {&out->drop_frees_, "DELETE FROM frees WHERE server = ?"},
      {&out->put_fence_, "INSERT OR REPLACE INTO fences (session, number, epoch) VALUES (?,?,?)"},
      {&out->delete_fences_, "DELETE FROM fences WHERE epoch < ?"},
  };
  for (const auto& [statement, sql] : statements) *statement = TRY(database.prepare(sql));
  out->inodes_.per_group = kMaxGroup;
  out->cookies_.per_group = 2 * kMaxGroup;
  out->chunks_.per_group = kChunksPerOperation * kMaxGroup;
  TRY(out->load_state());
  // What lies below the bounds may have been given out before.
  for (Numbers* numbers : {&out->inodes_, &out->chunks_, &out->cookies_}) numbers->next = numbers->bound;
  out->view_->change_floor_ = out->inodes_.bound << kChangesBits;
  out->ended(true);
  return out;
}

Status Change::load_state() {
  const ResetLater reset(load_);
  if (!TRY(load_.step())) return Error(Errc::kCorrupt, "the database has no state");
  inodes_.bound = load_.u64(0);
  chunks_.bound = load_.u64(1);
  cookies_.bound = load_.u64(2);
  counts_ = {load_.u64(3), load_.u64(4), load_.u64(5), load_.u64(6)};
  identity_ = string_of(load_.blob(7));
  timeline_ = load_.u64(8);
  committed_ns_ = load_.i64(9);
  fenced_.clear();
  for (const View::Fence& fence : TRY(view_->fences(0))) fenced_.insert(fence.session);
  return {};
}

Result<Node*> Change::edit(InodeId inode) {
  TRY(view_->node(inode));
  wrote_ = true;
  dirty_.try_emplace(inode, false);
  return &view_->nodes_.find(inode)->second;
}

void Change::touch(Node& node, bool data) {
  node.ctime_ns = now_ns_;
  if (data) node.mtime_ns = now_ns_;
  ++node.change;
}

Node& Change::add_node(Node node) {
  wrote_ = true;
  node.change = std::max(node.change, change_floor());
  const InodeId inode = node.inode;
  dirty_[inode] = true;
  ++counts_.inodes;
  return view_->nodes_.insert_or_assign(inode, std::move(node)).first->second;
}

Status Change::erase_node(InodeId inode) {
  wrote_ = true;
  const auto dirty = dirty_.find(inode);
  const bool stored = dirty == dirty_.end() || !dirty->second;
  if (dirty != dirty_.end()) dirty_.erase(dirty);
  view_->nodes_.erase(inode);
  --counts_.inodes;
  TRY(delete_xattrs_.bind(raw(inode)).run());
  if (stored) TRY(delete_node_.bind(raw(inode)).run());
  return {};
}

InodeId Change::new_inode() { return InodeId{inodes_.next++}; }
ChunkId Change::new_chunk() { return ChunkId{chunks_.next++}; }

Status Change::add_name(InodeId parent, std::string_view name, const Node& node) {
  wrote_ = true;
  const std::uint32_t type = node.mode & S_IFMT;
  return insert_name_.bind(raw(parent), view_of(name), raw(node.inode), type, cookies_.next++).run();
}

Status Change::repoint_name(InodeId parent, std::string_view name, const Node& node) {
  wrote_ = true;
  return update_name_.bind(raw(node.inode), node.mode & S_IFMT, raw(parent), view_of(name)).run();
}

Status Change::drop_name(InodeId parent, std::string_view name) {
  wrote_ = true;
  return delete_name_.bind(raw(parent), view_of(name)).run();
}

namespace {

std::uint8_t acl_bit(std::string_view name) {
  if (name == kAccessAclName) return kAccessAcl;
  if (name == kDefaultAclName) return kDefaultAcl;
  return 0;
}

}  // namespace

Status Change::put_xattr(Node& node, std::string_view name, std::string_view value) {
  auto before = view_->xattr(node.inode, name);
  if (!before && before.error().code != Errc::kNoAttribute) return std::move(before).error();
  wrote_ = true;
  if (!before) ++node.xattrs;
  node.acls = static_cast<std::uint8_t>(node.acls | acl_bit(name));
  return put_xattr_.bind(raw(node.inode), view_of(name), view_of(value)).run();
}

Status Change::drop_xattr(Node& node, std::string_view name) {
  TRY(view_->xattr(node.inode, name));
  wrote_ = true;
  --node.xattrs;
  node.acls = static_cast<std::uint8_t>(node.acls & ~acl_bit(name));
  return delete_xattr_.bind(raw(node.inode), view_of(name)).run();
}

Result<std::vector<ServerId>> Change::choose_members() {
  auto chosen = TRY(placing_.servers.choose(placing_.replicas, placing_.clock.now()));
  if (chosen.size() >= placing_.min_insync) return chosen;
  return Error(Errc::kUnavailable, "a chunk needs " + std::to_string(placing_.min_insync) +
                                       " file servers (dir.min_insync) and " + std::to_string(chosen.size()) +
                                       " of those that are up have room: start one, or add one");
}

Status Change::put_chunk(const Chunk& chunk, bool is_new) {
  wrote_ = true;
  if (is_new) ++counts_.chunks;
  if (!is_new) {
    const auto before = TRY(view_->chunk(chunk.inode, chunk.position));
    if (!before) return Error(Errc::kCorrupt, "a chunk to change that is not there");
    if (before->members != chunk.members || before->former != chunk.former) {
      TRY(unlist_copies(*before));
      TRY(list_copies(chunk));
    }
  } else {
    TRY(list_copies(chunk));
  }
  Statement& put = is_new ? insert_chunk_ : update_chunk_;
  const Bytes members = encode_members(chunk);
  return put
      .bind(raw(chunk.chunk), chunk.chainver, chunk.born ? 1 : 0, chunk.doubted ? 1 : 0, chunk.start_bytes, chunk.sealed_bytes,
            static_cast<std::uint64_t>(chunk.members.size()), members, view_of(chunk.cursors), raw(chunk.inode),
            chunk.position)
      .run();
}

Status Change::list_copies(const Chunk& chunk) {
  for (const ServerId id : chunk.members) TRY(insert_copy_.bind(raw(id), 1, raw(chunk.inode), chunk.position).run());
  for (const ServerId id : chunk.former) TRY(insert_copy_.bind(raw(id), 0, raw(chunk.inode), chunk.position).run());
  return {};
}

Status Change::unlist_copies(const Chunk& chunk) {
  for (const ServerId id : chunk.members) TRY(delete_copy_.bind(raw(id), 1, raw(chunk.inode), chunk.position).run());
  for (const ServerId id : chunk.former) TRY(delete_copy_.bind(raw(id), 0, raw(chunk.inode), chunk.position).run());
  return {};
}

Result<std::size_t> Change::drop_chunks(InodeId inode, std::uint64_t first, std::uint64_t last, std::size_t limit) {
  std::size_t dropped = 0;
  while (dropped < limit) {
    const auto chunk = TRY(view_->chunk_from(inode, first));
    if (!chunk || chunk->position > last) break;
    wrote_ = true;
    for (const auto* list : {&chunk->members, &chunk->former}) {
      for (const ServerId server : *list) {
        TRY(add_free_.bind(raw(server), raw(chunk->chunk), counts_.commits + 1).run());
      }
    }
    TRY(unlist_copies(*chunk));
    TRY(delete_chunk_.bind(raw(inode), chunk->position).run());
    --counts_.chunks;
    ++dropped;
    first = chunk->position + 1;
  }
  return dropped;
}

Status Change::forget_frees(ServerId server, ChunkId chunk) {
  wrote_ = true;
  return delete_free_.bind(raw(server), raw(chunk)).run();
}

Status Change::add_orphan(InodeId inode) {
  wrote_ = true;
  ++counts_.orphans;
  return insert_orphan_.bind(raw(inode), now_ns_).run();
}

Status Change::drop_orphan(InodeId inode) {
  wrote_ = true;
  --counts_.orphans;
  return delete_orphan_.bind(raw(inode)).run();
}

Status Change::put_server(const ServerRow& row) {
  wrote_ = true;
  return put_server_
      .bind(raw(row.id), std::string_view(row.name), view_of(row.instance), std::string_view(row.host), row.port,
            row.back_port, row.mark, row.behind_ns, row.behind_epoch, static_cast<int>(row.state))
      .run();
}

Status Change::raise_bounds(const v1::Past& seen, std::uint64_t highest_chunk) {
  wrote_ = true;
  // Not above the bound: a run that this database does not know began at the same number and raised it as far.
  const auto go_on_at = [](Numbers& numbers, std::uint64_t first) {
    if (first <= numbers.next) return;
    numbers.next = first;
    numbers.raise();
  };
  go_on_at(chunks_, highest_chunk + 1);
  if (seen.run() == run_) return {};   // these are this run's own
  go_on_at(inodes_, seen.inode_bound());
  go_on_at(chunks_, seen.chunk_bound());
  go_on_at(cookies_, seen.cookie_bound());
  return {};
}

Status Change::begin_run() {
  wrote_ = true;
  {
    const ResetLater reset(random_);
    TRY(random_.step());
    run_ = random_.u64(0);
  }
  return put_run_.bind(run_).run();
}

Status Change::accept(const v1::Past& seen) {
  wrote_ = true;
  identity_ = seen.identity();
  timeline_ = std::max(timeline_, seen.timeline()) + 1;
  counts_.commits = std::max(counts_.commits, seen.commits());
  return raise_chainvers_.run();
}

v1::Past Change::past() const {
  v1::Past out;
  out.set_identity(committed_identity_);
  out.set_timeline(committed_timeline_);
  out.set_commits(committed_counts_.commits);
  out.set_inode_bound(inodes_.committed);
  out.set_chunk_bound(chunks_.committed);
  out.set_cookie_bound(cookies_.committed);
  out.set_at_ns(committed_ns_);
  out.set_run(run_);
  return out;
}

Status Change::drop_frees(ServerId server) {
  wrote_ = true;
  return drop_frees_.bind(raw(server)).run();
}

Status Change::free_copy(Chunk& chunk, ServerId server) {
  if (!forget(chunk, server)) return {};
  wrote_ = true;
  return add_free_.bind(raw(server), raw(chunk.chunk), counts_.commits + 1).run();
}

Status Change::put_fence(SessionId session, std::uint64_t number, std::uint32_t epoch) {
  wrote_ = true;
  fenced_.insert(session);
  return put_fence_.bind(raw(session), number, epoch).run();
}

Status Change::drop_fences_before(std::uint32_t epoch) {
  wrote_ = true;
  return delete_fences_.bind(epoch).run();
}

bool Change::needs_sync() const { return inodes_.low() || chunks_.low() || cookies_.low(); }

void Change::begin_operation(WallTime now) {
  now_ns_ = now.ns;
  wrote_ = false;
}

Status Change::write_node(const Node& node, bool is_new) {
  Statement& put = is_new ? insert_node_ : update_node_;
  return put
      .bind(node.mode, node.nlink, node.uid, node.gid, node.rdev, node.size_bytes, node.allocated_bytes, node.atime_ns,
            node.mtime_ns, node.ctime_ns, node.btime_ns, node.change, node.xattrs, static_cast<int>(node.acls),
            static_cast<int>(node.file_class), raw(node.parent), view_of(node.target), raw(node.inode))
      .run();
}

// Writes the row of `state` whatever was done: a synced commit with nothing in it would not be synced.
Status Change::flush(bool synced) {
  for (const auto& [inode, is_new] : dirty_) TRY(write_node(view_->nodes_.find(inode)->second, is_new));
  for (Numbers* numbers : {&inodes_, &chunks_, &cookies_}) {
    if (synced && numbers->low()) numbers->raise();
  }
  if (synced) {
    for (const auto& [server, mark] : placing_.servers.marks_to_store(placing_.clock.now())) {
      TRY(put_mark_.bind(mark, raw(server)).run());
    }
  }
  ++counts_.commits;
  committed_ns_ = placing_.clock.wall().ns;
  return state_
      .bind(inodes_.bound, chunks_.bound, cookies_.bound, counts_.commits, counts_.inodes, counts_.chunks,
            counts_.orphans, view_of(identity_), timeline_, committed_ns_)
      .run();
}

// Numbers that were given out in a transaction that was taken back are given out no more.
void Change::ended(bool committed) {
  dirty_.clear();
  if (!committed || view_->nodes_.size() > kMaxCachedNodes) view_->nodes_.clear();
  (committed ? committed_counts_ : counts_) = committed ? counts_ : committed_counts_;
  (committed ? committed_identity_ : identity_) = committed ? identity_ : committed_identity_;
  (committed ? committed_timeline_ : timeline_) = committed ? timeline_ : committed_timeline_;
  for (Numbers* numbers : {&inodes_, &chunks_, &cookies_}) {
    (committed ? numbers->committed : numbers->bound) = committed ? numbers->bound : numbers->committed;
  }
}

}  // namespace conclave::dir
