// What file servers and their clients agree on beside file.proto: the paths and headers of the raw calls. Numbers
// are decimal; tokens, permits and cursor names are base64url.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/transport.h"

namespace conclave::file {

#define CONCLAVE_FILE_SERVICE "/conclave.file.v1.FileService/"
inline constexpr std::string_view kReadPath = CONCLAVE_FILE_SERVICE "Read";
inline constexpr std::string_view kWritePath = CONCLAVE_FILE_SERVICE "Write";
inline constexpr std::string_view kAppendPath = CONCLAVE_FILE_SERVICE "Append";
inline constexpr std::string_view kApplyPath = CONCLAVE_FILE_SERVICE "Apply";
inline constexpr std::string_view kCommitPath = CONCLAVE_FILE_SERVICE "Commit";
inline constexpr std::string_view kTruncatePath = CONCLAVE_FILE_SERVICE "Truncate";
inline constexpr std::string_view kZeroPath = CONCLAVE_FILE_SERVICE "Zero";
inline constexpr std::string_view kCopyPath = CONCLAVE_FILE_SERVICE "Copy";
inline constexpr std::string_view kStartPath = CONCLAVE_FILE_SERVICE "Start";
inline constexpr std::string_view kStatPath = CONCLAVE_FILE_SERVICE "Stat";
inline constexpr std::string_view kExtentsPath = CONCLAVE_FILE_SERVICE "Extents";
inline constexpr std::string_view kCommitBackPath = CONCLAVE_FILE_SERVICE "CommitBack";
inline constexpr std::string_view kFetchPath = CONCLAVE_FILE_SERVICE "Fetch";
inline constexpr std::string_view kHealthPath = CONCLAVE_FILE_SERVICE "Health";
#undef CONCLAVE_FILE_SERVICE

inline constexpr std::string_view kTokenHeader = "conclave-token";
inline constexpr std::string_view kPermitHeader = "conclave-permit";
inline constexpr std::string_view kOffsetHeader = "conclave-offset";
inline constexpr std::string_view kLengthHeader = "conclave-length";
inline constexpr std::string_view kCrcHeader = "conclave-crc32c";    // of the body
inline constexpr std::string_view kBootHeader = "conclave-boot";
inline constexpr std::string_view kStartsHeader = "conclave-starts"; // member_starts.h: who has it, the master first
inline constexpr std::string_view kCursorHeader = "conclave-cursor";
inline constexpr std::string_view kFromHeader = "conclave-from";
inline constexpr std::string_view kToHeader = "conclave-to";
inline constexpr std::string_view kDoneHeader = "conclave-done";
inline constexpr std::string_view kMovedHeader = "conclave-moved";   // 1: the chunk's members changed, ask D again
inline constexpr std::string_view kApplyHeader = "conclave-apply";   // back: a ChunkOp, canonical bytes

inline constexpr std::size_t kMaxCursorNameBytes = 255;
inline constexpr std::size_t kMaxPermitsPerCommit = 256;

// A header that must be there and be a decimal number; kInvalid names it.
Result<std::uint64_t> number_of(const std::vector<Header>& headers, std::string_view name);
Result<std::uint64_t> number_of(const std::vector<Header>& headers, std::string_view name, std::uint64_t otherwise);
Header number_header(std::string_view name, std::uint64_t value);

// The bytes of a base64url header; empty if it is not there. kInvalid.
Result<Bytes> bytes_of_header(const std::vector<Header>& headers, std::string_view name);
Header bytes_header(std::string_view name, std::string_view bytes);

// A reply of 200 whose body fits its CRC, or the error it carries. kCorrupt.
Status checked_reply(const HttpReply& reply);

}  // namespace conclave::file
