// Rule: the set-user-id and set-group-id bits of a file's mode, and when they are a privilege that a change by others
// ends (Linux, fs/attr.c setattr_should_drop_suidgid). Pure.
#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace conclave {

// `mode` without them. Set-group-id without group execution means mandatory locking, not a privilege: it stays.
constexpr std::uint32_t without_set_id(std::uint32_t mode) {
  mode &= ~static_cast<std::uint32_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return mode;
}

}  // namespace conclave
