#include "base/put_permit.h"

#include "base/canonical.h"
#include "base/certificate_check.h"

namespace conclave {
namespace {

constexpr std::string_view kLabel = "put permit";
constexpr std::size_t kMaxCertificateBytes = 8u << 10;
constexpr std::size_t kInodeBytes = 8;

// What is signed: the certificate, too, so that no byte of it can be another.
Bytes signed_bytes(const PutPermit& permit, std::string_view certificate) {
  CanonicalWriter out;
  out.raw(permit.cluster).u64(static_cast<std::uint64_t>(permit.at.ns)).u64(permit.holder).u32(permit.uid).raw(permit.version);
  out.lv(permit.path).u32(static_cast<std::uint32_t>(permit.inodes.size()));
  for (const InodeId inode : permit.inodes) out.u64(raw(inode));
  out.lv(certificate);
  return std::move(out).bytes();
}

PutPermit read_body(CanonicalReader& in) {
  PutPermit out;
  out.cluster = in.array<16>();
  out.at = WallTime{static_cast<std::int64_t>(in.u64())};
  out.holder = in.u64();
  out.uid = in.u32();
  out.version = in.array<32>();
  out.path = in.text(kMaxPermitPathBytes);
  const std::uint32_t names = in.count(kMaxPathNames, kInodeBytes);
  for (std::uint32_t i = 0; i < names; ++i) out.inodes.push_back(InodeId{in.u64()});
  return out;
}

}  // namespace

Result<Bytes> seal(const PutPermit& permit, const CertifiedKey& own) {
  const SigningKey key = TRY(signing_key_of_pem(own.key_pem.view()));
  Bytes out = signed_bytes(permit, own.chain_pem);
  const Signature signature = sign(key, kLabel, out);
  out.insert(out.end(), signature.begin(), signature.end());
  return out;
}

Result<PutPermit> open_put_permit(ByteView sealed, const ClusterId& cluster, std::string_view ca_pem, WallTime now) {
  CanonicalReader in(sealed);
  PutPermit out = read_body(in);
  const std::string chain = in.text(kMaxCertificateBytes);
  const auto signature = in.array<64>();
  if (const Status whole = in.finish(kLabel); !whole) return Error(Errc::kInvalid, whole.error().message);
  const auto signer = check_server_certificate(chain, ca_pem, cluster, now);
  if (!signer) return Error(Errc::kAccess, "the permit's signer: " + signer.error().message);
  if (signer->peer.role != Role::kDir) return Error(Errc::kAccess, "the permit is not from a directory server");
  if (out.cluster != cluster || !verify(signer->key, kLabel, signed_bytes(out, chain), signature)) {
    return Error(Errc::kAccess, "the permit's signature does not fit");
  }
  return out;
}

}  // namespace conclave
