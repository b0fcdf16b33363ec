// From D, for the vault: that the caller may write this secret, which lies at this path, at this moment and for this one version
// of it. Signed with the key of D's own certificate: the vault needs no key that could make anything else of D's or L's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/certificate.h"

namespace conclave {

struct PutPermit {
  ClusterId cluster{};
  WallTime at;                      // by D's clock
  std::uint64_t holder = 0;         // holder_of(certificate) of who asked
  std::uint32_t uid = 0;            // for whom: a host's word, or the person's certificate
  Hash version{};                   // of the header that is to be put
  std::string path;                 // as its names are: not plain text
  std::vector<InodeId> inodes;      // of each name on the way, the secret's last
};

inline constexpr std::size_t kMaxPermitPathBytes = 4095;   // PATH_MAX less the final NUL
inline constexpr std::size_t kMaxPathNames = kMaxPermitPathBytes / 2;

// `own`: a directory server's certificate and key. kInvalid: they cannot be read.
Result<Bytes> seal(const PutPermit& permit, const CertifiedKey& own);
// kInvalid for bytes that are no such thing; kAccess: it is not signed by a directory server of the cluster, whose certificate
// the CA made and which is valid now.
Result<PutPermit> open_put_permit(ByteView sealed, const ClusterId& cluster, std::string_view ca_pem, WallTime now);

}  // namespace conclave
