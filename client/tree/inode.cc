#include "client/tree/inode.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/set_id_bits.h"

namespace conclave::client {

bool InodeAttributes::is_dir() const { return S_ISDIR(now.mode()); }
bool InodeAttributes::is_regular() const { return S_ISREG(now.mode()); }

bool InodeAttributes::learn(const dir::v1::Attr& from_dir) {
  if (from_dir.inode() == 0 || from_dir.change() < now.change()) return false;
  const dir::v1::Attr ours = now;
  now = from_dir;
  if (ours.inode() != 0) {
    now.set_class_(ours.class_());
    now.set_mode((ours.mode() & S_IFMT) | (from_dir.mode() & ~static_cast<std::uint32_t>(S_IFMT)));
  }
  if (!dirty) {
    size_at_dir = from_dir.size_bytes();
    return true;
  }
  now.set_size_bytes(ours.size_bytes());
  now.set_allocated_bytes(ours.allocated_bytes());
  now.set_mtime_ns(ours.mtime_ns());
  now.set_ctime_ns(std::max(ours.ctime_ns(), from_dir.ctime_ns()));
  if (kill_privileges) now.set_mode(without_set_id(now.mode()));
  return true;
}

bool InodeAttributes::loses_privileges(std::uint32_t uid) const {
  return uid != 0 && without_set_id(now.mode()) != now.mode();
}

void InodeAttributes::end_privileges(std::uint32_t uid) {
  if (!loses_privileges(uid)) return;
  now.set_mode(without_set_id(now.mode()));
  kill_privileges = true;
}

void Inode::learn(const dir::v1::Attr& from_dir) {
  const bool news = attributes.learn(from_dir);
  if (news && !attributes.dirty) kernel.size = std::min(kernel.size, attributes.size_at_dir);
}

void Inode::learn_under(const dir::v1::Attr& from_dir, std::uint64_t since) {
  if (attributes.since == since) return;
  if (attributes.dirty && attributes.own_since != since) {
    attributes.dirty = false;
    lose(Errc::kIo);
  }
  learn(from_dir);
  attributes.since = since;
}

}  // namespace conclave::client
