#include "client/logs/append_files.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "client/tree/class_rule.h"

namespace conclave::client {
namespace {

constexpr int kAttempts = 4;        // a seal or a failover moves the tail once or twice
constexpr int kPlacesAtOnce = 256;  // D's limit

// Records that were answered and not committed.
Error restarted() { return {Errc::kIo, "a file server restarted since the last records were appended"}; }

void lose(Inode& inode, const Error& why) {
  const std::lock_guard lock(inode.mutex);
  inode.lose(why.code);
}

Error only_appends() { return {Errc::kNotPermitted, "a log only grows: open it with O_APPEND (>>)"}; }

}  // namespace

FileClass AppendFiles::row() {
  FileClass row;
  row.attributes = [this](const Caller&, const InodePtr& inode) { return attributes(inode); };
  row.open = [this](const Caller&, OpenFile& file) { return open(file); };
  row.read = [this](const Caller&, OpenFile& file, const ReadRequest& request) { return read(file, request); };
  row.write = [this](const Caller&, OpenFile& file, const WriteRequest& request) { return write(file, request); };
  row.resize = [this](const Caller&, const InodePtr& inode, const OpenFile*, std::uint64_t size) -> Status {
    const AttrAnswer now = TRY(attributes(inode));
    if (now.attr.size_bytes() != size) return only_appends();
    return {};
  };
  row.flush = [](OpenFile& file) { return file.report_failures(); };
  row.sync = [this](OpenFile& file) { return sync(file); };
  row.read_mode = LeaseMode::kSharedRead;
  row.may_shrink = false;
  row.cached_entries = false;
  return row;
}

FileClass AppendFiles::closed_chat_row() {
  FileClass out = row();
  out.open = [this](const Caller&, OpenFile& file) -> Result<OpenAnswer> {
    if (writes(file.flags) || (file.flags & O_TRUNC) != 0) return chat_is_closed();
    return open(file);
  };
  out.write = nullptr;   // no descriptor to write through
  out.resize = [](const Caller&, const InodePtr&, const OpenFile*, std::uint64_t) -> Status { return chat_is_closed(); };
  return out;
}

// D knows everything but the length and the time of the last record.
Result<AttrAnswer> AppendFiles::attributes(const InodePtr& inode) {
  dir::v1::GetAttrRequest request;
  request.add_inodes(raw(inode->id));
  const auto answer = TRY(parts_.servers.dir()->get_attr(request));
  if (answer.entries_size() != 1) return Error(Errc::kStale, "the log was removed");
  {
    const std::lock_guard lock(inode->mutex);
    inode->learn(answer.entries(0).attr());
    if (!answer.entries(0).ticket().empty()) inode->ticket = answer.entries(0).ticket();
  }
  AttrAnswer out{answer.entries(0).attr(), {}, {}};
  const auto use = parts_.inodes.lease(inode, LeaseMode::kSharedRead);
  if (!use) {
    if (use.error().code != Errc::kAccess) return use.error();
    return out;  // a stranger sees the log's name and owner
  }
  forget_tail(inode->id);  // others may have filled and sealed it
  const End end = TRY(end_of(inode, held_of(*use)));
  out.attr.set_size_bytes(end.size);
  out.attr.set_allocated_bytes(end.size);
  out.attr.set_mtime_ns(std::max(out.attr.mtime_ns(), end.mtime_ns));
  return out;
}

Result<OpenAnswer> AppendFiles::open(OpenFile& file) {
  OpenAnswer answer;
  answer.direct_io = true;
  if (!writes(file.flags) && (file.flags & O_TRUNC) == 0) return answer;
  const auto use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kShared));
  const bool careful = file.append && (file.flags & O_TRUNC) == 0;
  if (!careful && TRY(end_of(file.inode, held_of(use))).size != 0) return only_appends();
  return answer;
}

