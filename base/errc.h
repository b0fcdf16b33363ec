// The closed set of things that can go wrong, and what each means to a program (errno), to a peer
// (Connect code) and to a retry loop. One table in errc.cc says all of it; nothing else maps errors.
#pragma once

#include <cstdint>
#include <string_view>

namespace conclave {

enum class Errc : std::uint8_t {
  // Names and files, as POSIX words them.
  kNotFound,
  kExists,
  kNotDirectory,
  kIsDirectory,
  kNotEmpty,
  kNotPermitted,   // EPERM: never allowed to this caller or on this object
  kAccess,         // EACCES: permission bits, policy or a denial say no
  kInvalid,
  kNameTooLong,
  kFileTooBig,
  kNoSpace,
  kQuota,
  kReadOnly,
  kCrossDevice,
  kTooManyLinks,
  kLoop,
  kNotSupported,
  kNoAttribute,    // ENODATA: no such extended attribute
  kRange,
  kNoDevice,
  kBadDescriptor,
  kBusy,
  kTextBusy,
  kStale,          // the inode, version or layout named is not current: ask again
  kOvertaken,      // the lease token is an old one: nothing happened; do it again under the newest lease
  kRestarted,      // the server was started anew since: what was answered then and never made durable may be lost
  kMessageTooBig,
  // Waiting and locks.
  kWouldBlock,
  kInterrupted,
  kDeadlock,
  kNoLocks,
  kTimedOut,       // a request or a wait ended by its own time limit; it did not happen
  kPending,        // inside the client only: run the operation again when Error::key is delivered
  // Keys and votes.
  kNoKey,
  kKeyExpired,
  kKeyRevoked,
  kKeyRejected,
  kUnauthenticated,
  kFenced,         // the session was declared dead: nothing it sends is taken
  // Bytes and machines.
  kCorrupt,        // a checksum or a signature does not fit
  kIo,
  kUnavailable,    // the server was not reached or refuses for now: it did not happen
  kOverloaded,     // a limit on work in progress was met: it did not happen
  kUnknown,        // a deadline or a lost connection after sending: whether it happened is not known
  kMisordered,     // a slot's sequence number is neither the last nor the next one
  kInternal,       // our own mistake
};
inline constexpr int kErrcCount = static_cast<int>(Errc::kInternal) + 1;

// May the caller send the same thing again?
enum class Retry : std::uint8_t {
  kNo,           // the answer would be the same
  kSafe,         // it did not happen: send again when and how one likes
  kSameOpOnly,   // it may have happened: only again under the same operation id
};

// The errno value a system call returns for it. Total; thread-safe.
int errno_of(Errc code);

// The Connect protocol's code ("not_found"); the HTTP status is derived from it. Total.
std::string_view connect_code_of(Errc code);
int http_status_of(Errc code);

// The stable name that travels in an error's detail: the enumerator without its k ("NotFound").
// Backwards, a name this version does not know is kInternal.
std::string_view name_of(Errc code);
Errc errc_of_name(std::string_view name);

// For an errno of a local system call. Unlisted values are kIo.
Errc errc_of_errno(int value);

Retry retry_of(Errc code);
// The same thing may have another outcome later.
inline bool may_pass(Errc code) { return retry_of(code) != Retry::kNo; }

}  // namespace conclave
