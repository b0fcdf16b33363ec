// SQLite's view of Files (https://sqlite.org/c3ref/vfs.html, /c3ref/io_methods.html). Three kinds of file get here:
// the database, its WAL, and the rollback journal that a new database uses once, before it is in WAL mode. Every
// page of the database ends in 4 reserved bytes: the CRC32C of its number and its content, made when it is
// written and verified whenever it is read. SQLite's own checksums in the WAL are verified by it at recovery only,
// so a WAL page's CRC32C is remembered from its writing (or recovery) and verified at each read.
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/random.h"
#include "base/sqlite.h"
#include "base/sqlite_page.h"
#include "base/sqlite_shared.h"

namespace conclave {

struct SqliteVfs::Inside {
  struct Taken {
    std::unique_ptr<SqliteShared> shared;
    unsigned connections = 0;
  };
  explicit Inside(Files& f) : files(f) {}
  SqliteShared* shared_of(const std::string& path) {
    const std::lock_guard guard(mutex);
    const auto found = taken.find(path);
    return found == taken.end() ? nullptr : found->second.shared.get();
  }

  sqlite3_vfs vfs{};
  Files& files;
  std::mutex mutex;
  std::map<std::string, Taken> taken GUARDED_BY(mutex);  // by path
};

namespace {

constexpr std::uint64_t kWalHeaderBytes = 32;
constexpr std::uint64_t kFrameHeaderBytes = 24;
constexpr std::uint64_t kFrameBytes = kFrameHeaderBytes + kSqlitePageBytes;

enum class Kind : std::uint8_t { kDatabase, kWal, kJournal };

// SQLite gives the memory (szOsFile) and sees its first member only.
struct OpenFile {
  sqlite3_file base{};
  SqliteVfs::Inside* inside = nullptr;
  SqliteShared* shared = nullptr;
  std::unique_ptr<File> file;
  std::string path;
  Kind kind = Kind::kJournal;
  bool name_unsynced = false;
  SqliteShared::Level lock = SqliteShared::kNone;
  // A WAL frame's header that waits for its page (see write_wal); at 0, where no frame is, none does.
  std::uint64_t held_at = 0;
  std::array<std::uint8_t, kFrameBytes> frame;
};

OpenFile& open_file(sqlite3_file* file) {
  return *reinterpret_cast<OpenFile*>(file);
}
SqliteVfs::Inside& inside_of(sqlite3_vfs* vfs) {
  return *static_cast<SqliteVfs::Inside*>(vfs->pAppData);
}

int failed(OpenFile& file, const Error& error, int code) {
  if (error.code == Errc::kNoSpace || error.code == Errc::kQuota) code = SQLITE_FULL;
  file.shared->note_failure(error);
  return code;
}

int failed_checksum(OpenFile& file, std::uint64_t offset) {
  return failed(file, Error(Errc::kCorrupt, file.path + ": bad page checksum at byte " + std::to_string(offset)),
                SQLITE_IOERR_DATA);
}

// The offset lies at the page of a WAL frame.
bool is_wal_page(std::uint64_t offset) {
  return offset >= kWalHeaderBytes + kFrameHeaderBytes &&
         (offset - kWalHeaderBytes - kFrameHeaderBytes) % kFrameBytes == 0;
}

Status write_held(OpenFile& file) {
  if (file.held_at == 0) return {};
  const std::uint64_t offset = std::exchange(file.held_at, 0);
  return file.file->write_at(offset, ByteView(file.frame).first(kFrameHeaderBytes));
}

// SQLite writes a frame's header and then its page. The header of a frame that is new since the WAL began anew
// waits for the page: one call instead of two. (It changes headers of older frames alone: those go at once.)
Status write_wal(OpenFile& file, std::uint64_t offset, ByteView bytes) {
  if (offset == 0) file.shared->forget_wal_pages();  // its header: it begins anew
  const std::uint64_t page_at = offset + kFrameHeaderBytes;
  if (bytes.size() == kFrameHeaderBytes && is_wal_page(page_at) && !file.shared->knows_wal_page(page_at)) {
    TRY(write_held(file));
    std::copy(bytes.begin(), bytes.end(), file.frame.begin());
    file.held_at = offset;
    return {};
  }
  if (bytes.size() == kSqlitePageBytes && is_wal_page(offset)) {
    file.shared->remember_wal_page(offset, crc32c(bytes));
    if (file.held_at == offset - kFrameHeaderBytes) {
      std::copy(bytes.begin(), bytes.end(), file.frame.begin() + kFrameHeaderBytes);
      return file.file->write_at(std::exchange(file.held_at, 0), file.frame);
    }
  }
  TRY(write_held(file));
  return file.file->write_at(offset, bytes);
}

Status write_page(OpenFile& file, std::uint64_t offset, ByteView bytes) {
  CHECK(bytes.size() == kSqlitePageBytes && offset % kSqlitePageBytes == 0);
  std::array<std::uint8_t, kSqlitePageBytes> page;
  std::copy(bytes.begin(), bytes.end(), page.begin());
  seal_sqlite_page(offset, page);
  return file.file->write_at(offset, page);
}

bool verified(OpenFile& file, std::uint64_t offset, ByteView bytes) {
  if (file.kind == Kind::kDatabase) {
    // Less than a page is a look at the header, before the page is read whole or a hot journal replaces it.
    return bytes.size() < kSqlitePageBytes || sqlite_page_fits(offset, bytes);
  }
  if (file.kind == Kind::kWal && bytes.size() == kFrameBytes) {
    // Recovery reads whole frames, and goes no further than SQLite's own checksums fit.
    file.shared->remember_wal_page(offset + kFrameHeaderBytes, crc32c(bytes.subspan(kFrameHeaderBytes)));
  } else if (file.kind == Kind::kWal && bytes.size() == kSqlitePageBytes && is_wal_page(offset)) {
    return file.shared->wal_page_fits(offset, crc32c(bytes));
  }
  return true;
}

int close_file(sqlite3_file* base) {
  OpenFile& file = open_file(base);
  if (file.kind == Kind::kDatabase) file.shared->unlock(base, SqliteShared::kNone, file.lock);
  file.~OpenFile();
  return SQLITE_OK;
}

int read_file(sqlite3_file* base, void* out, int amount, sqlite3_int64 at) {
  OpenFile& file = open_file(base);
  const ByteSpan bytes{static_cast<std::uint8_t*>(out), static_cast<std::size_t>(amount)};
  const auto offset = static_cast<std::uint64_t>(at);
  if (const Status held = write_held(file); !held) return failed(file, held.error(), SQLITE_IOERR_WRITE);
  const auto got = file.file->read_at(offset, bytes);
  if (!got) return failed(file, got.error(), SQLITE_IOERR_READ);
  if (*got < bytes.size()) {
    std::memset(bytes.data() + *got, 0, bytes.size() - *got);
    return SQLITE_IOERR_SHORT_READ;
  }
  return verified(file, offset, bytes) ? SQLITE_OK : failed_checksum(file, offset);
}

int write_file(sqlite3_file* base, const void* from, int amount, sqlite3_int64 at) {
  OpenFile& file = open_file(base);
  const ByteView bytes{static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(amount)};
  const auto offset = static_cast<std::uint64_t>(at);
  const Status status = file.kind == Kind::kDatabase ? write_page(file, offset, bytes)
                        : file.kind == Kind::kWal    ? write_wal(file, offset, bytes)
                                                     : file.file->write_at(offset, bytes);
  return status ? SQLITE_OK : failed(file, status.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* base, sqlite3_int64 size) {
  OpenFile& file = open_file(base);
  if (file.kind == Kind::kWal) file.shared->forget_wal_pages();
  Status status = write_held(file);
  if (status) status = file.file->truncate(static_cast<std::uint64_t>(size));
  return status ? SQLITE_OK : failed(file, status.error(), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* base, int) {
  OpenFile& file = open_file(base);
  if (file.shared->has_sync_failed()) {
    return failed(file, Error(Errc::kIo, file.path + ": an earlier sync failed"), SQLITE_IOERR_FSYNC);
  }
  Status status = write_held(file);
  if (status) status = file.file->sync();
  if (status && file.name_unsynced) {
    status = file.inside->files.sync_folder(folder_of(file.path));
    if (status) file.name_unsynced = false;
  }
  if (status) return SQLITE_OK;
  file.shared->sync_failed();
  return failed(file, status.error(), SQLITE_IOERR_FSYNC);
}

int size_of_file(sqlite3_file* base, sqlite3_int64* out) {
  OpenFile& file = open_file(base);
  if (const Status held = write_held(file); !held) return failed(file, held.error(), SQLITE_IOERR_WRITE);
  const auto size = file.file->size();
  if (!size) return failed(file, size.error(), SQLITE_IOERR_FSTAT);
  *out = static_cast<sqlite3_int64>(*size);
  return SQLITE_OK;
}

int lock_file(sqlite3_file* base, int level) {
  OpenFile& file = open_file(base);
  return file.shared->lock(base, static_cast<SqliteShared::Level>(level), file.lock) ? SQLITE_OK : SQLITE_BUSY;
}

int unlock_file(sqlite3_file* base, int level) {
  OpenFile& file = open_file(base);
  file.shared->unlock(base, static_cast<SqliteShared::Level>(level), file.lock);
  return SQLITE_OK;
}

int is_reserved(sqlite3_file* base, int* out) {
  *out = open_file(base).shared->somebody_writes() ? 1 : 0;
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
  return kSqlitePageBytes;
}

// A torn write damages no byte outside of it: true of every disk and file system we run on, and what the simulated
// disk does.
int device_characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int map_shm(sqlite3_file* base, int index, int size, int extend, void volatile** out) {
  *out = open_file(base).shared->region(static_cast<std::size_t>(index), static_cast<std::size_t>(size), extend != 0);
  return SQLITE_OK;
}

int lock_shm(sqlite3_file* base, int first, int count, int flags) {
  SqliteShared& shared = *open_file(base).shared;
  const auto from = static_cast<std::size_t>(first);
  const auto n = static_cast<std::size_t>(count);
  if (flags & SQLITE_SHM_UNLOCK) {
    shared.shm_unlock(base, from, n);
    return SQLITE_OK;
  }
  const bool done =
      flags & SQLITE_SHM_SHARED ? shared.shm_lock_shared(base, from, n) : shared.shm_lock_exclusive(base, from, n);
  return done ? SQLITE_OK : SQLITE_BUSY;
}

void barrier_shm(sqlite3_file*) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

int unmap_shm(sqlite3_file* base, int drop) {
  SqliteShared& shared = *open_file(base).shared;
  shared.shm_unlock_all(base);
  if (drop) shared.drop_regions();  // by the last connection only
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shm,
    .xShmLock = lock_shm,
    .xShmBarrier = barrier_shm,
    .xShmUnmap = unmap_shm,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

Kind kind_of(int flags) {
  if (flags & SQLITE_OPEN_MAIN_DB) return Kind::kDatabase;
  return flags & SQLITE_OPEN_WAL ? Kind::kWal : Kind::kJournal;
}

// Opens, and tells whether the name is new.
Result<std::unique_ptr<File>> open_or_create(Files& files, const std::string& path, bool may_create, bool* is_new) {
  auto file = files.open(path, OpenMode::kReadWrite);
  *is_new = !file && file.error().code == Errc::kNotFound && may_create;
  return *is_new ? files.open(path, OpenMode::kCreate) : std::move(file);
}

int open_in(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags, int* out_flags) {
  base->pMethods = nullptr;
  constexpr int kKinds = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  if (name == nullptr || !(flags & kKinds)) return SQLITE_CANTOPEN;  // temporary ones stay in memory (temp_store)
  SqliteVfs::Inside& inside = inside_of(vfs);
  const Kind kind = kind_of(flags);
  SqliteShared* shared =
      kind == Kind::kDatabase ? inside.shared_of(name) : open_file(sqlite3_database_file_object(name)).shared;
  CHECK(shared != nullptr);
  bool is_new = false;
  auto opened = open_or_create(inside.files, name, flags & SQLITE_OPEN_CREATE, &is_new);
  if (!opened) {
    shared->note_failure(opened.error());
    return SQLITE_CANTOPEN;
  }
  auto* file = new (base) OpenFile{.inside = &inside,
                                   .shared = shared,
                                   .file = std::move(opened).value(),
                                   .path = name,
                                   .kind = kind,
                                   .name_unsynced = is_new};
  file->base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int remove_in(sqlite3_vfs* vfs, const char* name, int sync_the_folder) {
  Files& files = inside_of(vfs).files;
  const Status removed = files.remove(name);
  if (!removed) return removed.error().code == Errc::kNotFound ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
  if (sync_the_folder && !files.sync_folder(folder_of(name))) return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

int access_in(sqlite3_vfs* vfs, const char* name, int, int* out) {
  const auto there = inside_of(vfs).files.exists(name);
  if (!there) return SQLITE_IOERR_ACCESS;
  *out = *there ? 1 : 0;
  return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int room, char* out) {
  const std::size_t size = std::strlen(name) + 1;
  if (size > static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, size);
  return SQLITE_OK;
}

int random_bytes(sqlite3_vfs*, int count, char* out) {
  SystemRandom().fill({reinterpret_cast<std::uint8_t*>(out), static_cast<std::size_t>(count)});
  return count;
}

// SQLite waits so only for a lock that another connection of this process is about to give back.
int sleep_for(sqlite3_vfs*, int microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return microseconds;
}

int current_time(sqlite3_vfs*, sqlite3_int64* out) {
  constexpr std::int64_t kUnixEpochAsJulianMs = 210'866'760'000'000;
  *out = kUnixEpochAsJulianMs + SystemClock().wall().ns / 1'000'000;
  return SQLITE_OK;
}

int last_error_in(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

SqliteVfs::SqliteVfs(Files& files) : inside_(std::make_unique<Inside>(files)) {
  name_ = "conclave-" + std::to_string(reinterpret_cast<std::uintptr_t>(inside_.get()));
  inside_->vfs = {.iVersion = 2,
                  .szOsFile = sizeof(OpenFile),
                  .mxPathname = 4096,
                  .zName = name_.c_str(),
                  .pAppData = inside_.get(),
                  .xOpen = open_in,
                  .xDelete = remove_in,
                  .xAccess = access_in,
                  .xFullPathname = full_path,
                  .xRandomness = random_bytes,
                  .xSleep = sleep_for,
                  .xGetLastError = last_error_in,
                  .xCurrentTimeInt64 = current_time};
  CHECK(sqlite3_vfs_register(&inside_->vfs, 0) == SQLITE_OK);
}

SqliteVfs::~SqliteVfs() {
  CHECK(inside_->taken.empty());
  sqlite3_vfs_unregister(&inside_->vfs);
}

Result<SqliteShared*> SqliteVfs::take(const std::string& path) const {
  const std::lock_guard guard(inside_->mutex);
  auto found = inside_->taken.find(path);
  if (found == inside_->taken.end()) {
    auto lock = TRY(inside_->files.lock_exclusively(path + "-lock"));
    found = inside_->taken.try_emplace(path).first;
    found->second.shared = std::make_unique<SqliteShared>(std::move(lock));
  }
  ++found->second.connections;
  return found->second.shared.get();
}

void SqliteVfs::give_back(const std::string& path) const {
  const std::lock_guard guard(inside_->mutex);
  const auto found = inside_->taken.find(path);
  CHECK(found != inside_->taken.end());
  if (--found->second.connections == 0) inside_->taken.erase(found);
}

}  // namespace conclave