Result<ReadAnswer> AppendFiles::read(OpenFile& file, const ReadRequest& request) {
  const auto use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kSharedRead));
  const Held held = held_of(use);
  ReadAnswer answer;
  for (int attempt = 1;; ++attempt) {
    const End end = TRY(end_of(file.inode, held));
    if (request.offset >= end.size) {
      if (attempt > 1) return answer;
      forget_tail(file.inode->id);  // others may have filled and sealed it
      continue;
    }
    const auto last = TRY(tail(file.inode, held, false));
    const auto chunk = TRY(chunk_at(file.inode, held, last, request.offset));
    const std::uint64_t chunk_end = chunk.sealed_bytes() > 0 ? chunk.start_bytes() + chunk.sealed_bytes() : end.size;
    const std::uint64_t length = std::min({request.length, chunk_end - request.offset, std::uint64_t{kMaxIoBytes}});
    const auto place = TRY(followed(file.inode, held, chunk));
    auto bytes = parts_.servers.file()->read(place, held.token, request.offset - chunk.start_bytes(), length);
    if (bytes) {
      answer.bytes = std::move(*bytes);
      return answer;
    }
    if (bytes.error().code != Errc::kStale || attempt == kAttempts) return std::move(bytes).error();
    forget_places(file.inode->id);  // permits of sealed chunks too end with the lock server's epoch
  }
}

// The offset of a write that says O_APPEND means nothing; another's must be the end, or it would overwrite.
Result<std::size_t> AppendFiles::write(OpenFile& file, const WriteRequest& request) {
  if (request.from_page_cache) return Error(Errc::kNotSupported, "a log cannot be written through a mapping");
  const auto use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kShared));
  const Held held = held_of(use);
  if (!file.append && TRY(end_of(file.inode, held)).size != request.offset) return only_appends();
  dir::v1::Layout into;
  const auto newest = [&](ServerId silent) -> Result<file::ChunkPlace> {
    into = TRY(tail(file.inode, held, true, silent));
    return parts_.chunks.place_of(into);
  };
  const auto relocate = [&](ServerId silent) {
    forget_tail(file.inode->id);
    return newest(silent);
  };
  const file::ChunkPlace first = TRY(newest(ServerId{0}));
  const auto done = TRY(parts_.servers.file()->append(first, held.token, string_of(request.bytes), nullptr, relocate));
  if (done.moved) forget_tail(file.inode->id);
  landed(*file.inode, into.index(), {ChunkId{into.chunk()}, done.starts});
  return request.bytes.size();
}

// By a server that was started again since the records before it that no commit covers: those may be lost.
void AppendFiles::landed(Inode& inode, std::uint64_t index, Landing now) {
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    Landing& last = known_[inode.id].appended[index];
    lost = !last.starts.empty() && !last.starts.lasts_in(now.starts);
    last = std::move(now);
  }
  if (lost) lose(inode, restarted());
}

// A sealed chunk too is asked for its boot: sealing made durable what a restart before it had left.
Status AppendFiles::sync(OpenFile& file) {
  const auto use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kSharedRead));
  WriteBuffer::Landings appended;
  {
    const std::lock_guard lock(mutex_);
    appended.swap(known_[file.inode->id].appended);
  }
  WriteBuffer::Landings restarts;
  const Held held = held_of(use);
  const Status done = appended.empty() ? Status() : parts_.chunks.commit(*file.inode, held, appended, restarts);
  const bool restart = !done && done.error().code == Errc::kRestarted;
  if (!done && (may_pass(done.error().code) || done.error().code == Errc::kOvertaken)) {  // the next fsync tries again
    uncommitted(*file.inode, appended);
    return done;
  }
  if (!done) lose(*file.inode, restart ? restarted() : done.error());
  forget_unborn_tail(file.inode->id);
  return file.report_failures();
}

// What landed meanwhile is the later one.
void AppendFiles::uncommitted(Inode& inode, const WriteBuffer::Landings& still) {
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    auto& appended = known_[inode.id].appended;
    for (const auto& [index, landing] : still) {
      const auto [later, missing] = appended.emplace(index, landing);
      lost = lost || (!missing && !landing.starts.lasts_in(later->second.starts));
    }
  }
  if (lost) lose(inode, restarted());
}

