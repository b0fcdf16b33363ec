#include "tests/support/sim_files.h"

#include <algorithm>

#include "tests/support/sparse_bytes.h"

namespace conclave::sim {
namespace {

// A change of content that a power loss may take back.
struct Change {
  enum Kind : std::uint8_t { kWrite, kTruncate, kReserve, kPunch } kind = kWrite;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // kTruncate: the size
  Bytes bytes;               // kWrite
};

void apply(const Change& change, SparseBytes& content) {
  switch (change.kind) {
    case Change::kWrite:
      return content.write(change.offset, change.bytes);
    case Change::kTruncate:
      return content.truncate(change.length);
    case Change::kReserve:
      return content.reserve(change.offset, change.length);
    case Change::kPunch:
      return content.punch(change.offset, change.length);
  }
}

// Each 512-byte sector of the write arrives or not.
void apply_torn(const Change& change, SparseBytes& content, SimRandom& random) {
  const ByteView bytes(change.bytes);
  for (std::uint64_t done = 0; done < bytes.size();) {
    const std::uint64_t at = change.offset + done;
    const std::uint64_t n =
        std::min<std::uint64_t>(bytes.size() - done, SimFiles::kSectorBytes - at % SimFiles::kSectorBytes);
    if (random.chance(0.5)) content.write(at, bytes.subspan(done, n));
    done += n;
  }
}

// How a power loss treats what was not synced: all of it gone, all of it there, or each change for itself. The
// extremes find the most, and would be rare by chance.
enum class Loss : std::uint8_t { kAll, kNothing, kSome };

Loss choose_loss(SimRandom& random) {
  const std::uint64_t n = random.below(4);
  return n == 0 ? Loss::kAll : n == 1 ? Loss::kNothing : Loss::kSome;
}

bool survives(Loss loss, SimRandom& random) {
  return loss == Loss::kNothing || (loss == Loss::kSome && random.chance(0.5));
}

std::string without_final_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Error no_such(const std::string& path) {
  return {Errc::kNotFound, path + ": no such file or folder"};
}

}  // namespace

struct SimFiles::Inode {
  SparseBytes now;
  SparseBytes durable;
  std::vector<Change> unsynced;
  std::uint64_t syncs = 0;

  void change(Change what) {
    sim::apply(what, now);
    unsynced.push_back(std::move(what));
  }
  void make_durable() {
    for (const Change& what : unsynced) sim::apply(what, durable);
    unsynced.clear();
  }
  void lose_power(SimRandom& random) {
    const Loss loss = choose_loss(random);
    for (const Change& what : unsynced) {
      if (survives(loss, random)) {
        sim::apply(what, durable);
      } else if (loss == Loss::kSome && what.kind == Change::kWrite) {
        apply_torn(what, durable, random);
      }
    }
    unsynced.clear();
    now = durable;
  }
};

class SimFile final : public File {
 public:
  SimFile(SimFiles& files, SimFiles::InodePtr inode, std::string path, bool writable, std::uint64_t generation)
      : files_(files), inode_(std::move(inode)), path_(std::move(path)), writable_(writable), generation_(generation) {}

  ~SimFile() override {
    const std::lock_guard lock(files_.mutex_);
    std::erase_if(files_.locks_, [this](const auto& held) { return held.second == this; });
  }

  Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) override {
    const std::lock_guard lock(files_.mutex_);
    TRY(begin(SimFiles::Call::kRead));
    return inode_->now.read(offset, out);
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    const std::lock_guard lock(files_.mutex_);
    TRY(alive_or_error());
    Status status = begin_change(SimFiles::Call::kWrite, inode_->now.missing_bytes(offset, bytes.size()));
    const bool refused = !status && (!writable_ || status.error().code == Errc::kNoSpace);
    if (!status) bytes = bytes.first(refused ? 0 : files_.random_.below(bytes.size() + 1));
    if (!bytes.empty()) inode_->change({Change::kWrite, offset, bytes.size(), bytes_of(bytes)});
    return status;
  }

  Status sync() override {
    if (files_.before_sync_) files_.before_sync_();
    const std::lock_guard lock(files_.mutex_);
    TRY(alive_or_error());
    TRY(files_.begin_sync(SimFiles::Call::kSync, path_));
    ++inode_->syncs;
    inode_->make_durable();
    return {};
  }

  Status truncate(std::uint64_t size_bytes) override {
    const std::lock_guard lock(files_.mutex_);
    TRY(begin_change(SimFiles::Call::kTruncate, 0));
    inode_->change({Change::kTruncate, 0, size_bytes, {}});
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(files_.mutex_);
    TRY(alive_or_error());
    return inode_->now.size();
  }

  Status allocate(std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(files_.mutex_);
    TRY(begin_change(SimFiles::Call::kAllocate, inode_->now.missing_bytes(offset, length)));
    inode_->change({Change::kReserve, offset, length, {}});
    return {};
  }

