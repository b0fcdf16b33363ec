// Names: look-up, making, removing, renaming, links. Thread-safe; blocks on servers; kPending from any (operations.h).
#pragma once

#include <optional>
#include <string>

#include "client/tree/leased_inodes.h"

namespace conclave::client {

// Operations that name an inode to D first trust what is remembered of names, and then do without.
class Names {
 public:
  struct Parts {
    const Servers& servers;
    LeaseCache& leases;
    InodeTable& table;
    LeasedInodes& inodes;
    Flusher& flusher;
    const FileClasses& classes;
  };
  explicit Names(Parts parts) : parts_(parts) {}

  // `name` is one component; "." and ".." are looked up as such.
  Result<EntryAnswer> lookup(const Caller& caller, InodeId parent, const std::string& name);
  void forget(InodeId inode, std::uint64_t count) { parts_.table.forget(inode, count); }
  Result<EntryAnswer> make(const Caller& caller, InodeId parent, const NewNode& node);
  Result<EntryAnswer> link(const Caller& caller, InodeId inode, InodeId parent, const std::string& name);
  Status remove(const Caller& caller, InodeId parent, const std::string& name, bool directory);
  struct Rename {
    InodeId from_parent{};
    std::string from_name;
    InodeId to_parent{};
    std::string to_name;
    bool no_replace = false;
    bool exchange = false;
  };
  Status rename(const Caller& caller, const Rename& request);
  Result<std::string> read_link(const Caller& caller, InodeId inode);

  // For open(2) with O_CREAT, after check_new_name.
  struct Made {
    InodePtr child;
    bool existed = false;
    LeaseCache::Use name_use;
  };
  Result<Made> make_at_dir(const Caller& caller, const InodePtr& parent, const NewNode& node, bool exclusive);
  // A new name may stand there, as far as this mount decides. kNotPermitted, kExists, kNameTooLong.
  static Status check_new_name(InodeId parent, const std::string& name);
  // What the kernel may keep of a name and its inode, which it has counted once more. Never waits: attributes that another
  // mount holds are given as D has them, and not to be kept.
  EntryAnswer entry_of(const Caller& caller, const InodePtr& parent, const InodePtr& child);
  // class_rule.h, by what is known of the inode, which D cannot change later.
  static Status check_class(const InodePtr& parent, const std::string& name, const InodePtr& child);

 private:
  Result<InodePtr> child_of(const Caller& caller, const InodePtr& parent, const std::string& name, std::uint64_t since,
                            bool trust_hints);
  Status check_rename(const InodePtr& from, const InodePtr& to, const InodePtr& moved) const;
  Status remove_once(const Caller& caller, InodeId parent, const std::string& name, bool directory, bool hints);
  Status rename_once(const Caller& caller, const Rename& request, bool hints);

  const Parts parts_;
};

}  // namespace conclave::client
