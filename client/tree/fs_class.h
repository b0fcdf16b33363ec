// What a file of each class does: one table from the class (of its directory, dir.proto) to its functions. Directories
// and names are the same for all. Each row is filled where its class lives; Fs asks the table and nothing else.
#pragma once

#include <array>
#include <functional>

#include "client/tree/fs_types.h"

namespace conclave::client {

// Functions may block as handlers may; kPending from any but release parks the operation, which is then run again from
// its beginning. Those left empty are refused with kNotSupported (sync, flush, release: nothing to do).
struct FileClass {
  // Attributes, as the kernel may keep them.
  std::function<Result<AttrAnswer>(const Caller&, const InodePtr&)> attributes;
  // Fills file.own, decides how the kernel treats the descriptor (handle is set by Fs); O_TRUNC is its business.
  std::function<Result<OpenAnswer>(const Caller&, OpenFile& file)> open;
  // Before open(2) makes a file in a folder of this class to write it: what would fail then leaves no name. Empty: nothing.
  std::function<Status(const Caller&, const InodePtr& folder, const std::string& name)> check_create;
  // The open(2) that this answers was interrupted: what it used up comes back. Empty: as release.
  std::function<void(OpenFile&)> unopened;
  std::function<Result<ReadAnswer>(const Caller&, OpenFile&, const ReadRequest&)> read;
  std::function<Result<std::size_t>(const Caller&, OpenFile&, const WriteRequest&)> write;
  std::function<Status(const Caller&, const InodePtr&, const OpenFile* through, std::uint64_t size)> resize;   // null: by its name
  std::function<Status(OpenFile&)> flush;      // each close(2)
  std::function<void(OpenFile&)> release;      // the last one
  std::function<Status(OpenFile&)> sync;
  std::function<Result<unsigned>(const Caller&, OpenFile&, const PollRequest&)> poll;   // empty: always ready
  std::function<Status(const Caller&, OpenFile&, const AllocateRequest&)> allocate;
  std::function<Result<std::uint64_t>(OpenFile&, std::uint64_t offset, bool hole)> seek;
  // A rename of `moved` from one folder of this class to another, or of a folder. Empty: as D says.
  std::function<Status(const InodePtr& from, const InodePtr& to, const InodePtr& moved)> check_rename;
  bool may_copy = false;    // copy_file_range by the daemon
  bool may_link = true;     // link(2), and rename between directories of different classes; else kCrossDevice
  bool may_shrink = true;   // overwriting, truncating, renaming over; else kNotPermitted, as chattr +a
  bool cached_entries = true;   // false: entry and attribute time-outs are 0
};

class FsClasses {
 public:
  FileClass& of(dir::v1::Class which) { return rows_[index_of(which)]; }
  [[nodiscard]] const FileClass& of(dir::v1::Class which) const { return rows_[index_of(which)]; }

 private:
  // A class that this version does not know is read as plain: its rules are D's.
  static std::size_t index_of(dir::v1::Class which) {
    const auto index = static_cast<std::size_t>(which);
    return index < kRows ? index : 0;
  }
  static constexpr std::size_t kRows = 4;
  std::array<FileClass, kRows> rows_;
};

}  // namespace conclave::client
