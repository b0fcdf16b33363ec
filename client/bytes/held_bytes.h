// How many bytes the write buffers of one mount hold together. Each buffer counts itself, by shares that tell the account
// of every change of theirs, so that no caller has to: a sum that somebody forgets to change makes all writers wait for
// room that never comes.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace conclave::client {

// Thread-safe.
class HeldBytes {
 public:
  [[nodiscard]] std::size_t now() const { return bytes_.load(); }

 private:
  friend class HeldShare;
  std::atomic<std::size_t> bytes_{0};
};

// A part of the account: changes with it, and leaves it when destroyed. Guarded by its owner.
class HeldShare {
 public:
  explicit HeldShare(std::shared_ptr<HeldBytes> all) : all_(std::move(all)) {}
  HeldShare(const HeldShare&) = delete;
  HeldShare& operator=(const HeldShare&) = delete;
  ~HeldShare() { set(0); }

  HeldShare& operator+=(std::size_t bytes) { return set(bytes_ + bytes); }
  HeldShare& operator-=(std::size_t bytes) { return set(bytes_ - bytes); }
  HeldShare& set(std::size_t bytes) {
    all_->bytes_.fetch_add(bytes - bytes_);  // modulo 2^64, so that it also shrinks
    bytes_ = bytes;
    return *this;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const std::shared_ptr<HeldBytes> all_;
  std::size_t bytes_ = 0;
};

}  // namespace conclave::client
