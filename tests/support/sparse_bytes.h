// The content of a simulated file: 4 KiB blocks, of which only those written or reserved take memory.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "base/bytes.h"

namespace conclave::sim {

class SparseBytes {
 public:
  static constexpr std::uint64_t kBlock = 4096;
  SparseBytes() = default;
  SparseBytes(const SparseBytes& other) { *this = other; }
  SparseBytes& operator=(const SparseBytes& other);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t used_bytes() const { return blocks_.size() * kBlock; }
  std::size_t read(std::uint64_t offset, ByteSpan out) const;  // fewer only at the end
  void write(std::uint64_t offset, ByteView bytes);            // grows
  void truncate(std::uint64_t size);
  void reserve(std::uint64_t offset, std::uint64_t length);  // grows; takes space, reads as zeros
  void punch(std::uint64_t offset, std::uint64_t length);    // zeros; whole blocks give their space back
  // The blocks that writing or reserving there would add, in bytes.
  [[nodiscard]] std::uint64_t missing_bytes(std::uint64_t offset, std::uint64_t length) const;

 private:
  using Block = std::array<std::uint8_t, kBlock>;
  void zero(std::uint64_t offset, std::uint64_t length);

  std::uint64_t size_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Block>> blocks_;  // by number; null: reserved, zeros
};

}  // namespace conclave::sim
