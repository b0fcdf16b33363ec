#include "fuse/fuse_channel.h"

#include <linux/fuse.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "fuse/mount_table.h"

namespace conclave::fuse_fs {
namespace {

constexpr std::int32_t kIncrementEpoch = 8;            // FUSE_NOTIFY_INC_EPOCH, Linux 6.16
constexpr std::int32_t kPrune = 9;                     // FUSE_NOTIFY_PRUNE, Linux 6.18
constexpr std::uint32_t kDirectIoAllowMmap = 1u << 4;  // bit 36: of flags2
constexpr std::size_t kPageBytes = 4096;
constexpr unsigned kReadAheadKib = 4096;               // 128 otherwise; four of our largest requests

}  // namespace

Status FuseChannel::mount(const std::string& path, const MountOptions& options) {
  descriptor_ = TRY(mount_fuse(path, options));
  path_ = path;
  mounted_ = true;
  if (const auto own = mounted_at(current_mounts(), path)) device_ = own->device;
  return {};
}

void FuseChannel::unmount() {
  if (!mounted_.exchange(false)) return;
  const auto top = mounted_at(current_mounts(), path_);  // taken away already, and perhaps another is there now
  if (top && top->device == device_) static_cast<void>(fuse_fs::unmount(path_, true));
}

ssize_t FuseChannel::read(int descriptor, void* buffer, std::size_t size) {
  const ssize_t got = ::read(descriptor, buffer, size);
  if (got < static_cast<ssize_t>(sizeof(fuse_in_header)) || init_request_.load() != 0) return got;
  const auto* header = static_cast<const fuse_in_header*>(buffer);
  if (header->opcode != FUSE_INIT) return got;
  fuse_init_in in{};
  std::memcpy(&in, header + 1, std::min(sizeof in, static_cast<std::size_t>(got) - sizeof *header));
  offered_ = in.flags;
  offered_high_ = (in.flags & FUSE_INIT_EXT) != 0 ? in.flags2 : 0;
  init_request_ = header->unique;
  return got;
}

ssize_t FuseChannel::write(int descriptor, iovec* parts, int count) {
  const auto* header = static_cast<const fuse_out_header*>(parts[0].iov_base);
  const bool init = header->unique != 0 && header->unique == init_request_.load();
  if (init) amend_init_reply(parts, count);
  const ssize_t wrote = ::writev(descriptor, parts, count);
  if (init && wrote > 0) tune();  // the kernel has taken the reply, and made the device's settings
  return wrote;
}

void FuseChannel::amend_init_reply(iovec* parts, int count) {
  if (count < 2 || parts[1].iov_len < offsetof(fuse_init_out, flags2) + sizeof(std::uint32_t)) return;
  auto* out = static_cast<fuse_init_out*>(parts[1].iov_base);
  out->flags |= offered_ & FUSE_HANDLE_KILLPRIV_V2;
  if ((offered_high_ & kDirectIoAllowMmap) != 0) {
    out->flags |= FUSE_INIT_EXT;
    out->flags2 |= kDirectIoAllowMmap;
  }
}

// Larger read-ahead than a local disk's: a request costs more here. Only root may set it; others keep 128 KiB.
void FuseChannel::tune() const {
  if (!device_.empty()) std::ofstream("/sys/class/bdi/" + device_ + "/read_ahead_kb") << kReadAheadKib;
}

bool FuseChannel::notify(std::int32_t code, const void* body, std::size_t size) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  header.error = code;
  const iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
  return ::writev(descriptor_, parts, size == 0 ? 1 : 2) > 0 || errno == ENOENT;
}

void FuseChannel::invalidate_inode(InodeId inode) { invalidate_pages(inode, 0, 0); }

void FuseChannel::invalidate_pages(InodeId inode, std::uint64_t offset, std::uint64_t length) {
  fuse_notify_inval_inode_out body{};
  body.ino = raw(inode);
  body.off = static_cast<std::int64_t>(offset);
  body.len = static_cast<std::int64_t>(length);
  notify(FUSE_NOTIFY_INVAL_INODE, &body, sizeof body);
}

void FuseChannel::Unmapped::operator()(void* page) const { ::munmap(page, kPageBytes); }

void* FuseChannel::page_without_bytes() {
  std::call_once(made_page_, [this] {
    void* const page = ::mmap(nullptr, kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED) no_bytes_.reset(page);
  });
  return no_bytes_.get();
}

// A FUSE_NOTIFY_STORE of the last byte: the kernel takes the size first (fs/fuse/dev.c, fuse_notify_store), and then fails
// to copy a byte that nobody may read. So what its page cache has stays as it is: a page that a write(2) on its way has
// filled must not get an older byte.
void FuseChannel::raise_size(InodeId inode, std::uint64_t size_bytes) {
  void* const no_bytes = page_without_bytes();
  if (size_bytes == 0 || no_bytes == nullptr) return;
  fuse_notify_store_out body{};
  body.nodeid = raw(inode);
  body.offset = size_bytes - 1;
  body.size = 1;
  fuse_out_header header{};
  header.len = sizeof header + sizeof body + 1;
  header.error = FUSE_NOTIFY_STORE;
  const iovec parts[] = {{&header, sizeof header}, {&body, sizeof body}, {no_bytes, 1}};
  static_cast<void>(::writev(descriptor_, parts, 3));   // EFAULT
}

bool FuseChannel::invalidate_names() { return notify(kIncrementEpoch, nullptr, 0); }

// The body is u32 count, u32 0, u64 0, and the numbers.
bool FuseChannel::prune(const std::vector<InodeId>& inodes) {
  std::vector<std::uint64_t> body = {0, 0};
  const auto count = static_cast<std::uint32_t>(inodes.size());
  std::memcpy(body.data(), &count, sizeof count);
  for (const InodeId inode : inodes) body.push_back(raw(inode));
  return notify(kPrune, body.data(), body.size() * sizeof(std::uint64_t));
}

}  // namespace conclave::fuse_fs
