#include "base/errc.h"

#include <array>
#include <cerrno>

namespace conclave {
namespace {

struct Row {
  Errc code;
  std::string_view name;
  int errno_value;
  std::string_view connect_code;
  Retry retry;
};

constexpr std::array<Row, kErrcCount> kTable = {{
    {Errc::kNotFound, "NotFound", ENOENT, "not_found", Retry::kNo},
    {Errc::kExists, "Exists", EEXIST, "already_exists", Retry::kNo},
    {Errc::kNotDirectory, "NotDirectory", ENOTDIR, "failed_precondition", Retry::kNo},
    {Errc::kIsDirectory, "IsDirectory", EISDIR, "failed_precondition", Retry::kNo},
    {Errc::kNotEmpty, "NotEmpty", ENOTEMPTY, "failed_precondition", Retry::kNo},
    {Errc::kNotPermitted, "NotPermitted", EPERM, "permission_denied", Retry::kNo},
    {Errc::kAccess, "Access", EACCES, "permission_denied", Retry::kNo},
    {Errc::kInvalid, "Invalid", EINVAL, "invalid_argument", Retry::kNo},
    {Errc::kNameTooLong, "NameTooLong", ENAMETOOLONG, "invalid_argument", Retry::kNo},
    {Errc::kFileTooBig, "FileTooBig", EFBIG, "out_of_range", Retry::kNo},
    {Errc::kNoSpace, "NoSpace", ENOSPC, "resource_exhausted", Retry::kNo},
    {Errc::kQuota, "Quota", EDQUOT, "resource_exhausted", Retry::kNo},
    {Errc::kReadOnly, "ReadOnly", EROFS, "failed_precondition", Retry::kNo},
    {Errc::kCrossDevice, "CrossDevice", EXDEV, "failed_precondition", Retry::kNo},
    {Errc::kTooManyLinks, "TooManyLinks", EMLINK, "failed_precondition", Retry::kNo},
    {Errc::kLoop, "Loop", ELOOP, "failed_precondition", Retry::kNo},
    {Errc::kNotSupported, "NotSupported", EOPNOTSUPP, "unimplemented", Retry::kNo},
    {Errc::kNoAttribute, "NoAttribute", ENODATA, "not_found", Retry::kNo},
    {Errc::kRange, "Range", ERANGE, "out_of_range", Retry::kNo},
    {Errc::kNoDevice, "NoDevice", ENXIO, "failed_precondition", Retry::kNo},
    {Errc::kBadDescriptor, "BadDescriptor", EBADF, "failed_precondition", Retry::kNo},
    {Errc::kBusy, "Busy", EBUSY, "failed_precondition", Retry::kNo},
    {Errc::kTextBusy, "TextBusy", ETXTBSY, "failed_precondition", Retry::kNo},
    {Errc::kStale, "Stale", ESTALE, "aborted", Retry::kNo},
    {Errc::kOvertaken, "Overtaken", ESTALE, "aborted", Retry::kNo},
    {Errc::kRestarted, "Restarted", EIO, "data_loss", Retry::kNo},
    {Errc::kMessageTooBig, "MessageTooBig", EMSGSIZE, "resource_exhausted", Retry::kNo},
    {Errc::kWouldBlock, "WouldBlock", EAGAIN, "aborted", Retry::kSafe},
    {Errc::kInterrupted, "Interrupted", EINTR, "canceled", Retry::kNo},
    {Errc::kDeadlock, "Deadlock", EDEADLK, "aborted", Retry::kNo},
    {Errc::kNoLocks, "NoLocks", ENOLCK, "resource_exhausted", Retry::kNo},
    {Errc::kTimedOut, "TimedOut", ETIMEDOUT, "failed_precondition", Retry::kNo},
    {Errc::kPending, "Pending", EAGAIN, "aborted", Retry::kSafe},
    {Errc::kNoKey, "NoKey", ENOKEY, "unauthenticated", Retry::kNo},
    {Errc::kKeyExpired, "KeyExpired", EKEYEXPIRED, "unauthenticated", Retry::kNo},
    {Errc::kKeyRevoked, "KeyRevoked", EKEYREVOKED, "permission_denied", Retry::kNo},
    {Errc::kKeyRejected, "KeyRejected", EKEYREJECTED, "permission_denied", Retry::kNo},
    {Errc::kUnauthenticated, "Unauthenticated", EACCES, "unauthenticated", Retry::kNo},
    {Errc::kFenced, "Fenced", EIO, "failed_precondition", Retry::kNo},
    {Errc::kCorrupt, "Corrupt", EBADMSG, "data_loss", Retry::kNo},
    {Errc::kIo, "Io", EIO, "internal", Retry::kNo},
    {Errc::kUnavailable, "Unavailable", EHOSTUNREACH, "unavailable", Retry::kSafe},
    {Errc::kOverloaded, "Overloaded", EAGAIN, "resource_exhausted", Retry::kSafe},
    {Errc::kUnknown, "Unknown", EIO, "deadline_exceeded", Retry::kSameOpOnly},
    {Errc::kMisordered, "Misordered", EIO, "aborted", Retry::kNo},
    {Errc::kInternal, "Internal", EIO, "internal", Retry::kNo},
}};

constexpr bool in_enumerator_order() {
  for (int i = 0; i < kErrcCount; ++i) {
    if (kTable[static_cast<std::size_t>(i)].code != static_cast<Errc>(i)) return false;
  }
  return true;
}
static_assert(in_enumerator_order(), "kTable has one row per Errc, in its order");

const Row& row_of(Errc code) { return kTable[static_cast<std::size_t>(code)]; }

}  // namespace

int errno_of(Errc code) { return row_of(code).errno_value; }
std::string_view connect_code_of(Errc code) { return row_of(code).connect_code; }
std::string_view name_of(Errc code) { return row_of(code).name; }
Retry retry_of(Errc code) { return row_of(code).retry; }

// The mapping of the Connect protocol's specification, section "Error codes".
int http_status_of(Errc code) {
  const std::string_view c = connect_code_of(code);
  if (c == "invalid_argument" || c == "failed_precondition" || c == "out_of_range") return 400;
  if (c == "unauthenticated") return 401;
  if (c == "permission_denied") return 403;
  if (c == "not_found") return 404;
  if (c == "already_exists" || c == "aborted") return 409;
  if (c == "resource_exhausted") return 429;
  if (c == "canceled") return 499;
  if (c == "unimplemented") return 501;
  if (c == "unavailable") return 503;
  if (c == "deadline_exceeded") return 504;
  return 500;
}

Errc errc_of_name(std::string_view name) {
  for (const Row& row : kTable) {
    if (row.name == name) return row.code;
  }
  return Errc::kInternal;
}

Errc errc_of_errno(int value) {
  if (value == EWOULDBLOCK) return Errc::kWouldBlock;
  for (const Row& row : kTable) {
    const bool ambiguous = row.code == Errc::kUnauthenticated || row.code == Errc::kPending;
    if (row.errno_value == value && value != EIO && !ambiguous) return row.code;
  }
  return Errc::kIo;
}

}  // namespace conclave
