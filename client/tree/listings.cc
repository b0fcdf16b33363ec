#include "client/tree/listings.h"

#include <sys/stat.h>

#include <unordered_map>
#include <utility>
#include <vector>

namespace conclave::client {
namespace {

constexpr std::uint32_t kPageEntries = 1000;     // of a listing: D's largest
constexpr std::uint64_t kFirstCookie = 16;       // D's entries begin here; 1 and 2 are . and ..

}  // namespace

// A page of D's listing of a directory: the entries after the cookie `after`.
struct ListPage {
  std::uint64_t after = 0;
  std::uint64_t names_since = 0;     // the directory lease it was listed under
  dir::v1::ReadDirResponse response;
  std::vector<std::uint64_t> since;  // by entry: the lease its attributes were read under; 0: none
  [[nodiscard]] std::uint64_t last_cookie() const {
    const int count = response.entries_size();
    return count == 0 ? after : response.entries(count - 1).cookie();
  }
};

Result<OpenAnswer> Listings::open(const Caller& caller, InodeId number) {
  auto file = std::make_shared<OpenFile>();
  file->uid = caller.uid;
  file->inode = TRY(parts_.inodes.known(number));
  LeasedInodes::open(*file->inode);
  OpenAnswer out;
  out.handle = parts_.opens.add(std::move(file));
  return out;
}

void Listings::release(std::uint64_t handle) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file) return;
  {
    const std::lock_guard lock(file->mutex);
    if (file->page) forget_page(*file->page);
  }
  parts_.inodes.close(file->inode);
}

Status Listings::sync(InodeId directory) {
  if (FileClasses::is_ours(directory)) return {};
  TRY(parts_.servers.dir()->sync());
  return {};
}

// A page of D's listing is kept in the descriptor; a cookie is the offset to go on at.
Status Listings::list(const Caller& caller, std::uint64_t handle, std::uint64_t offset, bool plus, const TakeEntry& take) {
  const OpenFilePtr file = TRY(parts_.opens.file(handle));
  const InodeId directory = file->inode->id;
  const FileClass& row = parts_.inodes.row_within(*file->inode);
  if (row.list) return row.list(caller, directory, offset, take);
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

Result<Listings::PagePtr> Listings::page_from(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus) {
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

Result<Listings::PagePtr> Listings::fetch_page(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus) {
  const auto use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kDirRead));
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

void Listings::tell_page(const Caller& caller, const OpenFile& file, const ListPage& page, std::uint64_t after, bool plus,
                   const TakeEntry& take) {
  for (int i = 0; i < page.response.entries_size(); ++i) {
    const auto& one = page.response.entries(i);
    if (one.cookie() <= after) continue;
    EntryAnswer entry;
    if (plus) entry = entry_of(caller, file.inode, page, i);
    const bool known_well = entry.attr.inode() != 0;
    if (take({one.name(), one.inode(), one.type(), one.cookie(), known_well ? &entry : nullptr})) continue;
    if (known_well) parts_.names.forget(InodeId{one.inode()}, 1);
    return;
  }
}

// Leases for all of the page in two calls, then attributes under them in one: what the listing said may be older
// than the leases.
void Listings::read_attributes_of(ListPage& page) {
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
EntryAnswer Listings::entry_of(const Caller& caller, const InodePtr& directory, const ListPage& page, int index) {
  const auto& one = page.response.entries(index);
  const std::uint64_t since = page.since[static_cast<std::size_t>(index)];
  const bool cached = !S_ISREG(one.type()) || parts_.classes.of(one.entry().attr().class_()).cached_entries;
  auto names = parts_.leases.held(directory->id, LeaseMode::kDirRead);
  if (since == 0 || !cached || !names || names->since() != page.names_since) return {};
  const InodePtr child = parts_.table.intern(one.entry());
  if (!Names::check_class(directory, one.name(), child)) return {};  // the look-up says why
  const auto use = parts_.leases.held(child->id, LeasedInodes::cache_mode(*child));
  if (!use) return {};
  {
    const std::lock_guard lock(child->mutex);
    if (use->since() == since) child->learn_under(one.entry().attr(), since);
    if (child->attributes.since != use->since()) return {};
  }
  parts_.table.learn_name(directory->id, one.name(), child->id, page.names_since);
  EntryAnswer out = parts_.names.entry_of(caller, directory, child);
  out.name_use = std::move(*names);
  return out;
}

// Leases that were asked for entries which the kernel did not want go back.
void Listings::forget_page(const ListPage& page) {
  for (int i = 0; i < page.response.entries_size(); ++i) {
    const InodeId inode{page.response.entries(i).inode()};
    if (page.since[static_cast<std::size_t>(i)] != 0 && !parts_.table.find(inode)) parts_.leases.release_soon(inode);
  }
}

}  // namespace conclave::client
