#include "client/secrets/secret_draft.h"

#include <algorithm>

namespace conclave::client {
namespace {

constexpr std::size_t kFirstCapacity = 4096;

}  // namespace

Status SecretDraft::write(std::uint64_t offset, ByteView bytes) {
  if (!begun_) {
    return Error(Errc::kNotSupported, "a secret is replaced whole: truncate it first, or write a new file and rename it");
  }
  if (offset > kMaxSecretBytes || bytes.size() > kMaxSecretBytes - offset) {
    return Error(Errc::kFileTooBig, "a secret has at most 1 MiB");
  }
  TRY(grow(std::max<std::uint64_t>(size_, offset + bytes.size())));
  std::copy(bytes.begin(), bytes.end(), bytes_.span().begin() + static_cast<std::ptrdiff_t>(offset));
  changed_ = true;
  return {};
}

Status SecretDraft::resize(std::uint64_t size) {
  if (size == 0) {
    bytes_.clear();
    size_ = 0;
    begun_ = changed_ = true;
    return {};
  }
  if (!begun_) return Error(Errc::kNotSupported, "a secret is replaced whole: truncate it to nothing first");
  if (size > kMaxSecretBytes) return Error(Errc::kFileTooBig, "a secret has at most 1 MiB");
  if (size < size_) {
    wipe(bytes_.span().subspan(size, size_ - size));
    size_ = size;
  } else {
    TRY(grow(size));
  }
  changed_ = true;
  return {};
}

SecretBytes SecretDraft::content() const { return SecretBytes::copy_of(bytes_.view().first(size_)); }

Status SecretDraft::grow(std::uint64_t size) {
  if (size > bytes_.size()) {
    SecretBytes larger(std::max<std::size_t>({size, 2 * bytes_.size(), kFirstCapacity}));
    std::copy(bytes_.view().begin(), bytes_.view().begin() + static_cast<std::ptrdiff_t>(size_), larger.span().begin());
    bytes_ = std::move(larger);
  }
  size_ = size;
  return {};
}

}  // namespace conclave::client
