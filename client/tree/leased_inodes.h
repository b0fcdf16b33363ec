// Inodes as operations use them: known with attributes, under a lease, and told to L as open or closed. The one place
// where an inode meets its lease.
//
// Thread-safe. Blocks on servers, as long as their clients' patience; never on a lease: what has to wait for one is
// kPending, and is run again from its beginning.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/bytes/flusher.h"
#include "client/session/client_session.h"
#include "client/session/lock_debts.h"
#include "client/session/servers.h"
#include "client/tree/file_class.h"
#include "client/tree/inode_table.h"

namespace conclave::client {

class LeasedInodes {
 public:
  struct Parts {
    const Servers& servers;
    LeaseCache& leases;
    LockDebts& debts;
    InodeTable& table;
    Flusher& flusher;
    const FileClasses& classes;
  };
  explicit LeasedInodes(Parts parts) : parts_(parts) {}

  // With its attributes, at least as a hint. kStale: a number that nobody knows.
  Result<InodePtr> known(InodeId inode);
  // The row by which the inode itself behaves, and the one for what is in the folder.
  [[nodiscard]] const FileClass& row_of(Inode& inode) const;
  [[nodiscard]] const FileClass& row_within(Inode& folder) const;

  // The use pins the lease. kPending, kAccess.
  Result<LeaseCache::Use> lease(const InodePtr& inode, LeaseMode mode);
  // And attributes under it are in the inode.
  Result<LeaseCache::Use> lease_with_attributes(const InodePtr& inode, LeaseMode mode);
  // For effects that others should see; without it where the ticket does not allow it (chmod of one's own read-only
  // file): D checks the operation itself.
  Result<std::optional<LeaseCache::Use>> lease_for_change(const InodePtr& inode);
  static LeaseMode cache_mode(Inode& inode);    // R, or DR of a directory
  static LeaseMode change_mode(Inode& inode);   // W, or DW
  // D's, asked for if there is none; and asked for anew, with the attributes as a hint.
  Result<std::string> ticket_of(Inode& inode);
  Result<std::string> new_ticket_of(Inode& inode);

  // What an operation answered about an inode; valid under the lease it was done under, if there was one.
  static void learn(const InodePtr& inode, const dir::v1::Attr& attr, std::uint64_t since);
  static void learn_changed(const InodePtr& inode, const dir::v1::Attr& attr, const std::optional<LeaseCache::Use>& use);
  // Removed everywhere and open nowhere here: nobody will read what is not sent yet.
  void drop_if_removed(const InodePtr& inode);

  // One more, or one less descriptor. The first is counted before a lease could be recalled: D must know that it is open.
  static void open(Inode& inode);
  void close(const InodePtr& inode);
  [[nodiscard]] bool is_open(InodeId inode) const;
  [[nodiscard]] bool is_directory(InodeId inode) const;
  [[nodiscard]] std::vector<InodeId> open_ones() const;

  // L has it that the inode is open here. Its last close may have been before L's answer.
  void told_open(InodeId inode);
  // The lease goes back, or down to `keep`: Flusher::hand_over.
  Status drain(InodeId inode, LeaseMode keep);
  void lease_renewed(InodeId inode, const HeldLease& lease);
  // The session was lost: what was not sent is lost, and each descriptor says so once.
  void lose_everything();

 private:
  Status refresh(Inode& inode, std::uint64_t since);

  const Parts parts_;
};

}  // namespace conclave::client
