// `conclave lockserver --config FILE`: one lock server, until SIGTERM or SIGINT.
#pragma once

#include <string>
#include <vector>

namespace conclave::lock {

// `args`: what follows the word lockserver. 0: stopped as asked; 1: it could not run (the reason is logged); 2: usage.
int run_lockserver(const std::vector<std::string>& args);

}  // namespace conclave::lock
