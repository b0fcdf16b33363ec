// Descriptors: files and directories, from open(2) to the last close.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "client/tree/fs.h"

namespace conclave::client {
namespace {

constexpr std::uint32_t kPageEntries = 1000;     // of a listing: D's largest
constexpr std::uint64_t kFirstCookie = 16;       // D's entries begin here; 1 and 2 are . and ..

// For its owner a file's mode alone decides.
bool owner_may_open(Inode& inode, const Caller& caller, int flags) {
  std::uint32_t wanted = 0;
  if ((flags & O_ACCMODE) != O_WRONLY) wanted |= S_IRUSR;
  if (writes(flags) || (flags & O_TRUNC) != 0) wanted |= S_IWUSR;
  const std::lock_guard lock(inode.mutex);
  return inode.attr.uid() == caller.uid && (inode.attr.mode() & wanted) == wanted;
}

}  // namespace

// --- Files -------------------------------------------------------------------------------------------------------

Result<OpenAnswer> Fs::opened(const Caller& caller, const InodePtr& inode, int flags) {
  auto file = std::make_shared<OpenFile>();
  file->inode = inode;
  file->flags = flags;
  file->uid = caller.uid;
  file->append = writes(flags) && (flags & O_APPEND) != 0;
  {
    const std::lock_guard lock(file->mutex);
    const std::lock_guard inner(inode->mutex);
    file->failures_seen = inode->failures;
    ++inode->opens;  // before the lease could be recalled: D must know that it is open
  }
  const FileClass& kind = class_of(*inode);
  auto answer = kind.open ? kind.open(caller, *file) : Result<OpenAnswer>(Errc::kNotSupported);
  if (!answer) {
    close_file(file);
    return answer;
  }
  answer->handle = parts_.opens.add(std::move(file));
  return answer;
}

void Fs::close_file(const OpenFilePtr& file) {
  bool told_open = false;
  {
    const std::lock_guard lock(file->inode->mutex);
    if (--file->inode->opens != 0) return;
    told_open = std::exchange(file->inode->told_open, false);
  }
  if (told_open) debts_.note_closed(file->inode->id);
  gone(file->inode);
  parts_.inodes.suspect(file->inode->id);
}

Result<OpenAnswer> Fs::open(const Caller& caller, InodeId number, int flags) {
  if (StatusFiles::owns(number)) {
    auto file = std::make_shared<OpenFile>();
    file->inode = std::make_shared<Inode>(number);
    file->flags = flags;
    file->uid = caller.uid;
    OpenAnswer answer = TRY(parts_.status.open(caller, number, *file));
    answer.handle = parts_.opens.add(std::move(file));
    return answer;
  }
  const InodePtr inode = TRY(known(number));
  return opened(caller, inode, flags);
}

Result<CreateAnswer> Fs::create(const Caller& caller, InodeId parent_number, const NewNode& node, int flags,
                                InodePtr& made) {
  if (StatusFiles::owns(parent_number)) return Errc::kNotPermitted;
  if (parent_number == kRootInode && node.name == StatusFiles::kFolder) return Errc::kExists;
  const InodePtr parent = TRY(known(parent_number));
  const FileClass& kind = class_inside(*parent);
  if (kind.check_create && writes(flags)) TRY(kind.check_create(caller, parent, node.name));
  const bool made_before = made != nullptr;
  Made found{made, false, {}};
  if (!made_before) found = TRY(make_at_dir(caller, parent, node, (flags & O_EXCL) != 0));
  if (!found.existed) {
    made = found.child;
    flags &= ~O_TRUNC;
  } else if (!owner_may_open(*found.child, caller, flags)) {
    // Somebody else has just made it. The kernel, which believes it new, would check nothing; told this, it looks the name
    // up again (LOOKUP_REVAL), finds the file, and checks.
    return Error(Errc::kStale, "the file was made by somebody else meanwhile");
  }
  CreateAnswer out;
  out.open = TRY(opened(caller, found.child, flags & ~(O_CREAT | O_EXCL)));
  out.entry = entry_of(caller, parent, found.child);
  out.entry.name_use = std::move(found.name_use);
  if (made_before) out.entry.entry_time = {};  // the name may be another's by now
  return out;
}

void Fs::unopened(std::uint64_t handle) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file) return;
  if (StatusFiles::owns(file->inode->id)) return;
  const FileClass& kind = class_of(*file->inode);
  if (kind.unopened) {
    kind.unopened(*file);
  } else if (kind.release) {
    kind.release(*file);
  }
  close_file(file);
}

Status Fs::flush(const Caller&, std::uint64_t handle, std::uint64_t lock_owner) {
  const OpenFilePtr file = TRY(open_file(handle));
  if (StatusFiles::owns(file->inode->id)) return {};
  bool locked = false;
  {
    const std::lock_guard lock(file->mutex);
    const std::lock_guard inner(file->inode->mutex);
    file->posix_owners.erase(lock_owner);  // a fork's close of the same descriptor must not take what is locked later
    locked = file->inode->posix_owners.contains(lock_owner);
  }
  if (locked) unlock_all(*file->inode, lock_owner, false);
  const FileClass& kind = class_of(*file->inode);
  return kind.flush ? kind.flush(*file) : Status();
}

