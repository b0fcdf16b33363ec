// What operations change, inside the writer's transaction. Nodes are edited in memory and written once at the end
// of a group, so that 500 creates touch their directory once; everything else is written at once.
//
// An operation asks everything that could refuse it before its first change: one that fails after wrote() takes the
// whole group's transaction back. Used by the group's leader only. Errors: kCorrupt, kIo, kNoSpace.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "base/clock.h"
#include "dirserver/dir_view.h"
#include "dirserver/server_table.h"

namespace conclave::dir {

class Change {
 public:
  struct Placing {           // what new chunks need to know
    ServerTable& servers;
    Clock& clock;
    unsigned replicas = 2;
    unsigned min_insync = 1;
  };
  struct Counts {            // as of the last commit
    std::uint64_t commits = 0;
    std::uint64_t inodes = 0;
    std::uint64_t chunks = 0;
    std::uint64_t orphans = 0;
  };

  static Result<std::unique_ptr<Change>> over(Database& database, const Placing& placing);

  View& view() { return *view_; }
  // Change numbers of this start are this one or larger, and larger than all of earlier starts, also than those that a
  // power loss took back: whoever compares them takes what D says now for the truth. As durable as the bound of inodes.
  [[nodiscard]] std::uint64_t change_floor() const { return view_->change_floor_; }
  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
  [[nodiscard]] const Placing& placing() const { return placing_; }

  // A node to change; kStale. The pointer is good until the group ends or the node is erased.
  Result<Node*> edit(InodeId inode);
  // Sets ctime and the change number; with `data` mtime too.
  void touch(Node& node, bool data);
  Node& add_node(Node node);                 // its number comes from new_inode()
  Status erase_node(InodeId inode);          // with its xattrs
  InodeId new_inode();

  Status add_name(InodeId parent, std::string_view name, const Node& node);
  Status repoint_name(InodeId parent, std::string_view name, const Node& node);  // an entry that is there; keeps its cookie
  Status drop_name(InodeId parent, std::string_view name);

  // These keep Node::xattrs and acls right.
  Status put_xattr(Node& node, std::string_view name, std::string_view value);
  Status drop_xattr(Node& node, std::string_view name);  // kNoAttribute

  // For a new chunk, the master first: the configured number of copies, or as many servers as are up. kUnavailable:
  // fewer than min_insync; kNoSpace: all are full.
  Result<std::vector<ServerId>> choose_members();
  ChunkId new_chunk();
  Status put_chunk(const Chunk& chunk, bool is_new);
  // Frees all copies of the file's chunks at positions [first, last], at most `limit`; says how many.
  Result<std::size_t> drop_chunks(InodeId inode, std::uint64_t first, std::uint64_t last, std::size_t limit);
  Status forget_frees(ServerId server, ChunkId chunk);
  // Frees a former copy; then put_chunk().
  Status free_copy(Chunk& chunk, ServerId server);
  // It was removed: nobody will say that they are gone.
  Status drop_frees(ServerId server);

  Status add_orphan(InodeId inode);
  Status drop_orphan(InodeId inode);

  Status put_server(const ServerRow& row);
  // Numbers below these may have been given out, whatever this database says: to be committed synced.
  Status raise_bounds(const v1::Past& seen, std::uint64_t highest_chunk);
  Status begin_run();   // of this start
  // This database goes on as the one that was `seen`: to be committed synced.
  Status accept(const v1::Past& seen);
  [[nodiscard]] v1::Past past() const;   // as of the last commit
  Status put_fence(SessionId session, std::uint64_t number, std::uint32_t epoch);
  [[nodiscard]] bool is_fenced(SessionId session) const { return fenced_.contains(session); }
  Status drop_fences_before(std::uint32_t epoch);

  // For DirStore. A group: needs_sync() before it begins (its commit must be synced), begin_operation() for each,
  // flush() at its end, then ended() when the transaction is over.
  [[nodiscard]] bool needs_sync() const;
  void begin_operation(WallTime now);
  [[nodiscard]] bool wrote() const { return wrote_; }
  void mark_written() { wrote_ = true; }
  Status flush(bool synced);
  void ended(bool committed);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  // Numbers that are never given out twice, whatever is lost: the bound is in a synced commit before they are used.
  struct Numbers {
    std::uint64_t next = 0;
    std::uint64_t bound = 0;
    std::uint64_t per_group = 0;   // that one group uses at most
    std::uint64_t committed = 0;   // the bound in the last commit
    [[nodiscard]] bool low() const { return next + per_group > bound; }
    void raise() { bound = next + 64 * per_group; }
  };

  explicit Change(const Placing& placing) : placing_(placing) {}
  Status load_state();
  Status write_node(const Node& node, bool is_new);
  Status list_copies(const Chunk& chunk);
  Status unlist_copies(const Chunk& chunk);

  const Placing placing_;
  std::unique_ptr<View> view_;
  std::int64_t now_ns_ = 0;
  bool wrote_ = false;
  std::map<InodeId, bool> dirty_;        // node → is new
  std::set<SessionId> fenced_;
  Numbers inodes_, chunks_, cookies_;
  std::string identity_;
  std::uint64_t timeline_ = 0;
  std::uint64_t run_ = 0;
  std::int64_t committed_ns_ = 0;
  std::uint64_t committed_timeline_ = 0;
  std::string committed_identity_;
  Counts counts_;
  Counts committed_counts_;
  Statement load_, state_, insert_node_, update_node_, delete_node_, delete_xattrs_, insert_name_, update_name_,
      delete_name_, put_mark_, put_run_, random_, raise_chainvers_, put_xattr_, delete_xattr_, insert_chunk_, update_chunk_, delete_chunk_,
      insert_copy_, delete_copy_, add_free_, delete_free_, insert_orphan_, delete_orphan_, put_server_, drop_frees_, put_fence_,
      delete_fences_;
};

}  // namespace conclave::dir
