// Who somebody is, as text: the URI in the certificates of certificate.h. Knows no X.509.
//   conclave://ROLE.CLUSTERHEX/NAME     conclave://user.CLUSTERHEX/NAME?uid=1001&gid=1001&device=KIDHEX
#pragma once

#include <string>
#include <string_view>

#include "base/certificate.h"

namespace conclave {

// "user.0123…": what stands between conclave:// and the name, and what the issuer of users is constrained to.
std::string identity_authority(Role role, const ClusterId& cluster);

// kInvalid: a name that is not 1 to 64 of [a-z0-9._-], a user without a device.
Result<std::string> write_identity(const CertificateSubject& subject, const ClusterId& cluster);
// kUnauthenticated for anything that write_identity() does not write, and for another cluster. The fingerprint is
// the caller's to fill in.
Result<Peer> read_identity(std::string_view uri, const ClusterId& cluster);

}  // namespace conclave
