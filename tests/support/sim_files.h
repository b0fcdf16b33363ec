// Seam Files on a disk in memory that does what a disk is allowed to do. Until a file is synced, a power loss may
// take back any part of what was written to it, torn at 512 bytes; until a folder is synced, any of its new names,
// renames and removals. What is lost is chosen from the seed. A disk fills up, and a call fails, when a test says so.
// Folders are made durably by make_folders; "/" and "." are there. Thread-safe.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/guarded.h"
#include "tests/support/sim_random.h"

namespace conclave::sim {

class SimFiles final : public Files {
 public:
  enum class Call : std::uint8_t {
    kOpen,
    kRead,
    kWrite,
    kSync,
    kTruncate,
    kAllocate,
    kPunch,
    kRename,
    kRemove,
    kSyncFolder,
    kLock,
  };
  static constexpr std::size_t kCalls = 11;
  static constexpr std::size_t kSectorBytes = 512;

  explicit SimFiles(std::uint64_t seed = 1) : random_(seed) {}

  // --- The power and the process.
  // Loses what was not synced, by the seed's choice. Files open now fail for ever (kIo); locks are gone.
  void crash();
  // kill -9: nothing is lost, but files open now fail for ever; locks are gone.
  void kill_process();
  // All calls fail (kIo) until crash() or kill_process(): what runs yet of a process that is being killed has no
  // more effect.
  void halt();
  // The power goes off in the nth sync (of a file or folder) from now, counted from 1, before it had an effect: that
  // call and all others fail (kIo) until crash() turns the power on again.
  void cut_power_at_sync(std::uint64_t nth);
  [[nodiscard]] bool has_power() const;

  // --- Other faults.
  // The nth such call from now fails with `code`; a failing write leaves a part of its bytes.
  void fail(Call call, std::uint64_t nth, Errc code);
  void set_capacity(std::uint64_t bytes);  // of all blocks in use; kNoSpace beyond
  void flip_bit(const std::string& path, std::uint64_t bit);
  void lose_file(const std::string& path);  // its name is gone, also after a power loss; who has it open keeps it
  // All files as they are now, and the disk as it was: restored from a backup, while nothing has it open.
  struct Backup;
  [[nodiscard]] std::shared_ptr<const Backup> backup() const;
  void restore(const Backup& backup);
  [[nodiscard]] std::vector<std::string> paths() const;

  // --- What happened.
  [[nodiscard]] std::uint64_t count(Call call) const;
  [[nodiscard]] std::uint64_t syncs_of(const std::string& path) const;  // of the file's content, since it was made
  [[nodiscard]] std::uint64_t all_syncs() const { return count(Call::kSync) + count(Call::kSyncFolder); }
  // Called before each sync, holding nothing: a place for the scheduler to let others run.
  void before_sync(std::function<void()> hook) { before_sync_ = std::move(hook); }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<bool> exists(const std::string& path) override;
  Status sync_folder(const std::string& folder) override;
  Status sync_all(const std::string& folder) override;   // counts as one sync of a folder
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<File>> lock_exclusively(const std::string& path) override;

 private:
  friend class SimFile;
  struct Inode;
  using InodePtr = std::shared_ptr<Inode>;
  using Names = std::map<std::string, InodePtr>;
  struct NameChange {  // `made` now has the inode; `gone` has nothing. Either may be empty.
    std::string made;
    std::string gone;
    InodePtr inode;
  };
  struct Fault {
    std::uint64_t left = 0;
    Errc code{};
  };

  static void apply(const NameChange& change, Names& names);
  Status begin(Call call, const std::string& what) REQUIRES(mutex_);  // counts; fails without power or by a fault
  Status begin_sync(Call call, const std::string& what) REQUIRES(mutex_);
  Result<InodePtr> find(const std::string& path) const REQUIRES(mutex_);
  void change_names(NameChange change) REQUIRES(mutex_);
  std::uint64_t used_bytes() const REQUIRES(mutex_);
  Status room_for(std::uint64_t bytes) const REQUIRES(mutex_);
  Result<InodePtr> open_inode(const std::string& path, OpenMode mode) REQUIRES(mutex_);

  mutable std::mutex mutex_;
  std::function<void()> before_sync_;
  SimRandom random_ GUARDED_BY(mutex_);
  std::set<std::string> folders_ GUARDED_BY(mutex_) = {"/", "."};
  Names names_ GUARDED_BY(mutex_);
  Names durable_names_ GUARDED_BY(mutex_);
  std::vector<NameChange> unsynced_names_ GUARDED_BY(mutex_);
  std::map<std::string, const void*> locks_ GUARDED_BY(mutex_);               // path, the File that holds it
  std::uint64_t generation_ GUARDED_BY(mutex_) = 1;                           // of open files
  bool power_ GUARDED_BY(mutex_) = true;
  std::uint64_t power_cut_in_ GUARDED_BY(mutex_) = 0;                         // syncs; 0: none planned
  std::uint64_t capacity_bytes_ GUARDED_BY(mutex_) = std::uint64_t{1} << 50;
  std::array<std::uint64_t, kCalls> counts_ GUARDED_BY(mutex_){};
  std::array<std::optional<Fault>, kCalls> faults_ GUARDED_BY(mutex_);
};

}  // namespace conclave::sim
