// Every limit, with its reason. Sizes in bytes, times as chrono.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace conclave {

using namespace std::chrono_literals;

// Names and attributes: Linux's own limits, so that every program's expectations hold.
inline constexpr std::size_t kMaxNameBytes = 255;           // NAME_MAX
inline constexpr std::size_t kMaxLinkTargetBytes = 4095;    // PATH_MAX less the final NUL
inline constexpr std::size_t kMaxXattrNameBytes = 255;      // XATTR_NAME_MAX
inline constexpr std::size_t kMaxXattrValueBytes = 65536;   // XATTR_SIZE_MAX
inline constexpr std::size_t kMaxXattrListBytes = 65536;    // XATTR_LIST_MAX
inline constexpr std::uint32_t kMaxHardLinks = 65000;       // as ext4: programs are tested against it
inline constexpr std::uint64_t kMaxFileBytes = 0x7fffffffffffffff;  // off_t

// Chunks: 64 MiB keeps D small (16 rows a GiB); 64 KiB blocks keep a checksum's read amplification
// below one disk read-ahead.
inline constexpr std::uint64_t kChunkBytes = 64ull << 20;
inline constexpr std::uint32_t kBlockBytes = 64u << 10;
inline constexpr std::size_t kMaxReplicas = 8;              // members in one permit; a write goes to all
inline constexpr std::size_t kMaxIoBytes = 1u << 20;        // one read or write at F: FUSE's largest

// Messages. A unary answer holds at most a full directory page or part of a roster; most requests are far smaller.
inline constexpr std::size_t kMaxUnaryBodyBytes = 4u << 20;
inline constexpr std::size_t kUsualBodyBytes = 256u << 10;  // of a request: 1000 leases with tickets, in JSON
inline constexpr std::size_t kMaxRawBodyBytes = kMaxIoBytes + (64u << 10);  // one write; a sealed secret of 1 MiB
inline constexpr std::size_t kMaxBodiesInFlightBytes = 96u << 20;  // of all requests being read or answered: of 256 MiB
inline constexpr std::size_t kMaxBodiesPerClientBytes = 64u << 20; // two thirds: others still get through
inline constexpr std::size_t kMaxHeaderBytes = 16u << 10;   // tokens and a permit of 8 members fit
inline constexpr std::size_t kMaxConnections = 4096;        // per server: one descriptor and ~40 KiB each
inline constexpr std::size_t kMaxConnectionsPerClient = 512;   // several mounts of one machine, each with all its threads
inline constexpr std::size_t kMaxStreamsPerClient = 64;     // one for each mount
inline constexpr std::size_t kMaxStrangers = 256;           // connections that have not shown who they are; the oldest goes
inline constexpr std::uint32_t kSlotsPerSession = 64;       // calls with an effect in flight at one server
inline constexpr std::size_t kMaxSessions = 10000;
inline constexpr std::size_t kMaxSessionsPerClient = 256;   // mounts of one machine, and commands that were killed
inline constexpr std::size_t kMaxEventsKept = 4096;         // per session, before it must be resynchronised
inline constexpr auto kCallDeadline = 10s;                  // a call without a better idea
inline constexpr auto kMaxCallDeadline = 10min;             // what a caller may ask for
inline constexpr auto kHandshakeDeadline = 5s;
inline constexpr auto kTransferDeadline = 30s;              // for one request or reply to pass: 4 MiB at 1 Mbit/s
inline constexpr auto kStreamHeartbeat = 15s;               // an idle event stream shows that it lives
inline constexpr auto kIdleConnection = 120s;

// Leases.
inline constexpr auto kLeaseTerm = 30s;                     // 5 to 120 by configuration
inline constexpr auto kHeartbeat = 500ms;                   // F to D and D to L
inline constexpr auto kFileServerDead = 3s;
inline constexpr auto kRecallPatience = 10s;                // then a recall is sent again
inline constexpr std::size_t kMaxLeases = 1u << 20;         // at L, held and waited for: ~130 MiB
inline constexpr std::size_t kMaxLeasesPerSession = 1u << 18;
inline constexpr std::size_t kMaxLeasesHeld = 60'000;       // by a mount, before it releases old ones: ~25 MiB
inline constexpr std::size_t kMaxInodesKept = 50'000;       // by a mount, before it asks the kernel to forget some: ~100 MiB
inline constexpr std::size_t kMaxLocksPerSession = 1u << 14;  // flock and fcntl ranges, and waits
inline constexpr std::size_t kMaxLeasesPerCall = 1000;      // a listing's worth
inline constexpr std::size_t kMaxLabelBytes = 256;          // what status shows of a session

// The client's write buffer.
inline constexpr auto kFlushAge = 1s;                       // nothing stays only in the client longer
inline constexpr std::size_t kCommitBytes = 32u << 20;
inline constexpr std::size_t kMaxDirtyBytes = 64u << 20;

// Group commit at D: one transaction's cost is spread, a caller's wait stays below 3 ms.
inline constexpr std::size_t kMaxGroup = 500;

// The vault.
inline constexpr std::size_t kMaxSecretBytes = 1u << 20;
inline constexpr std::size_t kMaxApprovers = 64;            // one share each; a policy is read by people
inline constexpr std::size_t kMaxReasonBytes = 1000;
inline constexpr std::size_t kMaxPendingRequestsPerUser = 64;
inline constexpr int kRequestBurst = 32;                    // a person may file this many at once,
inline constexpr auto kRequestRefill = 5s;                  // and then one in this time: `grep -r` floods no approver

}  // namespace conclave
