// `conclave fileserver --config FILE`.
#pragma once

#include <string>
#include <vector>

namespace conclave::file {

// Serves until SIGTERM or SIGINT. 0: stopped; 1: failed, with a sentence on standard error; 2: wrong usage.
//
// The configuration has the keys of base/cluster_file.h and
//   [server]  back = "127.0.0.1:7112"     # for the other file servers
//   [file]    back_threads = 4
//             scrub_mib_per_second = 8    # 0: never
int run_fileserver(const std::vector<std::string>& args);

}  // namespace conclave::file