  Status punch(std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(files_.mutex_);
    TRY(begin_change(SimFiles::Call::kPunch, 0));
    inode_->change({Change::kPunch, offset, length, {}});
    return {};
  }

 private:
  [[nodiscard]] bool alive() const REQUIRES(files_.mutex_) { return files_.power_ && generation_ == files_.generation_; }
  Status alive_or_error() const REQUIRES(files_.mutex_) {
    if (alive()) return {};
    return Error(Errc::kIo, path_ + ": the process that opened it is gone");
  }
  Status begin(SimFiles::Call call) REQUIRES(files_.mutex_) {
    TRY(alive_or_error());
    return files_.begin(call, path_);
  }
  Status begin_change(SimFiles::Call call, std::uint64_t more_bytes) REQUIRES(files_.mutex_) {
    TRY(begin(call));
    if (!writable_) return Error(Errc::kBadDescriptor, path_ + " is open for reading only");
    return files_.room_for(more_bytes);
  }

  SimFiles& files_;
  const SimFiles::InodePtr inode_;
  const std::string path_;
  const bool writable_;
  const std::uint64_t generation_;
};

void SimFiles::crash() {
  const std::lock_guard lock(mutex_);
  const Loss loss = choose_loss(random_);
  for (const NameChange& change : unsynced_names_) {
    if (survives(loss, random_)) apply(change, durable_names_);
  }
  unsynced_names_.clear();
  names_ = durable_names_;
  std::set<Inode*> seen;
  for (const auto& [path, inode] : names_) {
    if (seen.insert(inode.get()).second) inode->lose_power(random_);
  }
  locks_.clear();
  ++generation_;
  power_ = true;
  power_cut_in_ = 0;
}

void SimFiles::kill_process() {
  const std::lock_guard lock(mutex_);
  locks_.clear();
  ++generation_;
  power_ = true;
}

void SimFiles::halt() {
  const std::lock_guard lock(mutex_);
  power_ = false;
}

void SimFiles::cut_power_at_sync(std::uint64_t nth) {
  const std::lock_guard lock(mutex_);
  power_cut_in_ = nth;
}

bool SimFiles::has_power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

void SimFiles::fail(Call call, std::uint64_t nth, Errc code) {
  const std::lock_guard lock(mutex_);
  faults_[static_cast<std::size_t>(call)] = Fault{nth, code};
}

void SimFiles::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = bytes;
}

void SimFiles::flip_bit(const std::string& path, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  Inode& inode = **find(path);
  for (SparseBytes* content : {&inode.now, &inode.durable}) {
    std::uint8_t byte = 0;
    if (content->read(bit / 8, {&byte, 1}) == 0) continue;
    byte = static_cast<std::uint8_t>(byte ^ 1u << bit % 8);
    content->write(bit / 8, {&byte, 1});
  }
}

void SimFiles::lose_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  names_.erase(path);
  durable_names_.erase(path);
  std::erase_if(unsynced_names_, [&](const NameChange& change) { return change.made == path || change.gone == path; });
}

struct SimFiles::Backup {
  std::map<std::string, SparseBytes> files;
};

std::shared_ptr<const SimFiles::Backup> SimFiles::backup() const {
  const std::lock_guard lock(mutex_);
  auto out = std::make_shared<Backup>();
  for (const auto& [path, inode] : names_) out->files.emplace(path, inode->now);
  return out;
}

void SimFiles::restore(const Backup& backup) {
  const std::lock_guard lock(mutex_);
  names_.clear();
  unsynced_names_.clear();
  for (const auto& [path, content] : backup.files) {
    auto inode = std::make_shared<Inode>();
    inode->now = inode->durable = content;
    names_.emplace(path, std::move(inode));
  }
  durable_names_ = names_;
}

std::vector<std::string> SimFiles::paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [path, inode] : names_) out.push_back(path);
  return out;
}

std::uint64_t SimFiles::count(Call call) const {
  const std::lock_guard lock(mutex_);
  return counts_[static_cast<std::size_t>(call)];
}

std::uint64_t SimFiles::syncs_of(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto inode = find(path);
  return inode ? (*inode)->syncs : 0;
}

Result<std::unique_ptr<File>> SimFiles::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  TRY(begin(Call::kOpen, path));
  auto inode = TRY(open_inode(path, mode));
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, inode, path, mode != OpenMode::kRead, generation_));
}

Status SimFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  TRY(begin(Call::kRename, from));
  auto inode = TRY(find(from));
  if (!folders_.contains(folder_of(to))) return no_such(folder_of(to));
  if (from != to) change_names({to, from, std::move(inode)});
  return {};
}

Status SimFiles::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(begin(Call::kRemove, path));
  TRY(find(path));
  change_names({{}, path, {}});
  return {};
}

