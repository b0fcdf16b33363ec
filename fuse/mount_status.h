// The plain status files of a mount: what it counts, what the servers say, what it holds. Lines "name value".
#pragma once

#include "client/client.h"

namespace conclave::fuse_fs {

std::string stats_text(std::uint64_t requests, const client::Client::Numbers& numbers);
// The directory server's and the lock server's own words; a server that does not answer is a line too.
std::string health_text(const Result<dir::v1::HealthResponse>& names, const Result<lock::v1::HealthResponse>& locks);
std::string leases_text(const Result<lock::v1::HealthResponse>& locks);

}  // namespace conclave::fuse_fs
