// Ports for servers that nobody chose a port for, and what is wrong with one that cannot be had.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace conclave::cli {

// `count` different TCP ports that can be bound at `address` now. From 10000 to 29999: below the range from which
// Linux takes the ports of outgoing connections, so that a server finds its port free when it starts again. Chosen at
// random: two clusters made at the same time get different ones. kInvalid for an address that is not this machine's.
Result<std::vector<std::uint16_t>> free_ports(const std::string& address, unsigned count, Random& random);

// The address of this machine that packets to `host` leave from. kInvalid, kUnavailable.
Result<std::string> address_towards(const std::string& host, std::uint16_t port);

// "127.0.0.1:80", "[::1]:80".
std::string address_text(const std::string& address, std::uint16_t port);

}  // namespace conclave::cli
