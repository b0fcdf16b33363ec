#include "base/secret_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace conclave {
namespace {

std::size_t whole_pages(std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

}  // namespace

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  mapped_ = whole_pages(size);
  void* at = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(at != MAP_FAILED);
  data_ = static_cast<std::uint8_t*>(at);
  // A memory-lock limit that is used up must not stop a program in mid-operation: a mount's daemon raises it as far as it
  // may when it starts. The other two do not fail for anonymous memory.
  (void)mlock(at, mapped_);
  CHECK(madvise(at, mapped_, MADV_DONTDUMP) == 0);
  CHECK(madvise(at, mapped_, MADV_WIPEONFORK) == 0);
}

SecretBytes SecretBytes::copy_of(ByteView bytes) {
  SecretBytes out(bytes.size());
  if (out.data_ != nullptr) std::memcpy(out.data_, bytes.data(), bytes.size());
  return out;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    clear();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { clear(); }

SecretBytes SecretBytes::clone() const { return copy_of(view()); }

void SecretBytes::shrink(std::size_t size) {
  CHECK(size <= size_);
  wipe(span().subspan(size));
  size_ = size;
}

void SecretBytes::clear() {
  if (data_ != nullptr) {
    wipe({data_, mapped_});
    munmap(data_, mapped_);
  }
  data_ = nullptr;
  size_ = 0;
  mapped_ = 0;
}

bool operator==(const SecretBytes& a, const SecretBytes& b) { return equal_in_constant_time(a.view(), b.view()); }

void wipe(ByteSpan bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

bool equal_in_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t difference = 0;  // volatile: no early exit may be invented
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace conclave
