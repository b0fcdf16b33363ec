// What the database says, through the prepared statements of one connection. A reader's view lasts from begin() to
// end() and sees one commit; the writer's (which never calls them) sees its own changes too. Used by one thread at
// a time. Errors beside those named: kCorrupt, kIo.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/sqlite.h"
#include "dirserver/dir_rows.h"
#include "dirserver/posix_acl.h"

namespace conclave::dir {

// Resets a statement when its row has been read.
class ResetLater {
 public:
  explicit ResetLater(Statement& statement) : statement_(statement) {}
  ~ResetLater() { statement_.reset(); }
  ResetLater(const ResetLater&) = delete;

 private:
  Statement& statement_;
};

class View {
 public:
  // Nodes that have not changed since this start of D have `change_floor` as their change number (Change::change_floor).
  static Result<std::unique_ptr<View>> over(Database& database, std::uint64_t change_floor);

  Status begin();
  void end();    // forgets nodes

  // kStale: it is gone. The pointer is good until end(), or until the writer forgets the node.
  Result<const Node*> node(InodeId inode);
  // The same; kNotDirectory if it is none.
  Result<const Node*> directory(InodeId inode);

  Result<std::optional<Name>> name(InodeId parent, std::string_view name);
  Result<bool> has_names(InodeId directory);
  // Entries with a larger cookie, in order, until `take` says false. With `nodes`, each with its node.
  using TakeName = std::function<bool(std::string_view name, const Name&, const Node* node)>;
  Status list(InodeId directory, std::uint64_t after, std::size_t limit, bool nodes, const TakeName& take);

  // kNoAttribute.
  Result<std::string> xattr(InodeId inode, std::string_view name);
  Result<std::vector<std::string>> xattr_names(InodeId inode);
  // The access ACL, if the node has one.
  Result<std::optional<PosixAcl>> access_acl(const Node& node);

  Result<std::optional<Chunk>> chunk(InodeId inode, std::uint64_t position);
  Result<std::optional<Chunk>> last_chunk(InodeId inode);
  Result<std::optional<Chunk>> chunk_from(InodeId inode, std::uint64_t position);  // the first at or after
  Result<std::optional<Chunk>> chunk_by_id(ChunkId chunk);   // reads the whole table: for what is rare
  // Behind (inode, position), in this order, with `member` in sync.
  Result<std::vector<Chunk>> chunks_of_after(ServerId member, InodeId inode, std::uint64_t position, std::size_t limit);
  Result<std::uint64_t> doubted_chunks();
  Result<bool> knows_run(std::uint64_t run);
  Result<std::uint64_t> chunks_with_fewer_copies(unsigned copies);
  // Those with so many members, behind `after`, in order, at most `limit`.
  Result<std::vector<ChunkPlace>> chunks_with_copies(unsigned copies, const ChunkPlace& after, std::size_t limit);
  Result<std::uint64_t> count_copies_at(ServerId server, bool in_sync);
  // Whether the server is still to remove its copy.
  Result<bool> is_freed(ServerId server, ChunkId chunk);
  // Chunks with a copy at `server`, in sync or former, behind `after`, in order, at most `limit`.
  Result<std::vector<ChunkPlace>> copies_at(ServerId server, bool in_sync, const ChunkPlace& after, std::size_t limit);

  // Orphans since before `until_ns`, above `after`, at most `limit`, by number.
  Result<std::vector<InodeId>> orphans(std::int64_t until_ns, InodeId after, std::size_t limit);
  // Copies that `server` may delete: freed by commits up to `commit`.
  Result<std::vector<ChunkId>> frees(ServerId server, std::uint64_t commit, std::size_t limit);
  Result<std::vector<ServerRow>> servers();
  struct Fence {
    SessionId session{};
    std::uint64_t number = 0;
  };
  Result<std::vector<Fence>> fences(std::uint64_t after_number);

 private:
  friend class Change;   // the writer's: it edits and forgets nodes
  View() = default;
  [[nodiscard]] Node node_of(const Statement& row, int first) const;
  Result<std::optional<Chunk>> chunk_of(Statement& statement);

  std::uint64_t change_floor_ = 0;
  std::unordered_map<InodeId, Node> nodes_;
  Statement begin_, end_, node_, name_, any_name_, list_, list_nodes_, xattr_, xattr_names_, chunk_, last_chunk_,
      chunk_from_, chunk_by_id_, chunks_after_, doubted_, run_, fewer_copies_, with_copies_, copies_at_, count_copies_,
      is_freed_, orphans_, frees_, servers_, fences_;
};

}  // namespace conclave::dir
