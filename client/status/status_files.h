// /.conclave: what this mount and its cluster are doing, as files that are rendered when they are opened, and three
// files that take a message. None of it is known to D: FileClasses::ours says how they are found.
//
// The control files are 0666, and one write(2) of a whole message acts as the uid that the kernel names. That is
// what an extended attribute of the secret or a Unix socket would have to be for, but an attribute needs write
// permission on the object and a socket needs to be found; the mount is where everybody is already.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "client/tree/file_class.h"

namespace conclave::client {

// A file's content for this caller, or a folder's names. Functions may block on servers.
struct StatusSource {
  std::function<Result<std::string>(const Caller&)> render;
  // A folder instead: the files in it now, by path below it ("checkpoint", "tile/entries/000"), and one file's content.
  std::function<Result<std::vector<std::string>>(const Caller&)> list;
  std::function<Result<std::string>(const Caller&, const std::string& path)> render_one;
  // What stat(2) says of it. As in /proc, 0 for what is not known before it is rendered.
  std::uint64_t size_bytes = 0;
};
// Acts on a message of at most kMaxMessage bytes; its error is write(2)'s.
using ControlSink = std::function<Status(const Caller&, std::string_view message)>;

class StatusFiles {
 public:
  static constexpr std::size_t kMaxMessage = 64 << 10;

  // The files belong to `owner`, the daemon's user: mincore(2) tells nobody else the truth (page_cache_guard.h).
  StatusFiles(Clock& clock, const Caller& owner);
  // While wiring, before the first operation.
  void add(const std::string& name, StatusSource source);
  void add(const std::string& name, ControlSink sink);

  // Their row of the table of classes.
  FileClass row();

 private:
  struct Node {
    std::string name;
    InodeId parent{};
    StatusSource source;
    ControlSink sink;
    InodeId tree{};      // of what a source lists: the source's own number
    std::string path;    // and the path below it
    bool folder = false;
    [[nodiscard]] bool is_folder() const { return folder || static_cast<bool>(source.list) || parent == kRootInode; }
  };
  struct Child {
    std::string name;
    bool folder = false;
  };
  // kNotFound. `parent` is the root (for kStatusFolder) or one of ours.
  Result<dir::v1::Attr> find(const Caller& caller, InodeId parent, const std::string& name);
  // kStale for a number that nothing here has.
  Result<dir::v1::Attr> attributes(InodeId inode) const;
  // Renders into OpenFile::own; kAccess for writing what is read and reading what is written.
  Result<OpenAnswer> open(const Caller& caller, OpenFile& file);
  static Result<ReadAnswer> read(OpenFile& file, const ReadRequest& request);
  Result<std::size_t> write(const Caller& caller, InodeId inode, const WriteRequest& request);
  Status list(const Caller& caller, InodeId folder, std::uint64_t offset, const TakeEntry& take);

  [[nodiscard]] const Node* node(InodeId inode) const;
  InodeId intern(InodeId parent, const std::string& name) REQUIRES(mutex_);
  InodeId intern_listed(InodeId parent, const Child& child) REQUIRES(mutex_);
  Result<std::vector<Child>> listed(const Caller& caller, InodeId folder, const Node& node) const;
  dir::v1::Attr attr_of(InodeId inode, const Node& node) const;

  Clock& clock_;
  const Caller owner_;
  const WallTime started_;
  mutable std::mutex mutex_;
  std::map<InodeId, Node> nodes_ GUARDED_BY(mutex_);                               // grows only
  std::map<std::pair<InodeId, std::string>, InodeId> by_name_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