// OFD locks have the open file as owner, and no flush drops them: what was locked through it goes with it.
void Fs::release(std::uint64_t handle, std::optional<std::uint64_t> flock_owner) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file || StatusFiles::owns(file->inode->id)) return;
  Inode& inode = *file->inode;
  std::vector<std::uint64_t> owners;
  bool flocked = false;
  {
    const std::lock_guard lock(file->mutex);
    const std::lock_guard inner(inode.mutex);
    std::set_intersection(file->posix_owners.begin(), file->posix_owners.end(), inode.posix_owners.begin(),
                          inode.posix_owners.end(), std::back_inserter(owners));
    flocked = flock_owner && inode.flock_owners.contains(*flock_owner);
  }
  for (const std::uint64_t owner : owners) unlock_all(inode, owner, false);
  if (flocked) unlock_all(inode, *flock_owner, true);
  const FileClass& kind = class_of(inode);
  if (kind.release) kind.release(*file);
  close_file(file);
}

Result<unsigned> Fs::poll(const Caller& caller, std::uint64_t handle, const PollRequest& request) {
  const OpenFilePtr file = TRY(open_file(handle));
  const FileClass& kind = class_of(*file->inode);
  if (StatusFiles::owns(file->inode->id) || !kind.poll) return request.events;
  return kind.poll(caller, *file, request);
}

// Only the holder of W knows the size; a reader's R makes the kernel's pages worth keeping. Appending goes around the
// page cache: the kernel would choose the offset from a size of its own.
Result<OpenAnswer> Fs::plain_open(const Caller& caller, OpenFile& file) {
  const bool writes_only = (file.flags & O_ACCMODE) == O_WRONLY || (file.flags & O_TRUNC) != 0;
  const auto use = TRY(lease_with_attributes(file.inode, writes_only ? LeaseMode::kWrite : LeaseMode::kRead));
  if ((file.flags & O_TRUNC) != 0) TRY(plain_resize(caller, file.inode, &file, 0));
  OpenAnswer out;
  out.direct_io = file.append;
  out.keep_cache = true;
  return out;
}

// --- Directories -------------------------------------------------------------------------------------------------

Result<OpenAnswer> Fs::open_directory(const Caller& caller, InodeId number) {
  auto file = std::make_shared<OpenFile>();
  file->uid = caller.uid;
  OpenAnswer out;
  if (StatusFiles::owns(number)) {
    file->inode = std::make_shared<Inode>(number);
    out.handle = parts_.opens.add(std::move(file));
    return out;
  }
  file->inode = TRY(known(number));
  {
    const std::lock_guard lock(file->inode->mutex);
    ++file->inode->opens;
  }
  out.handle = parts_.opens.add(std::move(file));
  return out;
}

void Fs::release_directory(std::uint64_t handle) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file || StatusFiles::owns(file->inode->id)) return;
  {
    const std::lock_guard lock(file->mutex);
    if (file->page) forget_page(*file->page);
  }
  close_file(file);
}

Status Fs::sync_directory(InodeId inode) {
  if (StatusFiles::owns(inode)) return {};
  TRY(parts_.servers.dir()->sync());
  return {};
}

// A page of D's listing is kept in the descriptor; a cookie is the offset to go on at.
Status Fs::list(const Caller& caller, std::uint64_t handle, std::uint64_t offset, bool plus, const TakeEntry& take) {
  const OpenFilePtr file = TRY(open_file(handle));
  const InodeId directory = file->inode->id;
  if (StatusFiles::owns(directory)) return parts_.status.list(caller, directory, offset, take);
  std::uint64_t after = offset < kFirstCookie ? 0 : offset;
  PagePtr page;
  if (offset == 0) {
    page = TRY(fetch_page(caller, *file, 0, plus));  // rewound: what is there now
  } else {
    page = TRY(page_from(caller, *file, after, plus));
  }
  if (offset == 0 && !take({".", raw(directory), S_IFDIR, 1, nullptr})) return {};
  if (offset <= 1 && !take({"..", page->response.parent(), S_IFDIR, 2, nullptr})) return {};
  tell_page(caller, *file, *page, after, plus, take);
  return {};
}

Result<Fs::PagePtr> Fs::page_from(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus) {
  PagePtr page;
  {
    const std::lock_guard lock(file.mutex);
    page = file.page;
  }
  if (page && after >= page->after) {
    if (after < page->last_cookie() || page->response.end()) return page;
  }
  return fetch_page(caller, file, after, plus);
}

