#include "tests/support/sparse_bytes.h"

#include <algorithm>
#include <cstring>

namespace conclave::sim {
namespace {

// Calls piece(block, from, length, done) for each part of a range that lies in one block.
template <class Piece>
void each_block(std::uint64_t offset, std::uint64_t length, Piece piece) {
  for (std::uint64_t done = 0; done < length;) {
    const std::uint64_t from = (offset + done) % SparseBytes::kBlock;
    const std::uint64_t n = std::min(length - done, SparseBytes::kBlock - from);
    piece((offset + done) / SparseBytes::kBlock, from, n, done);
    done += n;
  }
}

}  // namespace

SparseBytes& SparseBytes::operator=(const SparseBytes& other) {
  if (this == &other) return *this;
  size_ = other.size_;
  blocks_.clear();
  for (const auto& [number, block] : other.blocks_) {
    blocks_[number] = block ? std::make_unique<Block>(*block) : nullptr;
  }
  return *this;
}

std::size_t SparseBytes::read(std::uint64_t offset, ByteSpan out) const {
  if (offset >= size_) return 0;
  const std::uint64_t length = std::min<std::uint64_t>(out.size(), size_ - offset);
  each_block(offset, length, [&](std::uint64_t block, std::uint64_t from, std::uint64_t n, std::uint64_t done) {
    const auto found = blocks_.find(block);
    if (found == blocks_.end() || !found->second) {
      std::memset(out.data() + done, 0, n);
    } else {
      std::memcpy(out.data() + done, found->second->data() + from, n);
    }
  });
  return length;
}

void SparseBytes::write(std::uint64_t offset, ByteView bytes) {
  each_block(offset, bytes.size(), [&](std::uint64_t block, std::uint64_t from, std::uint64_t n, std::uint64_t done) {
    auto& into = blocks_[block];
    if (!into) into = std::make_unique<Block>();
    std::memcpy(into->data() + from, bytes.data() + done, n);
  });
  size_ = std::max<std::uint64_t>(size_, offset + bytes.size());
}

void SparseBytes::truncate(std::uint64_t size) {
  if (size < size_) {
    blocks_.erase(blocks_.lower_bound((size + kBlock - 1) / kBlock), blocks_.end());
    zero(size, std::min(size_, (size / kBlock + 1) * kBlock) - size);
  }
  size_ = size;
}

void SparseBytes::reserve(std::uint64_t offset, std::uint64_t length) {
  each_block(offset, length, [&](std::uint64_t block, auto, auto, auto) { blocks_.try_emplace(block); });
  size_ = std::max(size_, offset + length);
}

void SparseBytes::punch(std::uint64_t offset, std::uint64_t length) {
  each_block(offset, length, [&](std::uint64_t block, std::uint64_t from, std::uint64_t n, auto) {
    if (n == kBlock) {
      blocks_.erase(block);
    } else {
      zero(block * kBlock + from, n);
    }
  });
}

std::uint64_t SparseBytes::missing_bytes(std::uint64_t offset, std::uint64_t length) const {
  std::uint64_t missing = 0;
  each_block(offset, length, [&](std::uint64_t block, auto, auto, auto) {
    if (!blocks_.contains(block)) missing += kBlock;
  });
  return missing;
}

void SparseBytes::zero(std::uint64_t offset, std::uint64_t length) {
  each_block(offset, length, [&](std::uint64_t block, std::uint64_t from, std::uint64_t n, auto) {
    const auto found = blocks_.find(block);
    if (found != blocks_.end() && found->second) std::memset(found->second->data() + from, 0, n);
  });
}

}  // namespace conclave::sim
