// `conclave dirserver --config FILE`.
#pragma once

#include <string>
#include <vector>

namespace conclave::dir {

// Serves until SIGTERM or SIGINT. 0: stopped; 1: failed, with a sentence on standard error; 2: wrong usage.
//
// The configuration has the keys of base/cluster_file.h and
//   [dir]  replicas = 2      # copies of each chunk, 1 to 8
//          min_insync = 1    # below so many, writes wait
//          owner_uid = 0     # whose the first directories are, when they are made
//          owner_gid = 0
int run_dirserver(const std::vector<std::string>& args);

}  // namespace conclave::dir