Result<dir::v1::Layout> AppendFiles::tail(const InodePtr& inode, const Held& held, bool create, ServerId silent) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = known_.find(inode->id);
    if (at != known_.end() && at->second.tail) return *at->second.tail;
  }
  dir::v1::PlaceRequest request;
  request.set_inode(raw(inode->id));
  request.set_token(held.token);
  request.set_tail(true);
  request.set_create(create);
  if (raw(silent) != 0) request.add_silent(raw(silent));
  const auto answer = TRY(parts_.servers.dir()->place(request));
  dir::v1::Layout found;
  for (const auto& layout : answer.layouts()) {
    if (found.permit().empty() || layout.index() > found.index()) found = layout;
  }
  if (found.permit().empty()) {
    if (create) return Error(Errc::kIo, "the directory server gave no place for a log");
    return found;
  }
  const std::lock_guard lock(mutex_);
  known_[inode->id].tail = found;
  return found;
}

void AppendFiles::forget_tail(InodeId inode) {
  const std::lock_guard lock(mutex_);
  known_[inode].tail.reset();
}

// After a commit: it is born now, and its next permit says so.
void AppendFiles::forget_unborn_tail(InodeId inode) {
  const std::lock_guard lock(mutex_);
  auto& tail = known_[inode].tail;
  if (tail && !tail->born()) tail.reset();
}

void AppendFiles::forget_places(InodeId inode) {
  const std::lock_guard lock(mutex_);
  known_[inode].tail.reset();
  known_[inode].sealed.clear();
}

// `layout`, and how to go on if a file server of it gives no answer: what is known here of the log's places is asked anew.
Result<file::ChunkPlace> AppendFiles::followed(const InodePtr& inode, const Held& held, const dir::v1::Layout& layout) {
  file::ChunkPlace place = TRY(parts_.chunks.place_of(layout));
  place.again = [this, &inode, &held, layout](ServerId silent) -> Result<file::ChunkPlace> {
    dir::v1::PlaceRequest request;
    request.set_inode(raw(inode->id));
    request.set_token(held.token);
    request.add_indexes(layout.index());
    request.add_silent(raw(silent));
    const auto answer = TRY(parts_.servers.dir()->place(request));
    forget_places(inode->id);
    if (answer.layouts_size() != 1 || answer.layouts(0).chunk() != layout.chunk()) {
      return Error(Errc::kStale, "the chunk was freed meanwhile");
    }
    return followed(inode, held, answer.layouts(0));
  };
  return place;
}

// Sealed chunks are asked for once, in order.
Result<dir::v1::Layout> AppendFiles::chunk_at(const InodePtr& inode, const Held& held, const dir::v1::Layout& tail,
                                              std::uint64_t offset) {
  if (offset >= tail.start_bytes()) return tail;
  for (;;) {
    dir::v1::PlaceRequest request;
    {
      const std::lock_guard lock(mutex_);
      const auto& sealed = known_[inode->id].sealed;
      const auto above = std::upper_bound(sealed.begin(), sealed.end(), offset,
                                          [](std::uint64_t at, const auto& layout) { return at < layout.start_bytes(); });
      const bool covered = above != sealed.begin() && offset < std::prev(above)->start_bytes() + std::prev(above)->sealed_bytes();
      if (covered) return *std::prev(above);
      for (std::uint64_t i = sealed.size(); i < tail.index() && request.indexes_size() < kPlacesAtOnce; ++i) {
        request.add_indexes(i);
      }
    }
    if (request.indexes_size() == 0) return Error(Errc::kIo, "the log has a gap");
    request.set_inode(raw(inode->id));
    request.set_token(held.token);
    const auto answer = TRY(parts_.servers.dir()->place(request));
    const std::lock_guard lock(mutex_);
    auto& sealed = known_[inode->id].sealed;
    const std::size_t before = sealed.size();
    for (const auto& layout : answer.layouts()) {
      if (layout.index() == sealed.size() && layout.sealed_bytes() > 0) sealed.push_back(layout);
    }
    if (sealed.size() == before) return Error(Errc::kStale, "the log's chunks are changing");
  }
}

Result<AppendFiles::End> AppendFiles::end_of(const InodePtr& inode, const Held& held) {
  for (int attempt = 1;; ++attempt) {
    const auto last = TRY(tail(inode, held, false));
    if (last.permit().empty()) return End{};
    const auto stat = parts_.servers.file()->stat(TRY(followed(inode, held, last)), held.token);
    if (stat) return End{last.start_bytes() + stat->length_bytes(), stat->mtime_ns()};
    if (stat.error().code != Errc::kStale || attempt == kAttempts) return stat.error();
    forget_tail(inode->id);
  }
}

}  // namespace conclave::client
