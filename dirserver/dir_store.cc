#include "dirserver/dir_store.h"

#include <utility>

#include "dirserver/dir_schema.h"

namespace conclave::dir {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::uint64_t kFirstInode = 16;   // below: the root, and what a later version may need
constexpr std::uint64_t kFirstCookie = 16;  // below: free for . and .. at clients

Status make_schema(Database& database) {
  return database.transaction(true, [&]() -> Status {
    TRY(database.exec(kSchema));
    auto state = TRY(database.prepare("INSERT INTO state VALUES (1, ?, ?, 1, ?, randomblob(16), 1, 0, 0, 0, 0, 0)"));
    return state.bind(kFormat, kFirstInode, kFirstCookie).run();
  });
}

Result<bool> has_schema(Database& database) {
  auto any = TRY(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'state'"));
  return any.step();
}

Status check_format(Database& database) {
  auto state = TRY(database.prepare("SELECT format FROM state WHERE one = 1"));
  if (!TRY(state.step())) return Error(Errc::kCorrupt, "the database has no state");
  if (state.i64(0) == kFormat) return {};
  return Error(Errc::kNotSupported, "the database is of format " + std::to_string(state.i64(0)) +
                                        ", which this version does not know: run the version that made it");
}

Node directory(Change& change, const TreeOwner& owner, InodeId inode, InodeId parent, std::uint32_t mode,
               v1::Class file_class) {
  Node node;
  node.uid = owner.uid;
  node.gid = owner.gid;
  node.inode = inode;
  node.parent = parent;
  node.mode = S_IFDIR | mode;
  node.nlink = 2;
  node.file_class = file_class;
  node.atime_ns = node.mtime_ns = node.ctime_ns = node.btime_ns = change.now_ns();
  return node;
}

struct Given {
  const char* name;
  std::uint32_t mode;
  v1::Class file_class;
};
constexpr Given kGiven[] = {
    {"secrets", 01777, v1::SECRET},
    {"sensors", 01777, v1::APPEND},
    {"chat", 01777, v1::CHAT},
};

// The root and one directory of each class, unless there is a root.
Status make_first_tree(Change& change, const TreeOwner& owner) {
  const auto there = change.view().node(kRootInode);
  if (there) return {};
  if (there.error().code != Errc::kStale) return there.error();
  Node& root = change.add_node(directory(change, owner, kRootInode, kRootInode, 0755, v1::PLAIN));
  for (const Given& given : kGiven) {
    Node& made = change.add_node(directory(change, owner, change.new_inode(), kRootInode, given.mode, given.file_class));
    TRY(change.add_name(kRootInode, given.name, made));
    ++root.nlink;
  }
  return {};
}

// Answers of the rules are kept; those of the machine are not, the operation may be tried again.
bool is_decision(Errc code) {
  switch (code) {
    case Errc::kCorrupt:
    case Errc::kIo:
    case Errc::kNoSpace:
    case Errc::kBusy:
    case Errc::kUnavailable:
    case Errc::kOverloaded:
    case Errc::kMisordered:
    case Errc::kInternal: return false;
    default: return true;
  }
}

// After these SQLite may have taken the transaction back by itself.
bool is_engine_failure(Errc code) { return code == Errc::kCorrupt || code == Errc::kIo || code == Errc::kInternal; }

// A kept answer: 0 and the response, or 1, the error's code and its message.
std::string encode_answer(const Result<std::string>& answer) {
  if (answer) return '\0' + *answer;
  std::string out = "\1";
  out.push_back(static_cast<char>(answer.error().code));
  return out + answer.error().message;
}

Result<std::string> decode_answer(const std::string& kept) {
  if (!kept.empty() && kept[0] == '\0') return kept.substr(1);
  if (kept.size() < 2 || static_cast<std::uint8_t>(kept[1]) >= kErrcCount) {
    return Error(Errc::kCorrupt, "a kept answer is unreadable");
  }
  return Error(static_cast<Errc>(kept[1]), kept.substr(2));
}

}  // namespace

struct DirStore::Pending : CommitQueue::Item {
  OpId op;
  bool synced = false;
  const Body* body = nullptr;
  bool replayed = false;
  Result<std::string> outcome = Errc::kInternal;
};

DirStore::DirStore(Clock& clock, Waiter& waiter, Log& log)
    : clock_(clock), waiter_(waiter), log_(log),
      queue_(waiter, [this](const CommitQueue::Group& group) { commit_group(group); }) {}

DirStore::~DirStore() = default;

Result<std::unique_ptr<DirStore>> DirStore::open(const SqliteVfs& vfs, const std::string& path, unsigned readers,
                                                 const Change::Placing& placing, const TreeOwner& owner,
                                                 Clock& clock, Waiter& waiter, Log& log) {
  std::unique_ptr<DirStore> store(new DirStore(clock, waiter, log));
  TRY(store->open_writer(vfs, path, placing, owner));
  store->checkpointer_ = TRY(Database::open(vfs, path, Database::Access::kReadWrite));
  for (unsigned i = 0; i < readers; ++i) {
    auto reader = std::make_unique<Reader>();
    reader->database = TRY(Database::open(vfs, path, Database::Access::kReadOnly));
    reader->view = TRY(View::over(*reader->database, store->change_->change_floor()));
    store->give_back(std::move(reader));
  }
  return store;
}

Status DirStore::open_writer(const SqliteVfs& vfs, const std::string& path, const Change::Placing& placing,
                             const TreeOwner& owner) {
  writer_ = TRY(Database::open(vfs, path, Database::Access::kReadWrite));
  if (!TRY(has_schema(*writer_))) TRY(make_schema(*writer_));
  TRY(check_format(*writer_));
  change_ = TRY(Change::over(*writer_, placing));
  slots_ = TRY(OpSlots::over(*writer_));
  sessions_at_start_ = TRY(slots_->sessions());
  // The first synced commit: all that a crash of the last process left in the log survives power loss from here on.
  return commit_status(true, [&](Change& change) -> Status {
    TRY(change.begin_run());
    return make_first_tree(change, owner);
  });
}

Result<std::string> DirStore::commit_bytes(const OpId& op, bool synced, const Body& body, bool& replayed) {
  const auto pending = std::make_shared<Pending>();
  pending->op = op;
  pending->synced = synced;
  pending->body = &body;
  queue_.run(pending);
  replayed = pending->replayed;
  return std::move(pending->outcome);
}

// A group that one operation spoils is committed again one by one. A group whose commit fails is not: the disk is
// at fault, and what the commit left there is unknown.
void DirStore::commit_group(const CommitQueue::Group& items) {
  std::vector<Pending*> group;
  for (const auto& item : items) group.push_back(static_cast<Pending*>(item.get()));
  bool again = false;
  const Status together = commit_together(group, again);
  if (together) return;
  for (Pending* pending : group) {
    bool never = false;
    const Status status = again ? commit_together({pending}, never) : together;
    if (!status) pending->outcome = told(status.error());
  }
}

// What the machine could not do is logged here, once until a commit succeeds again, and told without our insides.
Error DirStore::told(const Error& error) {
  if (is_decision(error.code) || error.code == Errc::kUnavailable) return error;
  if (!failing_.exchange(true)) log_.error("the database failed", {{"error", error}});
  if (error.code == Errc::kNoSpace) return Error(Errc::kNoSpace, "the directory server's disk is full");
  return Error(error.code, "the directory server's database failed; its log says how");
}

Status DirStore::commit_together(const std::vector<Pending*>& group, bool& again) {
  bool synced = change_->needs_sync();
  for (const Pending* pending : group) synced = synced || pending->synced;
  bool spoiled = false;
  Status status = writer_->transaction(synced, [&]() -> Status {
    spoiled = true;
    for (Pending* pending : group) TRY(run_one(*pending));
    TRY(change_->flush(synced));
    spoiled = false;
    return {};
  });
  change_->ended(status.has_value());
  if (status) {
    failing_ = false;
    note(group.size(), synced);
    return {};
  }
  again = spoiled && group.size() > 1;
  slots_->forget_cached();
  const bool unknown = !spoiled && status.error().code == Errc::kIo;
  return unknown ? Error(Errc::kUnknown, status.error().message) : std::move(status).error();
}

// Fails only if the group must be taken back.
Status DirStore::run_one(Pending& pending) {
  pending.replayed = false;
  // Whoever was admitted before the fence was stored comes too late here.
  if (change_->is_fenced(pending.op.session)) {
    pending.outcome = Error(Errc::kFenced, "this session was declared dead");
    return {};
  }
  if (pending.op.sequence != 0) {
    auto kept = slots_->find(pending.op);
    if (!kept && is_engine_failure(kept.error().code)) return std::move(kept).error();
    if (!kept || kept->has_value()) {
      pending.replayed = true;
      pending.outcome = kept ? decode_answer(**kept) : Result<std::string>(std::move(kept).error());
      return {};
    }
  }
  change_->begin_operation(clock_.wall());
  auto answer = (*pending.body)(*change_);
  if (!answer && (change_->wrote() || is_engine_failure(answer.error().code))) return std::move(answer).error();
  if (pending.op.sequence != 0) TRY(remember(pending, answer));
  pending.outcome = std::move(answer);
  return {};
}

Status DirStore::remember(Pending& pending, const Result<std::string>& answer) {
  if (!answer && !is_decision(answer.error().code)) return {};
  return slots_->remember(pending.op, encode_answer(answer));
}

void DirStore::note(std::size_t operations, bool synced) {
  const Change::Counts counts = change_->counts();
  if (synced) synced_commit_ = counts.commits;
  const std::lock_guard lock(mutex_);
  if (synced) past_ = change_->past();
  figures_.counts = counts;
  ++figures_.commits;
  figures_.operations += operations;
  figures_.syncs += synced ? 1 : 0;
}

DirStore::Figures DirStore::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

v1::Past DirStore::past() const {
  const std::lock_guard lock(mutex_);
  return past_;
}

Status DirStore::commit_status(bool synced, const std::function<Status(Change&)>& body) {
  bool replayed = false;
  const Body answer_nothing = [&](Change& change) -> Result<std::string> {
    TRY(body(change));
    return std::string();
  };
  TRY(commit_bytes(OpId{}, synced, answer_nothing, replayed));
  return {};
}

Status DirStore::sync() {
  if (figures().counts.commits == synced_commit_ && !change_->placing().servers.has_marks_to_store()) return {};
  return commit_status(true, [](Change&) { return Status(); });
}

Status DirStore::drop_sessions(const std::vector<SessionId>& ended) {
  return commit_status(false, [&](Change& change) -> Status {
    change.mark_written();
    for (const SessionId session : ended) TRY(slots_->drop(session));
    return {};
  });
}

std::unique_ptr<DirStore::Reader> DirStore::take_reader() {
  while (true) {
    const auto seen = waiter_.observe(&readers_);
    {
      const std::lock_guard lock(mutex_);
      if (!readers_.empty()) {
        auto reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    waiter_.wait(&readers_, seen, kNever);
  }
}

void DirStore::give_back(std::unique_ptr<Reader> reader) {
  {
    const std::lock_guard lock(mutex_);
    readers_.push_back(std::move(reader));
  }
  waiter_.wake(&readers_);
}

}  // namespace conclave::dir
