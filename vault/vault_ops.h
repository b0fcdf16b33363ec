// The vault server's table of contents: which path is which method, and who may call it.
#pragma once

#include "base/router.h"
#include "vault/request_book.h"

namespace conclave::vault {

void add_routes(Router& router, VaultState& state, Accounts& accounts, Secrets& secrets, RequestBook& book);

}  // namespace conclave::vault
