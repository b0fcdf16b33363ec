// What D does when a file server comes back with less than it had said: a folder restored from a backup, a damaged
// journal. It is out of every in-sync set in which another member stands, until it was compared; what lies nowhere else
// is doubted: its permits are good, and the file server answers Corrupt, until an operator accepts what is there.
#pragma once

#include "dirserver/dir_copies.h"
#include "dirserver/dir_store.h"

namespace conclave::dir {

// Many commits, as many as the file server has chunks; asked again after a failure it goes on. The last one notes that
// it was done, and from where its journal is believed now.
Status distrust(DirStore& store, ServerId id, std::uint64_t recovered_to, std::uint32_t epoch);
// What lies at `id` alone is trusted again. As above.
Status trust_again(DirStore& store, ServerId id);

// How many chunks of `id` are doubted.
Result<std::uint64_t> count_doubted(DirStore& store, ServerId id);

Result<v1::VerifyResponse> verify(View& view, const Server& server, const ServerTable& servers, const v1::VerifyRequest& request);

}  // namespace conclave::dir
