// Strong numbers: an inode is not a chunk. Each is a scoped enum, so it compares, hashes and copies
// like its number and converts only by raw() and by a cast that says so.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <type_traits>

namespace conclave {

// Given out by D, never reused. The root is 1; 0 is "none".
enum class InodeId : std::uint64_t {};
inline constexpr InodeId kRootInode{1};
inline constexpr InodeId kNoInode{0};

// One mount, or one run of a command, as L knows it. Random, non-zero, never reused.
enum class SessionId : std::uint64_t {};

// A chunk's bytes at the file servers. Given out by D, never reused: a chunk that was freed and one
// that took its place in the file have different ids, so a late write cannot reach the wrong one.
enum class ChunkId : std::uint64_t {};

// A file server as D numbers them, from 1.
enum class ServerId : std::uint32_t {};

template <class Id>
  requires std::is_enum_v<Id>
constexpr auto raw(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}

// Made by `conclave init`: 16 random bytes that every certificate and token of the cluster carries.
using ClusterId = std::array<std::uint8_t, 16>;

// SHA-256 of a certificate's DER form.
using Fingerprint = std::array<std::uint8_t, 32>;

// Names one effect for ever, so that a retry of it is recognised: the nth operation of one slot of a
// session. A slot carries one operation at a time; sequence numbers in it rise by one. (As the slots
// of NFSv4.1, RFC 8881 section 2.10.6.)
struct OpId {
  SessionId session{};
  std::uint32_t generation = 0;   // rises when a session is taken up again after a client restart
  std::uint32_t slot = 0;         // 0 to kSlotsPerSession - 1
  std::uint64_t sequence = 0;     // from 1; 0: the call has no effect that needs one

  friend auto operator<=>(const OpId&, const OpId&) = default;
};

}  // namespace conclave
