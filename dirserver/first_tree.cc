#include "dirserver/first_tree.h"

namespace conclave::dir {
namespace {

Node directory(Change& change, InodeId inode, InodeId parent, std::uint32_t mode, v1::Class file_class) {
  Node node;
  node.inode = inode;
  node.parent = parent;
  node.mode = S_IFDIR | mode;
  node.nlink = 2;
  node.file_class = file_class;
  node.atime_ns = node.mtime_ns = node.ctime_ns = node.btime_ns = change.now_ns();
  return node;
}

struct Given {
  const char* name;
  std::uint32_t mode;
  v1::Class file_class;
};
constexpr Given kGiven[] = {
    {"secrets", 01777, v1::SECRET},
    {"sensors", 01777, v1::APPEND},
    {"chat", 01777, v1::CHAT},
};

}  // namespace

Status make_first_tree(Change& change) {
  const auto there = change.view().node(kRootInode);
  if (there) return {};
  if (there.error().code != Errc::kStale) return there.error();
  Node& root = change.add_node(directory(change, kRootInode, kRootInode, 0755, v1::PLAIN));
  for (const Given& given : kGiven) {
    Node& made = change.add_node(directory(change, change.new_inode(), kRootInode, given.mode, given.file_class));
    TRY(change.add_name(kRootInode, given.name, made));
    ++root.nlink;
  }
  return {};
}

}  // namespace conclave::dir
