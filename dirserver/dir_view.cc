#include "dirserver/dir_view.h"

#include <algorithm>

namespace conclave::dir {
namespace {

#define CONCLAVE_NODE_COLUMNS                                                                            \
  "n.inode, n.mode, n.nlink, n.uid, n.gid, n.rdev, n.size, n.allocated, n.atime_ns, n.mtime_ns, "        \
  "n.ctime_ns, n.btime_ns, n.change, n.xattrs, n.acls, n.class, n.parent, n.target"
#define CONCLAVE_CHUNK_COLUMNS "inode, position, chunk, chainver, start, length, members, cursors, born, doubted"

}  // namespace

Result<std::unique_ptr<View>> View::over(Database& database, std::uint64_t change_floor) {
  std::unique_ptr<View> view(new View);
  view->change_floor_ = change_floor;
  const std::pair<Statement*, std::string_view> statements[] = {
      {&view->begin_, "BEGIN"},
      {&view->end_, "COMMIT"},
      {&view->node_, "SELECT " CONCLAVE_NODE_COLUMNS " FROM nodes n WHERE n.inode = ?"},
      {&view->name_, "SELECT inode, type, cookie FROM names WHERE parent = ? AND name = ?"},
      {&view->any_name_, "SELECT 1 FROM names WHERE parent = ? LIMIT 1"},
      {&view->list_,
       "SELECT name, inode, type, cookie FROM names WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ?"},
      {&view->list_nodes_,
       "SELECT e.name, e.inode, e.type, e.cookie, " CONCLAVE_NODE_COLUMNS
       " FROM names e CROSS JOIN nodes n ON n.inode = e.inode WHERE e.parent = ? AND e.cookie > ?"
       " ORDER BY e.cookie LIMIT ?"},
      {&view->xattr_, "SELECT value FROM xattrs WHERE inode = ? AND name = ?"},
      {&view->xattr_names_, "SELECT name FROM xattrs WHERE inode = ? ORDER BY name"},
      {&view->chunk_, "SELECT " CONCLAVE_CHUNK_COLUMNS " FROM chunks WHERE inode = ? AND position = ?"},
      {&view->last_chunk_,
       "SELECT " CONCLAVE_CHUNK_COLUMNS " FROM chunks WHERE inode = ? ORDER BY position DESC LIMIT 1"},
      {&view->chunk_from_,
       "SELECT " CONCLAVE_CHUNK_COLUMNS " FROM chunks WHERE inode = ? AND position >= ? ORDER BY position LIMIT 1"},
      {&view->chunk_by_id_, "SELECT " CONCLAVE_CHUNK_COLUMNS " FROM chunks WHERE chunk = ? LIMIT 1"},
      {&view->chunks_after_,
       "SELECT " CONCLAVE_CHUNK_COLUMNS " FROM chunks WHERE (inode, position) > (?, ?) ORDER BY inode, position"},
      {&view->run_, "SELECT 1 FROM runs WHERE run = ?"},
      {&view->doubted_, "SELECT count(*) FROM chunks WHERE doubted = 1"},
      {&view->fewer_copies_, "SELECT count(*) FROM chunks WHERE copies < ?"},
      {&view->with_copies_,
       "SELECT inode, position FROM chunks WHERE copies = ? AND (inode, position) > (?, ?)"
       " ORDER BY inode, position LIMIT ?"},
      {&view->count_copies_, "SELECT count(*) FROM copies WHERE server = ? AND in_sync = ?"},
      {&view->is_freed_, "SELECT 1 FROM frees WHERE server = ? AND chunk = ?"},
      {&view->copies_at_,
       "SELECT inode, position FROM copies WHERE server = ? AND in_sync = ? AND (inode, position) > (?, ?)"
       " ORDER BY inode, position LIMIT ?"},
      {&view->orphans_, "SELECT inode FROM orphans WHERE inode > ? AND since_ns <= ? ORDER BY inode LIMIT ?"},
      {&view->frees_, "SELECT chunk FROM frees WHERE server = ? AND since <= ? LIMIT ?"},
      {&view->servers_, "SELECT id, name, instance, host, port, back_port, mark, behind_ns, behind_epoch, state FROM servers"
                        " ORDER BY id"},
      {&view->fences_, "SELECT session, number FROM fences WHERE number > ?"},
  };
  for (const auto& [statement, sql] : statements) *statement = TRY(database.prepare(sql));
  return view;
}

Status View::begin() { return begin_.run(); }

void View::end() {
  static_cast<void>(end_.run());  // nothing was written: there is nothing that could fail to be kept
  nodes_.clear();
}

Node View::node_of(const Statement& row, int first) const {
  const auto u32 = [&](int column) { return static_cast<std::uint32_t>(row.i64(first + column)); };
  Node out;
  out.inode = InodeId{row.u64(first)};
  out.mode = u32(1);
  out.nlink = u32(2);
  out.uid = u32(3);
  out.gid = u32(4);
  out.rdev = row.u64(first + 5);
  out.size_bytes = row.u64(first + 6);
  out.allocated_bytes = row.u64(first + 7);
  out.atime_ns = row.i64(first + 8);
  out.mtime_ns = row.i64(first + 9);
  out.ctime_ns = row.i64(first + 10);
  out.btime_ns = row.i64(first + 11);
  out.change = std::max(row.u64(first + 12), change_floor_);
  out.xattrs = u32(13);
  out.acls = static_cast<std::uint8_t>(u32(14));
  out.file_class = static_cast<v1::Class>(u32(15));
  out.parent = InodeId{row.u64(first + 16)};
  out.target = row.text(first + 17);
  return out;
}

Result<const Node*> View::node(InodeId inode) {
  const auto known = nodes_.find(inode);
  if (known != nodes_.end()) return &known->second;
  const ResetLater reset(node_);
  if (!TRY(node_.bind(raw(inode)).step())) return Error(Errc::kStale, "no such inode any more");
  return &nodes_.insert_or_assign(inode, node_of(node_, 0)).first->second;
}

Result<const Node*> View::directory(InodeId inode) {
  const Node* found = TRY(node(inode));
  if (!found->is_directory()) return Error(Errc::kNotDirectory);
  return found;
}

Result<std::optional<Name>> View::name(InodeId parent, std::string_view name) {
  const ResetLater reset(name_);
  if (!TRY(name_.bind(raw(parent), view_of(name)).step())) return std::optional<Name>();
  return std::optional(Name{InodeId{name_.u64(0)}, static_cast<std::uint32_t>(name_.i64(1)), name_.u64(2)});
}

Result<bool> View::has_names(InodeId directory) {
  const ResetLater reset(any_name_);
  return any_name_.bind(raw(directory)).step();
}

Status View::list(InodeId directory, std::uint64_t after, std::size_t limit, bool nodes, const TakeName& take) {
  Statement& rows = nodes ? list_nodes_ : list_;
  const ResetLater reset(rows);
  rows.bind(raw(directory), after, static_cast<std::uint64_t>(limit));
  while (TRY(rows.step())) {
    const Name name{InodeId{rows.u64(1)}, static_cast<std::uint32_t>(rows.i64(2)), rows.u64(3)};
    Node node;
    if (nodes) node = node_of(rows, 4);
    if (!take(rows.text(0), name, nodes ? &node : nullptr)) break;
  }
  return {};
}

Result<std::string> View::xattr(InodeId inode, std::string_view name) {
  const ResetLater reset(xattr_);
  if (!TRY(xattr_.bind(raw(inode), view_of(name)).step())) return Error(Errc::kNoAttribute);
  return std::string(xattr_.text(0));
}

Result<std::vector<std::string>> View::xattr_names(InodeId inode) {
  const ResetLater reset(xattr_names_);
  xattr_names_.bind(raw(inode));
  std::vector<std::string> out;
  while (TRY(xattr_names_.step())) out.emplace_back(xattr_names_.text(0));
  return out;
}

Result<std::optional<PosixAcl>> View::access_acl(const Node& node) {
  if ((node.acls & kAccessAcl) == 0) return std::optional<PosixAcl>();
  const std::string value = TRY(xattr(node.inode, kAccessAclName));
  return std::optional(TRY(PosixAcl::parse(view_of(value))));
}

namespace {

// A row of CONCLAVE_CHUNK_COLUMNS.
Result<Chunk> chunk_row(const Statement& statement) {
  Chunk out;
  out.inode = InodeId{statement.u64(0)};
  out.position = statement.u64(1);
  out.chunk = ChunkId{statement.u64(2)};
  out.chainver = static_cast<std::uint32_t>(statement.i64(3));
  out.start_bytes = statement.u64(4);
  out.sealed_bytes = statement.u64(5);
  TRY(decode_members(statement.blob(6), out));
  out.cursors = statement.text(7);
  out.born = statement.i64(8) != 0;
  out.doubted = statement.i64(9) != 0;
  return out;
}

}  // namespace

// The first row.
Result<std::optional<Chunk>> View::chunk_of(Statement& statement) {
  const ResetLater reset(statement);
  if (!TRY(statement.step())) return std::optional<Chunk>();
  return std::optional(TRY(chunk_row(statement)));
}

Result<std::vector<Chunk>> View::chunks_of_after(ServerId member, InodeId inode, std::uint64_t position, std::size_t limit) {
  const ResetLater reset(chunks_after_);
  chunks_after_.bind(raw(inode), position);
  std::vector<Chunk> out;
  while (out.size() < limit && TRY(chunks_after_.step())) {
    Chunk chunk = TRY(chunk_row(chunks_after_));
    if (std::ranges::find(chunk.members, member) != chunk.members.end()) out.push_back(std::move(chunk));
  }
  return out;
}

Result<bool> View::knows_run(std::uint64_t run) {
  const ResetLater reset(run_);
  return run_.bind(run).step();
}

Result<std::uint64_t> View::doubted_chunks() {
  const ResetLater reset(doubted_);
  TRY(doubted_.step());
  return doubted_.u64(0);
}

Result<std::optional<Chunk>> View::chunk(InodeId inode, std::uint64_t position) {
  return chunk_of(chunk_.bind(raw(inode), position));
}

Result<std::optional<Chunk>> View::last_chunk(InodeId inode) { return chunk_of(last_chunk_.bind(raw(inode))); }

Result<std::optional<Chunk>> View::chunk_from(InodeId inode, std::uint64_t position) {
  return chunk_of(chunk_from_.bind(raw(inode), position));
}

Result<std::optional<Chunk>> View::chunk_by_id(ChunkId chunk) { return chunk_of(chunk_by_id_.bind(raw(chunk))); }

Result<std::uint64_t> View::chunks_with_fewer_copies(unsigned copies) {
  const ResetLater reset(fewer_copies_);
  TRY(fewer_copies_.bind(copies).step());
  return fewer_copies_.u64(0);
}

namespace {

Result<std::vector<ChunkPlace>> places_of(Statement& rows) {
  const ResetLater reset(rows);
  std::vector<ChunkPlace> out;
  while (TRY(rows.step())) out.push_back({InodeId{rows.u64(0)}, rows.u64(1)});
  return out;
}

}  // namespace

Result<std::vector<ChunkPlace>> View::chunks_with_copies(unsigned copies, const ChunkPlace& after, std::size_t limit) {
  return places_of(with_copies_.bind(copies, raw(after.inode), after.position, static_cast<std::uint64_t>(limit)));
}

Result<std::vector<ChunkPlace>> View::copies_at(ServerId server, bool in_sync, const ChunkPlace& after,
                                                std::size_t limit) {
  return places_of(copies_at_.bind(raw(server), static_cast<int>(in_sync), raw(after.inode), after.position,
                                   static_cast<std::uint64_t>(limit)));
}

Result<std::uint64_t> View::count_copies_at(ServerId server, bool in_sync) {
  const ResetLater reset(count_copies_);
  TRY(count_copies_.bind(raw(server), static_cast<int>(in_sync)).step());
  return count_copies_.u64(0);
}

Result<bool> View::is_freed(ServerId server, ChunkId chunk) {
  const ResetLater reset(is_freed_);
  return is_freed_.bind(raw(server), raw(chunk)).step();
}

Result<std::vector<InodeId>> View::orphans(std::int64_t until_ns, InodeId after, std::size_t limit) {
  const ResetLater reset(orphans_);
  orphans_.bind(raw(after), until_ns, static_cast<std::uint64_t>(limit));
  std::vector<InodeId> out;
  while (TRY(orphans_.step())) out.push_back(InodeId{orphans_.u64(0)});
  return out;
}

Result<std::vector<ChunkId>> View::frees(ServerId server, std::uint64_t commit, std::size_t limit) {
  const ResetLater reset(frees_);
  frees_.bind(raw(server), commit, static_cast<std::uint64_t>(limit));
  std::vector<ChunkId> out;
  while (TRY(frees_.step())) out.push_back(ChunkId{frees_.u64(0)});
  return out;
}

Result<std::vector<ServerRow>> View::servers() {
  const ResetLater reset(servers_);
  std::vector<ServerRow> out;
  while (TRY(servers_.step())) {
    out.push_back({ServerId{static_cast<std::uint32_t>(servers_.i64(0))}, std::string(servers_.text(1)),
                   std::string(servers_.text(2)), std::string(servers_.text(3)),
                   static_cast<std::uint32_t>(servers_.i64(4)), static_cast<std::uint32_t>(servers_.i64(5)),
                   servers_.u64(6), servers_.i64(7), static_cast<std::uint32_t>(servers_.i64(8)),
                   static_cast<ServerState>(servers_.i64(9))});
  }
  return out;
}

Result<std::vector<View::Fence>> View::fences(std::uint64_t after_number) {
  const ResetLater reset(fences_);
  fences_.bind(after_number);
  std::vector<Fence> out;
  while (TRY(fences_.step())) out.push_back({SessionId{fences_.u64(0)}, fences_.u64(1)});
  return out;
}

}  // namespace conclave::dir
