// Whether somebody listens at an address: what its machine says to a SYN, and nothing more.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace conclave {

// False only if the machine itself said that nobody does: the connection was refused, at every address that `host` stands
// for. kUnavailable: it said nothing within `patience`, or the name is not known. Blocks.
Result<bool> tcp_listens(const std::string& host, std::uint16_t port, Duration patience);

}  // namespace conclave