Status SimFiles::make_folders(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!power_) return Error(Errc::kIo, path + ": the power is off");
  std::vector<std::string> missing;
  for (std::string folder = without_final_slash(path); !folders_.contains(folder); folder = folder_of(folder)) {
    if (names_.contains(folder)) return Error(Errc::kNotDirectory, folder + " is a file");
    missing.push_back(folder);
  }
  folders_.insert(missing.begin(), missing.end());
  return {};
}

Result<std::vector<std::string>> SimFiles::list(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  if (!power_) return Error(Errc::kIo, folder + ": the power is off");
  const std::string within = without_final_slash(folder);
  if (!folders_.contains(within)) return no_such(folder);
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path != within && folder_of(path) == within) names.push_back(path.substr(path.rfind('/') + 1));
  };
  for (const auto& [path, inode] : names_) add(path);
  for (const auto& path : folders_) {
    if (path != ".") add(path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> SimFiles::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!power_) return Error(Errc::kIo, path + ": the power is off");
  return names_.contains(path) || folders_.contains(without_final_slash(path));
}

Status SimFiles::sync_folder(const std::string& folder) {
  if (before_sync_) before_sync_();
  const std::lock_guard lock(mutex_);
  TRY(begin_sync(Call::kSyncFolder, folder));
  const std::string within = without_final_slash(folder);
  if (!folders_.contains(within)) return no_such(folder);
  std::erase_if(unsynced_names_, [&](const NameChange& change) REQUIRES(mutex_) {
    const bool touched = (!change.made.empty() && folder_of(change.made) == within) ||
                         (!change.gone.empty() && folder_of(change.gone) == within);
    if (touched) apply(change, durable_names_);
    return touched;
  });
  return {};
}

Status SimFiles::sync_all(const std::string& folder) {
  if (before_sync_) before_sync_();
  const std::lock_guard lock(mutex_);
  TRY(begin_sync(Call::kSyncFolder, folder));
  for (const NameChange& change : unsynced_names_) apply(change, durable_names_);
  unsynced_names_.clear();
  for (const auto& [path, inode] : names_) inode->make_durable();
  return {};
}

Result<DiskSpace> SimFiles::space(const std::string&) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t used = used_bytes();
  return DiskSpace{capacity_bytes_, used < capacity_bytes_ ? capacity_bytes_ - used : 0};
}

Result<std::unique_ptr<File>> SimFiles::lock_exclusively(const std::string& path) {
  const std::lock_guard lock(mutex_);
  TRY(begin(Call::kLock, path));
  auto inode = TRY(open_inode(path, OpenMode::kCreate));
  if (locks_.contains(path)) return Error(Errc::kBusy, path + " is locked: another process is using what it guards");
  auto file = std::make_unique<SimFile>(*this, inode, path, true, generation_);
  locks_[path] = file.get();
  return std::unique_ptr<File>(std::move(file));
}

void SimFiles::apply(const NameChange& change, Names& names) {
  if (!change.gone.empty()) names.erase(change.gone);
  if (!change.made.empty()) names[change.made] = change.inode;
}

Status SimFiles::begin(Call call, const std::string& what) {
  if (!power_) return Error(Errc::kIo, what + ": the power is off");
  ++counts_[static_cast<std::size_t>(call)];
  auto& fault = faults_[static_cast<std::size_t>(call)];
  if (!fault || --fault->left != 0) return {};
  const Errc code = fault->code;
  fault.reset();
  return Error(code, what + ": a fault of the test");
}

Status SimFiles::begin_sync(Call call, const std::string& what) {
  if (power_ && power_cut_in_ != 0 && --power_cut_in_ == 0) power_ = false;
  return begin(call, what);
}

Result<SimFiles::InodePtr> SimFiles::find(const std::string& path) const {
  const auto found = names_.find(path);
  if (found == names_.end()) return no_such(path);
  return found->second;
}

void SimFiles::change_names(NameChange change) {
  apply(change, names_);
  unsynced_names_.push_back(std::move(change));
}

std::uint64_t SimFiles::used_bytes() const {
  std::uint64_t used = 0;
  for (const auto& [path, inode] : names_) used += inode->now.used_bytes();
  return used;
}

Status SimFiles::room_for(std::uint64_t bytes) const {
  if (bytes != 0 && used_bytes() + bytes > capacity_bytes_) return Error(Errc::kNoSpace, "the disk is full");
  return {};
}

Result<SimFiles::InodePtr> SimFiles::open_inode(const std::string& path, OpenMode mode) {
  if (folders_.contains(path)) return Error(Errc::kIsDirectory, path + " is a folder");
  auto found = find(path);
  if (found && mode == OpenMode::kCreateNew) return Error(Errc::kExists, path + " exists");
  if (found || mode == OpenMode::kRead || mode == OpenMode::kReadWrite) return found;
  if (!folders_.contains(folder_of(path))) return no_such(folder_of(path));
  auto inode = std::make_shared<Inode>();
  change_names({path, {}, inode});
  return inode;
}

}  // namespace conclave::sim
