// A client of the file system: its session, leases, bytes, names, classes and status files, wired together. The one place
// that does so: a mount is a client with a kernel in front of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cluster_file.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/parallel_calls.h"
#include "base/random.h"
#include "base/transport.h"
#include "client/bytes/chunk_io.h"
#include "client/bytes/flusher.h"
#include "client/bytes/plain_files.h"
#include "client/logs/append_files.h"
#include "client/secrets/secret_mount.h"
#include "client/session/client_session.h"
#include "client/session/lock_debts.h"
#include "client/status/status_files.h"
#include "client/tree/attributes.h"
#include "client/tree/debt_duty.h"
#include "client/tree/descriptors.h"
#include "client/tree/listings.h"

namespace conclave::client {

// All outlive the client.
struct ClientParts {
  const ClusterFile& cluster;   // without a vault: there are no secrets
  Transport& transport;
  Clock& clock;
  Waiter& waiter;
  Random& random;
  Files& files;
  Log& log;
  std::string host;             // shown to approvers
  std::string mount;            // where programs see it
  std::string label;            // of its session, for operators
  std::string memory;           // a folder of its own, for what it has seen of the vault
  Caller owner;                 // of the status files
};

// What stands in front of a client and caches what it answers (a kernel) is told so. Called from any thread.
struct ClientHooks {
  // Drop what is cached of the inode: its pages and attributes, or a directory's names. May block.
  std::function<void(InodeId, bool directory)> invalidate = [](InodeId, bool) {};
  // Have at least this size, whatever you believe, and call `done`. Does not block. Empty: nothing caches sizes.
  std::function<void(InodeId, std::uint64_t size_bytes, std::function<void()> done)> raise_size;
  // Too many inodes are known: forget these, if nothing needs them.
  std::function<void(const std::vector<InodeId>&)> spare = [](const std::vector<InodeId>&) {};
  // The session is gone, and with it what was not sent.
  std::function<void()> lost = [] {};
};

class Client {
 public:
  Client(ClientParts parts, ClientHooks hooks);
  Client(const Client&) = delete;

  // Opens the session: before anything is asked, and before pools and duties run. Errors: ClientSession::open.
  Status open() { return session_.open(); }

  // What must run for it until close() is back: `run` on so many threads until `stop` was called, and duties.
  struct Pool {
    std::string name;
    unsigned threads = 1;
    std::function<void()> run, stop;
  };
  struct NamedDuty {
    std::string name;
    Duty& duty;
  };
  std::vector<Pool> pools();
  std::vector<NamedDuty> duties();

  // When nobody asks any more and while pools run: writes back for at most `patience`, wipes what is secret, gives the leases
  // back and ends the session. Goes on after a failure, logs each, and returns the first.
  Status close(Duration patience);

  // The file system, as operations that know no kernel (client/tree/operations.h).
  [[nodiscard]] Names& names() { return names_; }
  [[nodiscard]] Attributes& attributes() { return attributes_; }
  [[nodiscard]] Descriptors& descriptors() { return descriptors_; }
  [[nodiscard]] Listings& listings() { return listings_; }
  [[nodiscard]] FileLocks& locks() { return file_locks_; }

  [[nodiscard]] LeaseCache& leases() { return leases_; }
  [[nodiscard]] const Servers& servers() const { return servers_; }
  [[nodiscard]] const InodeTable& inodes() const { return inodes_; }
  [[nodiscard]] const OpenTable& opens() const { return opens_; }
  [[nodiscard]] Parking& parking() { return parking_; }
  [[nodiscard]] StatusFiles& status() { return status_; }   // for more of them, before anything is asked
  [[nodiscard]] SecretFiles* secrets() { return secrets_ ? &secrets_->files() : nullptr; }   // null: the cluster has no vault
  [[nodiscard]] const ClientSession& session() const { return session_; }

  struct Numbers {
    std::uint64_t recalls = 0;
    std::size_t leases = 0, inodes = 0, descriptors = 0, parked = 0;
    Flusher::Counters writes;
  };
  [[nodiscard]] Numbers numbers() const;
  // The servers' own words. As their clients' calls.
  [[nodiscard]] Result<dir::v1::HealthResponse> dir_health() const { return servers_.dir()->health(); }
  [[nodiscard]] Result<lock::v1::HealthResponse> lock_health() { return locks_.health(); }

 private:
  LeaseCache::Hooks lease_hooks();
  ClientSession::Hooks session_hooks();
  void take_over(OpenedSession& session);

  const ClientParts parts_;
  const ClientHooks hooks_;
  lock::LockClient locks_;
  Servers servers_;
  Parking parking_;
  LeaseCache leases_;
  LockWaits lock_waits_;
  HeldLocks held_locks_;
  ClientSession session_;
  InodeTable inodes_;
  OpenTable opens_;
  LockDebts debts_;
  ChunkIo chunks_;
  ParallelCalls calls_;
  Flusher flusher_;
  FileClasses classes_;
  LeasedInodes leased_;
  Names names_;
  Attributes attributes_;
  FileLocks file_locks_;
  Descriptors descriptors_;
  Listings listings_;
  DebtDuty debt_duty_;
  StatusFiles status_;
  PlainFiles plain_;
  AppendFiles appends_;
  std::optional<SecretMount> secrets_;
};

}  // namespace conclave::client
