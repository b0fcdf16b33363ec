// Who may put a version of a secret: whoever the names, from the root on, lead to it, and its permission bits let write. Core:
// knows no transport. The vault knows no names and takes a put with such a permit only.
#pragma once

#include "base/put_permit.h"
#include "dirserver/dir_names.h"

namespace conclave::dir {

// All but the cluster and the time. kInvalid (no path of names, or no secret is there), kNotFound, kNotDirectory, kStale (another
// inode is there), kAccess.
Result<PutPermit> permit_for(View& view, const Call& call, const v1::PermitPutRequest& request);

}  // namespace conclave::dir
