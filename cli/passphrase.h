// Passphrases: from the file that CONCLAVE_PASSPHRASE_FILE names, else asked on the terminal without echo.
#pragma once

#include <string>

#include "base/files.h"
#include "base/secret_bytes.h"

namespace conclave::cli {

// `what` completes the question: "Passphrase of alice". A file's first line is taken. kNotFound without a file and a
// terminal, kInterrupted after Ctrl-C, kInvalid for an empty one.
Result<SecretBytes> ask_passphrase(Files& files, const std::string& what);
// Asked twice on a terminal; kInvalid when the two differ.
Result<SecretBytes> ask_new_passphrase(Files& files, const std::string& what);

}  // namespace conclave::cli
