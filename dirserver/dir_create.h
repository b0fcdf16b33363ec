// Making files, directories, links, pipes, sockets and devices. Core: knows no transport.
#pragma once

#include "dirserver/dir_names.h"

namespace conclave::dir {

// kExists; without `exclusive` a regular file that is there is answered as looked up. kInvalid, kNameTooLong,
// kNotFound, kNotDirectory, kAccess, kNotPermitted (devices and classes, for users). Without file servers the file
// is made and its layout is empty.
Result<v1::CreateResponse> create(Change& change, const Call& call, const v1::CreateRequest& request);

}  // namespace conclave::dir
