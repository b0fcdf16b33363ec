// What is being copied or moved between file servers, for people and for programs.
#pragma once

#include <chrono>
#include <string>

#include "cli/json.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::cli {

// "45 s", "12 min", "3 h 5 min", "2 days".
std::string duration_text(std::chrono::seconds duration);
// One line; empty while nothing is missing.
std::string healing_text(const dir::v1::Healing& healing);
JsonObject json_of(const dir::v1::Healing& healing);

}  // namespace conclave::cli
