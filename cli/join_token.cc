#include "cli/join_token.h"

#include "base/bytes.h"
#include "base/canonical.h"

namespace conclave::cli {
namespace {

constexpr std::string_view kPrefix = "conclave-file-1.";
constexpr std::size_t kMaxPartBytes = 16 << 10;  // a chain is 2 KiB
constexpr std::size_t kMaxTokenBytes = 64 << 10;

}  // namespace

std::string JoinToken::text() const {
  CanonicalWriter writer;
  writer.lv(cluster_toml).lv(ca_pem).lv(name).lv(certificate.chain_pem).lv(certificate.key_pem.view());
  const std::uint32_t crc = crc32c(writer.bytes());
  return std::string(kPrefix) + to_base64url(writer.u32(crc).bytes());
}

Result<JoinToken> JoinToken::parse(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (!text.starts_with(kPrefix)) {
    return Error(Errc::kInvalid, "this is not a file server's token: those begin with " + std::string(kPrefix) +
                                     " and are made by `conclave token fileserver`");
  }
  const Error damaged(Errc::kInvalid, "the token was cut or changed on its way here; copy all of it, or make another "
                                      "with `conclave token fileserver`");
  if (text.size() > kMaxTokenBytes) return damaged;
  auto bytes = from_base64url(text.substr(kPrefix.size()));
  if (!bytes) return damaged;
  CanonicalReader reader(*bytes);
  JoinToken token;
  token.cluster_toml = reader.text(kMaxPartBytes);
  token.ca_pem = reader.text(kMaxPartBytes);
  token.name = reader.text(64);
  token.certificate.chain_pem = reader.text(kMaxPartBytes);
  token.certificate.key_pem = SecretBytes::copy_of(reader.lv(kMaxPartBytes));
  const std::uint32_t crc = reader.u32();
  const bool whole = reader.finish("token").has_value() &&
                     crc == crc32c(ByteView(*bytes).first(bytes->size() - sizeof crc));
  wipe(*bytes);
  if (!whole) return damaged;
  return token;
}

}  // namespace conclave::cli
