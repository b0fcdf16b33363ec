#include "cli/tls_files.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxPemBytes = 64 << 10;

}  // namespace

Result<CertifiedKey> read_certified_key(Files& files, const std::string& stem) {
  CertifiedKey out;
  out.chain_pem = TRY(files.read_all(stem + ".pem", kMaxPemBytes));
  std::string key = TRY(files.read_all(stem + ".key", kMaxPemBytes));
  out.key_pem = SecretBytes::copy_of(view_of(key));
  wipe({reinterpret_cast<std::uint8_t*>(key.data()), key.size()});
  return out;
}

Status write_certified_key(Files& files, const std::string& stem, const CertifiedKey& certified) {
  TRY(files.write_all(stem + ".key", text_of(certified.key_pem.view())));
  return files.write_all(stem + ".pem", certified.chain_pem);
}

}  // namespace conclave::cli
