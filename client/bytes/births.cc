#include "client/bytes/births.h"

namespace conclave::client {

bool tells_births(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.attributes.dirty && !inode.attributes.removed();
}

bool gives_birth(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  for (const auto& [index, landing] : inode.bytes.buffer.covered().landings) {
    const auto place = inode.bytes.layouts.find(index);
    if (place == inode.bytes.layouts.end() || !place->second.born()) return true;
  }
  return !inode.bytes.births.empty();
}

void learn_born(Inode& inode, const dir::v1::CommitResponse& answer) {
  for (const dir::v1::Layout& born : answer.born()) {
    std::erase_if(inode.bytes.births, [&](const dir::v1::Layout& one) { return one.chunk() == born.chunk(); });
    const auto place = inode.bytes.layouts.find(born.index());
    if (place != inode.bytes.layouts.end() && place->second.chunk() == born.chunk()) place->second = born;
  }
}

Error forget_births(Inode& inode, const Error& why) {
  for (const dir::v1::Layout& one : inode.bytes.births) inode.bytes.layouts.erase(one.index());
  inode.bytes.births.clear();
  return {Errc::kIo, "the directory server has lost where written bytes lie: " + why.message};
}

void add_births(const Inode& inode, dir::v1::CommitRequest& request) {
  for (const dir::v1::Layout& one : inode.bytes.births) {
    dir::v1::ChunkRef& born = *request.add_born();
    born.set_index(one.index());
    born.set_chunk(one.chunk());
  }
}

}  // namespace conclave::client
