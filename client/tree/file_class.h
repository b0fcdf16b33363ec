// What a file of each class does, and a folder for the names in it: one table from the class (of its directory, dir.proto)
// to its functions. Each row is filled where its class lives; names, attributes, descriptors and listings ask the table and
// nothing else.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "client/tree/operations.h"

namespace conclave::client {

// Functions may block as handlers may; kPending from any but release parks the operation, which is then run again from
// its beginning. Those left empty are refused with kNotSupported (sync, flush, release: nothing to do).
struct FileClass {
  // Attributes, as the kernel may keep them.
  std::function<Result<AttrAnswer>(const Caller&, const InodePtr&)> attributes;
  // Fills file.own, decides how the kernel treats the descriptor (its handle comes later); O_TRUNC is its business.
  std::function<Result<OpenAnswer>(const Caller&, OpenFile& file)> open;
  // Before open(2) makes a file in a folder of this class to write it: what would fail then leaves no name. Empty: nothing.
  std::function<Status(const Caller&, const InodePtr& folder, const std::string& name)> check_create;
  // The open(2) that this answers was interrupted: what it used up comes back. Empty: as release.
  std::function<void(OpenFile&)> unopened;
  std::function<Result<ReadAnswer>(const Caller&, OpenFile&, const ReadRequest&)> read;
  std::function<Result<std::size_t>(const Caller&, OpenFile&, const WriteRequest&)> write;
  // Empty: by its name it cannot be resized.
  std::function<Status(const Caller&, const InodePtr&, const OpenFile* through, std::uint64_t size)> resize;
  std::function<Status(OpenFile&)> flush;      // each close(2)
  std::function<void(OpenFile&)> release;      // the last one
  std::function<Status(OpenFile&)> sync;
  std::function<Result<unsigned>(const Caller&, OpenFile&, const PollRequest&)> poll;   // empty: always ready
  std::function<Status(const Caller&, OpenFile&, const AllocateRequest&)> allocate;
  std::function<Result<std::uint64_t>(OpenFile&, std::uint64_t offset, bool hole)> seek;

  // Names in a folder of this class. Empty: as D says.
  std::function<Result<EntryAnswer>(const Caller&, InodeId folder, const std::string& name)> lookup;
  std::function<Status(const Caller&, InodeId folder, std::uint64_t offset, const TakeEntry&)> list;
  // A rename of `moved` from one folder of this class to another, or of a folder.
  std::function<Status(const InodePtr& from, const InodePtr& to, const InodePtr& moved)> check_rename;

  LeaseMode read_mode = LeaseMode::kRead;   // the lease that its readers take
  bool may_copy = false;    // copy_file_range by the daemon
  bool may_link = true;     // link(2), and rename between directories of different classes; else kCrossDevice
  bool may_shrink = true;   // overwriting, truncating, renaming over; else kNotPermitted, as chattr +a
  bool cached_entries = true;   // false: entry and attribute time-outs are 0, and nothing is leased ahead
  bool confidential = false;    // what was written there must not stay in buffers
  // D has its inodes and names. Without D there are no locks and no extended attributes, names are neither made, removed nor
  // renamed, and changes of mode, owner and times are taken and forgotten.
  bool at_dir = true;
};

class FileClasses {
 public:
  FileClass& of(dir::v1::Class which) { return rows_[index_of(which)]; }
  [[nodiscard]] const FileClass& of(dir::v1::Class which) const { return rows_[index_of(which)]; }

  // The row of /.conclave, whose inodes D does not know: a folder in the root, found by its name and not listed there (a
  // backup of the tree must not copy it). Told by the inode's number, so that no word of D's leads there.
  FileClass& ours() { return ours_; }
  [[nodiscard]] const FileClass& ours() const { return ours_; }
  static bool is_ours(InodeId inode) { return raw(inode) >= kFirstOfOurs; }
  static constexpr std::uint64_t kFirstOfOurs = std::uint64_t{1} << 63;   // the folder itself

 private:
  // A class that this version does not know is read as plain: its rules are D's.
  static std::size_t index_of(dir::v1::Class which) {
    const auto index = static_cast<std::size_t>(which);
    return index < kRows ? index : 0;
  }
  static constexpr std::size_t kRows = 4;
  std::array<FileClass, kRows> rows_;
  FileClass ours_;
};

}  // namespace conclave::client
