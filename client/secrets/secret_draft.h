// Rule: the content of a secret that is being written. Whole contents only: a draft begins empty (a new file, O_TRUNC,
// truncate to 0), and what was there before cannot be patched.
#pragma once

#include <cstdint>

#include "base/limits.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace conclave::client {

class SecretDraft {
 public:
  // `begun`: there is nothing before it, or it was truncated away.
  explicit SecretDraft(bool begun) : begun_(begun) {}

  // kNotSupported before it has begun; kFileTooBig above kMaxSecretBytes. A gap reads as zeros.
  Status write(std::uint64_t offset, ByteView bytes);
  // To 0 begins it anew; otherwise cuts or extends what is here, as write.
  Status resize(std::uint64_t size);
  // The end of what was written: where O_APPEND goes.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool begun() const { return begun_; }

  // Something was written or cut that no sealed version has. An empty draft is sealed at the last close only: shells
  // close a copy of the descriptor before their first write.
  [[nodiscard]] bool needs_seal(bool last_close) const { return begun_ && changed_ && (size_ > 0 || last_close); }
  [[nodiscard]] SecretBytes content() const;
  void sealed() { changed_ = false; }
  void not_sealed() { changed_ = true; }   // it failed: it is still owed

 private:
  Status grow(std::uint64_t size);
  bool begun_;
  bool changed_ = begun_;
  std::uint64_t size_ = 0;
  SecretBytes bytes_;   // capacity; what lies behind size_ is zeros
};

}  // namespace conclave::client
