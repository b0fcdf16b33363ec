// What the kernel tells of a process that opens a secret, for approvers to read: context, not proof.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace conclave::client {

struct ProgramInfo {
  std::string command;   // name, and arguments if asked for, joined by spaces
  std::string reason;    // CONCLAVE_REASON of its environment, if that may be read
};
// Empty where /proc says nothing: the process ended, or is another namespace's.
ProgramInfo program_info(Files& files, std::uint32_t pid, bool with_arguments);

}  // namespace conclave::client