Result<Fs::PagePtr> Fs::fetch_page(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus) {
  const auto use = TRY(lease(file.inode, LeaseMode::kDirRead));
  dir::v1::ReadDirRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(file.inode->id));
  request.set_after(after);
  request.set_limit(kPageEntries);
  request.set_plus(plus);
  auto page = std::make_shared<ListPage>();
  page->after = after;
  page->names_since = use.since();
  page->response = TRY(parts_.servers.dir()->read_dir(request));
  page->since.resize(static_cast<std::size_t>(page->response.entries_size()));
  if (plus) read_attributes_of(*page);
  PagePtr old = page;
  {
    const std::lock_guard lock(file.mutex);
    old.swap(file.page);
  }
  if (old) forget_page(*old);
  return page;
}

bool Fs::tell_page(const Caller& caller, const OpenFile& file, const ListPage& page, std::uint64_t after, bool plus,
                   const TakeEntry& take) {
  for (int i = 0; i < page.response.entries_size(); ++i) {
    const auto& one = page.response.entries(i);
    if (one.cookie() <= after) continue;
    EntryAnswer entry;
    if (plus) entry = listed_entry(caller, file.inode, page, i);
    const bool known_well = entry.attr.inode() != 0;
    if (take({one.name(), one.inode(), one.type(), one.cookie(), known_well ? &entry : nullptr})) continue;
    if (known_well) forget(InodeId{one.inode()}, 1);
    return false;
  }
  return true;
}

// Leases for all of the page in two calls, then attributes under them in one: what the listing said may be older
// than the leases.
void Fs::read_attributes_of(ListPage& page) {
  std::vector<std::pair<InodeId, std::string>> files, directories;
  for (const auto& one : page.response.entries()) {
    if (one.entry().ticket().empty()) continue;
    (S_ISDIR(one.type()) ? directories : files).emplace_back(InodeId{one.inode()}, one.entry().ticket());
  }
  if (!files.empty()) parts_.leases.prefetch(files, LeaseMode::kRead);
  if (!directories.empty()) parts_.leases.prefetch(directories, LeaseMode::kDirRead);

  std::vector<LeaseCache::Use> uses;
  std::unordered_map<std::uint64_t, std::size_t> asked;  // inode → entry
  dir::v1::GetAttrRequest request;
  for (int i = 0; i < page.response.entries_size(); ++i) {
    const auto& one = page.response.entries(i);
    auto use = parts_.leases.held(InodeId{one.inode()}, S_ISDIR(one.type()) ? LeaseMode::kDirRead : LeaseMode::kRead);
    if (!use) continue;
    page.since[static_cast<std::size_t>(i)] = use->since();
    uses.push_back(std::move(*use));
    asked.emplace(one.inode(), static_cast<std::size_t>(i));
    request.add_inodes(one.inode());
  }
  if (asked.empty()) return;
  const auto answer = parts_.servers.dir()->get_attr(request);
  std::vector<bool> told(page.since.size());
  if (answer) {
    for (const auto& entry : answer->entries()) {
      const auto at = asked.find(entry.attr().inode());
      if (at == asked.end()) continue;
      *page.response.mutable_entries(static_cast<int>(at->second))->mutable_entry() = entry;
      told[at->second] = true;
    }
  }
  for (std::size_t i = 0; i < told.size(); ++i) {
    if (!told[i]) page.since[i] = 0;
  }
}

// An entry whose name and attributes hold under leases now, or with inode 0: the kernel asks by look-up.
EntryAnswer Fs::listed_entry(const Caller& caller, const InodePtr& directory, const ListPage& page, int index) {
  const auto& one = page.response.entries(index);
  const std::uint64_t since = page.since[static_cast<std::size_t>(index)];
  const bool plain = !S_ISREG(one.type()) || one.entry().attr().class_() == dir::v1::PLAIN;
  auto names = parts_.leases.held(directory->id, LeaseMode::kDirRead);
  if (since == 0 || !plain || !names || names->since() != page.names_since) return {};
  const InodePtr child = parts_.inodes.intern(one.entry());
  if (!check_class(directory, one.name(), child)) return {};  // the look-up says why
  const auto use = parts_.leases.held(child->id, cache_mode(*child));
  if (!use) return {};
  {
    const std::lock_guard lock(child->mutex);
    if (use->since() == since) child->learn_under(one.entry().attr(), since);
    if (child->attr_since != use->since()) return {};
  }
  parts_.inodes.learn_name(directory->id, one.name(), child->id, page.names_since);
  EntryAnswer out = entry_of(caller, directory, child);
  out.name_use = std::move(*names);
  return out;
}

// Leases that were asked for entries which the kernel did not want go back.
void Fs::forget_page(const ListPage& page) {
  for (int i = 0; i < page.response.entries_size(); ++i) {
    const InodeId inode{page.response.entries(i).inode()};
    if (page.since[static_cast<std::size_t>(i)] != 0 && !parts_.inodes.find(inode)) parts_.leases.release_soon(inode);
  }
}

}  // namespace conclave::client
