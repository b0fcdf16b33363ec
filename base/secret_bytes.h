// Bytes that must not be seen: keys, passphrases, plaintext of secrets. Locked in memory, left out of
// core files and of forked children, wiped at the end. Move-only, unprintable, compared in constant time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace conclave {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);           // zeros
  static SecretBytes copy_of(ByteView bytes);       // the caller wipes its own copy
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  [[nodiscard]] SecretBytes clone() const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] ByteView view() const { return {data_, size_}; }
  [[nodiscard]] ByteSpan span() { return {data_, size_}; }
  void shrink(std::size_t size);                    // drops and wipes the tail; size <= size()
  void clear();                                     // wipes, size() == 0

  // In time that depends on the sizes only.
  friend bool operator==(const SecretBytes& a, const SecretBytes& b);

 private:
  std::uint8_t* data_ = nullptr;  // an mmap of whole pages: mlock, MADV_DONTDUMP, MADV_WIPEONFORK
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

// Wipes bytes that could not be a SecretBytes (a library's buffer), surviving the optimiser.
void wipe(ByteSpan bytes);

// memcmp for equality in constant time; false for different sizes.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace conclave
