// The directory server's database: one writer that commits for everybody queued behind it, and readers on
// connections of their own. The engine is commit() and read(); all rules are above it.
//
// An operation is a function of what it is given: it may run more than once before it is answered. What it answers
// is kept under its id in the same transaction. Thread-safe; both block (on the disk, and on each other's group).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/waiter.h"
#include "dirserver/commit_queue.h"
#include "dirserver/dir_change.h"
#include "dirserver/op_slots.h"

namespace conclave::dir {

// Whose the first directories are.
struct TreeOwner {
  std::uint32_t uid = 0, gid = 0;
};

class DirStore {
 public:
  // `path`: the database, made with its first directories, which are `owner`'s, if missing. What it says survives power loss when this
  // returns. kBusy: another process has it; kCorrupt; kNotSupported: of a newer version.
  static Result<std::unique_ptr<DirStore>> open(const SqliteVfs& vfs, const std::string& path, unsigned readers,
                                                const Change::Placing& placing, const TreeOwner& owner, Clock& clock,
                                                Waiter& waiter, Log& log);
  ~DirStore();

  // Runs `body` in a transaction and answers when it is committed; with `synced`, when it survives power loss, and
  // with it all that was answered before. An error of the body means that nothing was changed. kUnknown: the
  // commit failed on the disk; a restart may find that it happened.
  template <class Response>
  Result<Response> commit(const OpId& op, bool synced, const std::function<Result<Response>(Change&)>& body);

  // The same for what has no id and answers nothing: D's own changes.
  Status commit_status(bool synced, const std::function<Status(Change&)>& body);

  // Runs `body` on a snapshot of what is committed.
  template <class Value>
  Result<Value> read(const std::function<Result<Value>(View&)>& body);

  // Commits what is not synced yet; nothing if all is.
  Status sync();
  // Moves the log into the database file. For one background duty.
  Status checkpoint() { return checkpointer_->checkpoint(); }
  // Drops the kept answers of sessions that have ended. sessions(): all that have any, as of the start.
  Status drop_sessions(const std::vector<SessionId>& ended);
  [[nodiscard]] const std::vector<SessionId>& sessions_at_start() const { return sessions_at_start_; }

  // The number of the last commit that survives power loss.
  [[nodiscard]] std::uint64_t synced_commit() const { return synced_commit_; }
  struct Figures {              // since the start, but for `counts`
    Change::Counts counts;
    std::uint64_t commits = 0, operations = 0, syncs = 0;
  };
  [[nodiscard]] Figures figures() const;
  // How far this database has come, as of the last commit that survives power loss.
  [[nodiscard]] v1::Past past() const;

 private:
  struct Pending;
  struct Reader;
  class Borrowed;
  using Body = std::function<Result<std::string>(Change&)>;

  DirStore(Clock& clock, Waiter& waiter, Log& log);
  Status open_writer(const SqliteVfs& vfs, const std::string& path, const Change::Placing& placing,
                     const TreeOwner& owner);
  Result<std::string> commit_bytes(const OpId& op, bool synced, const Body& body, bool& replayed);
  void commit_group(const CommitQueue::Group& group);
  Status commit_together(const std::vector<Pending*>& group, bool& again);
  Error told(const Error& error);
  Status run_one(Pending& pending);
  Status remember(Pending& pending, const Result<std::string>& answer);
  void note(std::size_t operations, bool synced);
  std::unique_ptr<Reader> take_reader();
  void give_back(std::unique_ptr<Reader> reader);

  Clock& clock_;
  Waiter& waiter_;
  Log& log_;
  std::vector<SessionId> sessions_at_start_;

  // The group's leader only.
  std::unique_ptr<Database> writer_;
  std::unique_ptr<Change> change_;
  std::unique_ptr<OpSlots> slots_;
  CommitQueue queue_;

  std::unique_ptr<Database> checkpointer_;
  std::atomic<bool> failing_{false};               // a failure of the machine was logged, and no commit succeeded since
  std::atomic<std::uint64_t> synced_commit_{0};
  mutable std::mutex mutex_;
  Figures figures_ GUARDED_BY(mutex_);
  v1::Past past_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Reader>> readers_ GUARDED_BY(mutex_);  // those that are free
};

struct DirStore::Reader {
  std::unique_ptr<Database> database;
  std::unique_ptr<View> view;   // ends before its database
};

// A reader with its snapshot, for as long as one read lasts.
class DirStore::Borrowed {
 public:
  explicit Borrowed(DirStore& store) : store_(store), reader_(store.take_reader()) {}
  ~Borrowed() { store_.give_back(std::move(reader_)); }
  Borrowed(const Borrowed&) = delete;
  View& view() { return *reader_->view; }

 private:
  DirStore& store_;
  std::unique_ptr<Reader> reader_;
};

template <class Response>
Result<Response> DirStore::commit(const OpId& op, bool synced, const std::function<Result<Response>(Change&)>& body) {
  Response response;
  bool replayed = false;
  const Body bytes_of = [&](Change& change) -> Result<std::string> {
    response = TRY(body(change));
    return op.sequence == 0 ? std::string() : response.SerializeAsString();
  };
  const std::string bytes = TRY(commit_bytes(op, synced, bytes_of, replayed));
  if (replayed && !response.ParseFromString(bytes)) return Error(Errc::kCorrupt, "a kept answer is unreadable");
  return response;
}

template <class Value>
Result<Value> DirStore::read(const std::function<Result<Value>(View&)>& body) {
  Borrowed borrowed(*this);
  TRY(borrowed.view().begin());
  Result<Value> value = body(borrowed.view());
  borrowed.view().end();
  if (!value) return told(value.error());
  return value;
}

}  // namespace conclave::dir
