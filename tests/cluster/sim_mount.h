// A mount of a simulated cluster: a client (client/client.h), and programs that call it as a kernel without a page cache
// would, which ends a read(2) where it believes the end of the file to be (SimKernel). kill() is kill -9.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/cluster_file.h"
#include "base/log.h"
#include "base/turns.h"
#include "client/client.h"
#include "tests/cluster/sim_kernel.h"
#include "tests/cluster/sim_servers.h"
#include "vault/identity.h"

namespace conclave::sim {

class SimMount {
 public:
  // Of `cluster` the servers are used and, where it names a vault, the log's key and the roster's hash: there are secrets
  // then. `on_lost`: its session is gone, and with it what it had not sent.
  SimMount(Simulation& sim, const std::string& name, const ClusterFile& cluster, std::function<void()> on_lost);
  ~SimMount();
  SimMount(const SimMount&) = delete;

  void kill();
  void restart();   // after kill(): a new session, nothing remembered
  // Writes back, returns the leases and ends the session, as unmounting does. From a task of the mount.
  Status unmount();

  // A program on this mount.
  SimScheduler::TaskId spawn(const std::string& what, std::function<void()> body) {
    return node_.spawn(what, std::move(body));
  }
  [[nodiscard]] SimNode& node() { return node_; }
  [[nodiscard]] const std::string& name() const { return node_.name(); }
  [[nodiscard]] client::Client& client();
  [[nodiscard]] bool session_open() const;
  // What its write buffers hold, by its own account. A failure of the test if their sum is another, or if something is
  // held and there is nothing to write.
  std::size_t held_bytes();
  // Runs `op` (returning Result or Status) as the adapter does: again from its beginning when what it waits for came.
  template <class Op>
  auto run(Op op) {
    for (;;) {
      auto result = op();
      if (result) return result;
      const Error error = client().leases().await_session(result.error());
      if (error.code != Errc::kPending) return result;
      wait_for(error.key);
    }
  }

  // The programs speak for this person from now on; from a task of the mount.
  Status log_in(const vault::Login& login);

  // Calls of programs, by path below the root ("dir/name"); descriptors are OpenTable's handles.
  Result<std::uint64_t> create(const std::string& path, int flags);   // O_CREAT; O_EXCL and others in `flags`
  Result<std::uint64_t> open(const std::string& path, int flags);
  void close(std::uint64_t handle);
  Result<std::size_t> write(std::uint64_t handle, std::uint64_t offset, ByteView bytes);
  Result<std::size_t> append(std::uint64_t handle, ByteView bytes);   // the descriptor has O_APPEND
  Result<std::string> read(std::uint64_t handle, std::uint64_t offset, std::uint64_t length);
  Status fsync(std::uint64_t handle);
  // flock(2) and fcntl(2). A program that waits is interrupted at `interrupt`: kInterrupted.
  Status lock(const client::LockRequest& request, MonoTime interrupt = kNever);
  Status allocate(std::uint64_t handle, const client::AllocateRequest& request);
  Status truncate(const std::string& path, std::uint64_t size);
  Status truncate(std::uint64_t handle, std::uint64_t size);   // ftruncate(2)
  // What the kernel sends of a page of a shared mapping, which it read in `page_era`.
  Status write_page(std::uint64_t handle, std::uint64_t page_era, std::uint64_t offset, ByteView bytes);
  Result<dir::v1::Attr> stat(const std::string& path);
  Status make_directory(const std::string& path);
  Status unlink(const std::string& path);
  Status rename(const std::string& from, const std::string& to);
  Status sync_directory(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path);

 private:
  struct Place {
    InodeId parent{};
    std::string name;
  };
  void build();
  client::ClientParts parts();
  client::ClientHooks hooks();
  const client::OpenTable& opens();
  bool appends_to(std::uint64_t handle);
  bool wait_for(client::ParkKey key, MonoTime until = kNever);   // false: the time was over first
  Status resize(InodeId inode, std::uint64_t size, std::optional<std::uint64_t> handle);
  Result<Place> place_of(const std::string& path);
  Result<InodeId> walk(const std::string& path);
  Turns::Turn turn_at(std::uint64_t handle);
  InodeId inode_at(std::uint64_t handle);
  Result<dir::v1::Attr> attributes(InodeId inode);
  Result<InodeId> look_up(InodeId parent, const std::string& name);

  Simulation& sim_;
  const ClusterFile cluster_;
  const std::function<void()> on_lost_;
  Log log_;
  SimFiles memory_;   // what it has seen of the vault: outlives it
  // As the kernel's locks see to it: one change of a directory at a time, and one of a file's bytes or size.
  Turns names_, bytes_;
  SimKernel kernel_;
  std::unique_ptr<client::Client> client_;
  SimNode node_;
  SimTransport transport_;
};

}  // namespace conclave::sim
