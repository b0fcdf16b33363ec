// The file system of one mount, as operations that know no kernel: each answers, fails as POSIX says, or returns
// kPending with the key to park it under, and is then run again from its beginning. Nothing is left half done by
// kPending: leases that may have to be waited for are asked for before the first effect.
//
// Thread-safe. Operations block on servers (as long as their clients' patience), never on a lease, a lock or a
// vote. Coherence is the leases': what an answer says may be kept is kept under one (docs/design/coherence.md).
//
//   fs_tree   names: look-up, making, removing, renaming, listing     fs_attr   attributes, xattrs
//   fs_open   descriptors                                             fs_read, fs_write   bytes of plain files
//   fs_lock   flock and fcntl                         fs_debts   what L is told later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "client/bytes/chunk_io.h"
#include "client/bytes/flusher.h"
#include "client/session/client_session.h"
#include "client/session/held_locks.h"
#include "client/session/lock_debts.h"
#include "client/session/lock_waits.h"
#include "client/session/servers.h"
#include "client/status/status_files.h"
#include "client/tree/fs_class.h"
#include "client/tree/fs_types.h"
#include "lockserver/lock_client.h"

namespace conclave::client {

// What the file system is made of; main builds it.
struct FsParts {
  const Servers& servers;
  lock::LockClient& locks;
  std::function<std::shared_ptr<OpenedSession>()> session;     // null while a lost one is being replaced
  LeaseCache& leases;
  LockWaits& lock_waits;
  HeldLocks& held_locks;
  InodeTable& inodes;
  OpenTable& opens;
  ChunkIo& chunks;
  Flusher& flusher;
  StatusFiles& status;
  FsClasses& classes;
  Clock& clock;
  Parking& parking;
  // Tells the kernel that the inode has this size at least, whatever it believes, and calls `done`. Does not block. Empty:
  // there is no kernel.
  std::function<void(InodeId, std::uint64_t size_bytes, std::function<void()> done)> raise_size;
};

class Fs {
 public:
  // Fills the plain row of the table.
  explicit Fs(FsParts parts);

  // Names (fs_tree). `name` is one component; "." and ".." are looked up as such.
  Result<EntryAnswer> lookup(const Caller& caller, InodeId parent, const std::string& name);
  void forget(InodeId inode, std::uint64_t count);
  Result<EntryAnswer> make(const Caller& caller, InodeId parent, const NewNode& node);
  Result<EntryAnswer> link(const Caller& caller, InodeId inode, InodeId parent, const std::string& name);
  Status remove(const Caller& caller, InodeId parent, const std::string& name, bool directory);
  struct Rename {
    InodeId from_parent{};
    std::string from_name;
    InodeId to_parent{};
    std::string to_name;
    bool no_replace = false;
    bool exchange = false;
  };
  Status rename(const Caller& caller, const Rename& request);
  Result<std::string> read_link(const Caller& caller, InodeId inode);

  // Attributes (fs_attr). `handle` 0: by name.
  Result<AttrAnswer> attributes(const Caller& caller, InodeId inode);
  // `handle`: through a descriptor, which may do what it was opened for.
  Result<AttrAnswer> change_attributes(const Caller& caller, InodeId inode, const AttrChange& change,
                                       std::optional<std::uint64_t> handle = {});
  Status access(const Caller& caller, InodeId inode, unsigned mask);
  Result<std::string> xattr(const Caller& caller, InodeId inode, const std::string& name);
  Result<std::string> xattr_names(const Caller& caller, InodeId inode);   // each ends with a NUL
  enum class XattrRule : std::uint8_t { kAny, kCreate, kReplace };
  Status set_xattr(const Caller& caller, InodeId inode, const std::string& name, std::string value, XattrRule rule);
  Status remove_xattr(const Caller& caller, InodeId inode, const std::string& name);
  Result<dir::v1::StatFsResponse> statfs();

  // Descriptors (fs_open). `made` is kept over reruns, null before the first: what an earlier one made, and had to wait
  // before it could open it.
  Result<CreateAnswer> create(const Caller& caller, InodeId parent, const NewNode& node, int flags, InodePtr& made);
  Result<OpenAnswer> open(const Caller& caller, InodeId inode, int flags);
  void unopened(std::uint64_t handle);    // the kernel did not take the answer
  Status flush(const Caller& caller, std::uint64_t handle, std::uint64_t lock_owner);
  void release(std::uint64_t handle, std::optional<std::uint64_t> flock_owner);
  Result<OpenAnswer> open_directory(const Caller& caller, InodeId inode);
  Status list(const Caller& caller, std::uint64_t handle, std::uint64_t offset, bool plus, const TakeEntry& take);
  void release_directory(std::uint64_t handle);
  Status sync_directory(InodeId inode);
  Result<unsigned> poll(const Caller& caller, std::uint64_t handle, const PollRequest& request);

