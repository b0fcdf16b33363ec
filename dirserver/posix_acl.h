// Rule: POSIX access control lists (POSIX 1003.1e draft 17), as Linux keeps them in the extended attributes
// system.posix_acl_access and system.posix_acl_default: version 2, entries {tag, permissions, id}, little-endian
// (include/uapi/linux/posix_acl_xattr.h; the rules are fs/posix_acl.c's). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace conclave::dir {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

struct Subject;

class PosixAcl {
 public:
  enum Tag : std::uint16_t { kUserObj = 1, kUser = 2, kGroupObj = 4, kGroup = 8, kMask = 16, kOther = 32 };
  struct Entry {
    std::uint16_t tag = 0;
    std::uint16_t permissions = 0;  // 0 to 7
    std::uint32_t id = 0;           // of kUser and kGroup
  };

  // kInvalid unless well-formed and valid: entries in order, no user or group twice, the three base entries once,
  // a mask if there is a kUser or kGroup. kNotSupported for another version. Without entries: no ACL at all.
  static Result<PosixAcl> parse(ByteView xattr);
  static PosixAcl from_mode(std::uint32_t mode);
  [[nodiscard]] std::string to_xattr() const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // Does it allow all of `want` (4 read, 2 write, 1 execute) to a subject that is not the superuser?
  [[nodiscard]] bool allows(const Subject& subject, std::uint32_t uid, std::uint32_t gid, unsigned want) const;
  // The permission bits that show in st_mode: owner, mask (or owning group without one), other.
  [[nodiscard]] std::uint32_t mode_bits() const;
  // True if mode_bits() says all there is to say.
  [[nodiscard]] bool equals_mode() const;
  // After chmod: the entries that the mode stands for are set from it.
  void apply_mode(std::uint32_t mode);
  // This is a directory's default ACL: what an object made in it with `mode` gets; `mode` is reduced to match.
  [[nodiscard]] PosixAcl inherited(std::uint32_t& mode) const;

 private:
  [[nodiscard]] const Entry* find(std::uint16_t tag) const;
  [[nodiscard]] Entry* find(std::uint16_t tag);
  Entry& group_class();   // the mask, or the owning group
  std::vector<Entry> entries_;
};

}  // namespace conclave::dir
