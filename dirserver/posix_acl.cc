#include "dirserver/posix_acl.h"

#include <algorithm>

#include "base/check.h"
#include "dirserver/permissions.h"

namespace conclave::dir {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kEntryBytes = 8;
constexpr std::uint32_t kNoId = 0xffffffff;

std::uint32_t read_le(ByteView bytes, std::size_t at, std::size_t size) {
  std::uint32_t out = 0;
  for (std::size_t i = size; i-- > 0;) out = out << 8 | bytes[at + i];
  return out;
}

void write_le(std::string& out, std::uint32_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

bool has_id(std::uint16_t tag) { return tag == PosixAcl::kUser || tag == PosixAcl::kGroup; }

bool is_tag(std::uint16_t tag) { return tag != 0 && tag <= PosixAcl::kOther && (tag & (tag - 1)) == 0; }

// Tags rise, ids rise within a tag (the C library sorts them), the base entries stand once.
bool in_order(const std::vector<PosixAcl::Entry>& entries) {
  return std::adjacent_find(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
           if (a.tag != b.tag) return a.tag > b.tag;
           return !has_id(a.tag) || a.id >= b.id;
         }) == entries.end();
}

bool is_valid(const std::vector<PosixAcl::Entry>& entries) {
  unsigned tags = 0;
  for (const auto& entry : entries) {
    if (!is_tag(entry.tag) || entry.permissions > 7) return false;
    if (has_id(entry.tag) && entry.id == kNoId) return false;
    tags |= entry.tag;
  }
  const unsigned base = PosixAcl::kUserObj | PosixAcl::kGroupObj | PosixAcl::kOther;
  const bool named = (tags & (PosixAcl::kUser | PosixAcl::kGroup)) != 0;
  return (tags & base) == base && (!named || (tags & PosixAcl::kMask) != 0);
}

}  // namespace

Result<PosixAcl> PosixAcl::parse(ByteView xattr) {
  PosixAcl out;
  if (xattr.empty()) return out;
  if (xattr.size() < kHeaderBytes || (xattr.size() - kHeaderBytes) % kEntryBytes != 0) {
    return Error(Errc::kInvalid, "an ACL that is cut short");
  }
  if (read_le(xattr, 0, 4) != kVersion) return Error(Errc::kNotSupported, "an ACL of another version");
  for (std::size_t at = kHeaderBytes; at < xattr.size(); at += kEntryBytes) {
    out.entries_.push_back({static_cast<std::uint16_t>(read_le(xattr, at, 2)),
                            static_cast<std::uint16_t>(read_le(xattr, at + 2, 2)), read_le(xattr, at + 4, 4)});
  }
  if (out.entries_.empty()) return out;
  std::stable_sort(out.entries_.begin(), out.entries_.end(), [](const Entry& a, const Entry& b) {
    return a.tag != b.tag ? a.tag < b.tag : has_id(a.tag) && a.id < b.id;
  });
  if (!is_valid(out.entries_) || !in_order(out.entries_)) return Error(Errc::kInvalid, "not a valid ACL");
  return out;
}

PosixAcl PosixAcl::from_mode(std::uint32_t mode) {
  PosixAcl out;
  out.entries_ = {{kUserObj, static_cast<std::uint16_t>(mode >> 6 & 7), 0},
                  {kGroupObj, static_cast<std::uint16_t>(mode >> 3 & 7), 0},
                  {kOther, static_cast<std::uint16_t>(mode & 7), 0}};
  return out;
}

std::string PosixAcl::to_xattr() const {
  std::string out;
  write_le(out, kVersion, 4);
  for (const Entry& entry : entries_) {
    write_le(out, entry.tag, 2);
    write_le(out, entry.permissions, 2);
    write_le(out, has_id(entry.tag) ? entry.id : kNoId, 4);
  }
  return out;
}

const PosixAcl::Entry* PosixAcl::find(std::uint16_t tag) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.tag == tag; });
  return it == entries_.end() ? nullptr : &*it;
}

PosixAcl::Entry* PosixAcl::find(std::uint16_t tag) {
  return const_cast<Entry*>(std::as_const(*this).find(tag));
}

PosixAcl::Entry& PosixAcl::group_class() {
  Entry* entry = find(kMask);
  if (entry == nullptr) entry = find(kGroupObj);
  CHECK(entry != nullptr);  // is_valid
  return *entry;
}

// The first class that the subject belongs to decides; of the groups, any one that allows it.
bool PosixAcl::allows(const Subject& subject, std::uint32_t uid, std::uint32_t gid, unsigned want) const {
  const Entry* mask = find(kMask);
  const unsigned limit = mask != nullptr ? mask->permissions : 7u;
  bool in_some_group = false;
  for (const Entry& entry : entries_) {
    switch (entry.tag) {
      case kUserObj:
        if (subject.uid == uid) return (entry.permissions & want) == want;
        break;
      case kUser:
        if (subject.uid == entry.id) return (entry.permissions & limit & want) == want;
        break;
      case kGroupObj:
      case kGroup:
        if (!subject.in_group(entry.tag == kGroupObj ? gid : entry.id)) break;
        in_some_group = true;
        if ((entry.permissions & want) == want) return (entry.permissions & limit & want) == want;
        break;
      case kOther:
        return !in_some_group && (entry.permissions & want) == want;
      default:
        break;
    }
  }
  return false;
}

std::uint32_t PosixAcl::mode_bits() const {
  const Entry* group = find(kMask) != nullptr ? find(kMask) : find(kGroupObj);
  return static_cast<std::uint32_t>(find(kUserObj)->permissions << 6 | group->permissions << 3 |
                                    find(kOther)->permissions);
}

bool PosixAcl::equals_mode() const { return entries_.size() == 3; }

void PosixAcl::apply_mode(std::uint32_t mode) {
  find(kUserObj)->permissions = static_cast<std::uint16_t>(mode >> 6 & 7);
  group_class().permissions = static_cast<std::uint16_t>(mode >> 3 & 7);
  find(kOther)->permissions = static_cast<std::uint16_t>(mode & 7);
}

PosixAcl PosixAcl::inherited(std::uint32_t& mode) const {
  PosixAcl out = *this;
  const auto reduce = [](Entry& entry, std::uint32_t bits) {
    entry.permissions = static_cast<std::uint16_t>(entry.permissions & bits);
  };
  reduce(*out.find(kUserObj), mode >> 6 & 7);
  reduce(out.group_class(), mode >> 3 & 7);
  reduce(*out.find(kOther), mode & 7);
  mode = (mode & ~0777u) | out.mode_bits();
  return out;
}

}  // namespace conclave::dir