  // Bytes (fs_read, fs_write).
  Result<ReadAnswer> read(const Caller& caller, std::uint64_t handle, const ReadRequest& request);
  void read_answered(InodeId inode) { parts_.leases.note_read_answered(inode); }
  Result<std::size_t> write(const Caller& caller, std::uint64_t handle, InodeId inode, const WriteRequest& request);
  [[nodiscard]] std::uint64_t page_era(InodeId inode) { return parts_.leases.page_era(inode); }
  // A secret, or a message to this mount: what was written there must not stay in buffers.
  [[nodiscard]] bool is_confidential(InodeId inode) const;
  Status sync(std::uint64_t handle);
  Status allocate(const Caller& caller, std::uint64_t handle, const AllocateRequest& request);
  Result<std::uint64_t> seek(std::uint64_t handle, std::uint64_t offset, bool hole);
  Result<std::uint64_t> copy(const Caller& caller, const CopyRequest& request);

  // Locks (fs_lock). An operation keeps its LockCall over reruns: the place in the queue, and what L did not answer.
  struct LockCall {
    LockWaits::Wait wait;                         // number 0: L has not been asked yet, or it is not to wait
    bool queued = false;                          // L said so
    std::shared_ptr<UnansweredCall> unanswered;
    std::uint64_t number = 0;                     // HeldLocks', of the unanswered call
  };
  Result<LockRequest> conflicting_lock(const LockRequest& request);   // type kUnlock: there is none
  Status set_lock(const LockRequest& request, LockCall& call);
  // The waiting program was interrupted. True: it is over, answer EINTR; false: it was granted just now.
  bool cancel_lock(const LockRequest& request, const LockCall& call);

  // For the lease cache's hooks: what a recall needs.
  Status drain(InodeId inode, LeaseMode keep);
  [[nodiscard]] bool is_open(InodeId inode) const;
  void told_open(InodeId inode);
  // For a duty: what L could not be told, or need not be told, at once.
  void pay_debts();
  [[nodiscard]] bool is_directory(InodeId inode) const;
  // The session was lost: what was not sent is lost, and each descriptor says so once.
  void lose_everything();
  // Locks that were taken through these descriptors are lost: they fail with EIO until they are closed.
  void lose_locks(const std::vector<std::uint64_t>& handles);
  // For the session, when it reclaims.
  [[nodiscard]] std::vector<InodeId> open_inodes() const;
  void lease_renewed(InodeId inode, const HeldLease& lease);
  // For whoever runs operations: one that failed for `why` is run again when kPending's key is delivered, if that was
  // the end of its session, or its lease was overtaken; else it is `why`.
  Error await_session(const Error& why);

  // Leases, for the classes' functions. The use pins the lease, and attributes under it are in the inode. kPending.
  Result<LeaseCache::Use> lease(const InodePtr& inode, LeaseMode mode);
  Result<LeaseCache::Use> lease_with_attributes(const InodePtr& inode, LeaseMode mode);
  static Held held_of(const LeaseCache::Use& use) { return {use.token(), use.since()}; }
  // Bytes that were acknowledged are lost: each descriptor that was open says so once, at its next fsync or close.
  static void lose(Inode& inode, const Error& why);
  static Status report_failures(OpenFile& file);
  Status same_session(std::uint64_t losses) const;
  Status check_page(InodeId number, const WriteRequest& request);
  static Status check_own_bytes(OpenFile& file);           // as report_failures, for a descriptor that wrote; it stays unsaid
  [[nodiscard]] const FsParts& parts() const { return parts_; }

