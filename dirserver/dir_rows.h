// The rows of schema.sql as values.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/canonical.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::dir {

enum : std::uint8_t { kAccessAcl = 1, kDefaultAcl = 2 };  // Node::acls

struct Node {
  InodeId inode{};
  std::uint32_t mode = 0;
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t atime_ns = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t btime_ns = 0;
  std::uint64_t change = 0;
  std::uint32_t xattrs = 0;
  std::uint8_t acls = 0;
  v1::Class file_class = v1::PLAIN;
  InodeId parent{};
  std::string target;

  [[nodiscard]] bool is_directory() const { return S_ISDIR(mode); }
  [[nodiscard]] bool is_regular() const { return S_ISREG(mode); }
  [[nodiscard]] bool is_link() const { return S_ISLNK(mode); }
  // Its chunks follow each other and have lengths of their own; it never gets shorter.
  [[nodiscard]] bool is_log() const { return is_regular() && (file_class == v1::APPEND || file_class == v1::CHAT); }
};

struct Name {
  InodeId inode{};
  std::uint32_t type = 0;     // S_IFMT bits
  std::uint64_t cookie = 0;
};

struct Chunk {
  InodeId inode{};
  std::uint64_t position = 0;
  ChunkId chunk{};
  std::uint32_t chainver = 1;
  bool born = false;              // a commit has covered it
  bool doubted = false;           // its only member came back with less than it had
  std::uint64_t start_bytes = 0;
  std::uint64_t sealed_bytes = 0;
  std::vector<ServerId> members;  // in sync, the master first
  std::vector<ServerId> former;   // have a copy that is behind, or none yet
  std::string cursors;
};

// Where a chunk lies in the tree. The first of all chunks is behind ChunkPlace{}: no inode is 0.
struct ChunkPlace {
  InodeId inode{};
  std::uint64_t position = 0;
  friend auto operator<=>(const ChunkPlace&, const ChunkPlace&) = default;
};

// Chunk's members and former members as the blob that is stored.
inline Bytes encode_members(const Chunk& chunk) {
  CanonicalWriter out;
  out.u8(static_cast<std::uint8_t>(chunk.members.size()));
  for (const ServerId id : chunk.members) out.u32(raw(id));
  for (const ServerId id : chunk.former) out.u32(raw(id));
  return std::move(out).bytes();
}

// kCorrupt.
inline Status decode_members(ByteView blob, Chunk& chunk) {
  CanonicalReader in(blob);
  const std::size_t in_sync = in.u8();
  if (in_sync == 0 || in_sync > kMaxReplicas) in.fail();
  while (!in.failed() && in.left() != 0) {
    auto& list = chunk.members.size() < in_sync ? chunk.members : chunk.former;
    list.push_back(ServerId{in.u32()});
  }
  if (chunk.members.size() != in_sync) in.fail();
  return in.finish("a chunk's members");
}

enum class ServerState : std::uint8_t { kInUse = 0, kDraining = 1, kRemoved = 2 };

struct ServerRow {
  ServerId id{};
  std::string name;
  std::string instance;
  std::string host;
  std::uint32_t port = 0;
  std::uint32_t back_port = 0;
  std::uint64_t mark = 0;
  std::int64_t behind_ns = 0;
  std::uint32_t behind_epoch = 0;
  ServerState state = ServerState::kInUse;
};

}  // namespace conclave::dir