 private:
  // Inodes.
  Result<InodePtr> known(InodeId inode);                    // with its attributes, at least as a hint
  Result<OpenFilePtr> open_file(std::uint64_t handle) const;
  Result<OpenFilePtr> intact_file(std::uint64_t handle) const;
  static Status check_locks(const OpenFile& file);          // kIo: a lock taken through it is lost
  [[nodiscard]] const FileClass& class_of(Inode& inode) const;
  [[nodiscard]] const FileClass& class_inside(Inode& directory) const;
  Status refresh(Inode& inode, std::uint64_t since);
  Status raise_size(const InodePtr& inode, std::uint64_t since);
  Result<std::string> ticket_of(Inode& inode);              // D's, asked for if there is none
  static LeaseMode cache_mode(Inode& inode);                // R, or DR of a directory
  static LeaseMode change_mode(Inode& inode);               // W, or DW
  // For effects that others should see; without it where the ticket does not allow it (chmod of one's own read-only
  // file): D checks the operation itself.
  Result<std::optional<LeaseCache::Use>> lease_for_change(const InodePtr& inode);
  static void learn(const InodePtr& inode, const dir::v1::Attr& attr, std::uint64_t since);
  static void learn_changed(const InodePtr& inode, const dir::v1::Attr& attr,
                            const std::optional<LeaseCache::Use>& use);
  static void learn_moved(const InodePtr& inode, const dir::v1::Attr& attr);
  void gone(const InodePtr& inode);

  // Names. Operations that name an inode to D first trust what is remembered of names, and again without.
  Result<InodePtr> child_of(const Caller& caller, const InodePtr& parent, const std::string& name, std::uint64_t since,
                            bool trust_hints);
  static Status check_class(const InodePtr& parent, const std::string& name, const InodePtr& child);
  Status check_rename(const InodePtr& from, const InodePtr& to, const InodePtr& moved) const;
  EntryAnswer entry_of(const Caller& caller, const InodePtr& parent, const InodePtr& child);
  struct Made {
    InodePtr child;
    bool existed = false;
    LeaseCache::Use name_use;
  };
  Result<Made> make_at_dir(const Caller& caller, const InodePtr& parent, const NewNode& node, bool exclusive);
  Status remove_once(const Caller& caller, InodeId parent, const std::string& name, bool directory, bool hints);
  Status rename_once(const Caller& caller, const Rename& request, bool hints);

  // Descriptors.
  Result<OpenAnswer> opened(const Caller& caller, const InodePtr& inode, int flags);
  void close_file(const OpenFilePtr& file);
  using PagePtr = std::shared_ptr<ListPage>;
  Result<PagePtr> page_from(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus);
  Result<PagePtr> fetch_page(const Caller& caller, OpenFile& file, std::uint64_t after, bool plus);
  void read_attributes_of(ListPage& page);
  void forget_page(const ListPage& page);
  bool tell_page(const Caller& caller, const OpenFile& file, const ListPage& page, std::uint64_t after, bool plus,
                 const TakeEntry& take);
  EntryAnswer listed_entry(const Caller& caller, const InodePtr& directory, const ListPage& page, int index);

  // The plain row of the table of classes.
  Result<AttrAnswer> plain_attributes(const InodePtr& inode);
  Result<OpenAnswer> plain_open(const Caller& caller, OpenFile& file);
  Result<ReadAnswer> plain_read(OpenFile& file, const ReadRequest& request);
  Result<std::size_t> plain_write(const Caller& caller, OpenFile& file, const WriteRequest& request);
  Status plain_resize(const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size);
  Status plain_sync(OpenFile& file);
  Status plain_allocate(const Caller& caller, OpenFile& file, const AllocateRequest& request);
  Result<std::uint64_t> plain_seek(OpenFile& file, std::uint64_t offset, bool hole);
  Status cut_to(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size);
  Status cut_at_servers(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size);

  // Locks.
  Result<std::shared_ptr<OpenedSession>> opened_session() const;
  Result<bool> ask_lock(const LockRequest& request, LockCall& call);
  Status check_lock(const LockRequest& request);
  Result<bool> take_lock_answer(const HeldLocks::Request& asked, std::uint64_t number,
                                const Result<lock::v1::SetLockResponse>& answer);
  Result<bool> send_lock(const LockRequest& request, LockCall& call, const std::string& ticket);
  Error not_now(const Error& from_lock_server);
  Status own_lock(const LockRequest& request);
  Result<std::shared_ptr<UnansweredCall>> unlock(const LockDebts::Unlock& which);
  Status end_unanswered(const LockDebts::Unlock& which, const UnansweredCall& unanswered);
  Result<bool> cancel_wait(OpenedSession& session, std::uint64_t wait);
  void unlock_all(Inode& inode, std::uint64_t owner, bool flock);

  // What L is owed (fs_debts).
  void pay_unlocks();
  void pay_closed();
  void pay_unheld();

  FsParts parts_;
  LockDebts debts_;
};

}  // namespace conclave::client
