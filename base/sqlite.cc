#include "base/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "base/check.h"
#include "base/sqlite_page.h"
#include "base/sqlite_shared.h"

namespace conclave {
namespace {

// What SQLite's result code means without a failure below it to ask.
Errc errc_of_sqlite(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return Errc::kExists;
    case SQLITE_IOERR_DATA:
    case SQLITE_IOERR_CORRUPTFS:
      return Errc::kCorrupt;
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return Errc::kInvalid;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::kCorrupt;
    case SQLITE_FULL:
      return Errc::kNoSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::kBusy;
    case SQLITE_READONLY:
      return Errc::kReadOnly;
    case SQLITE_TOOBIG:
      return Errc::kMessageTooBig;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return Errc::kIo;
    default:
      return Errc::kInternal;
  }
}

bool comes_from_below(int extended) {
  const int code = extended & 0xff;
  return code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_FULL;
}

// Every connection. The cache holds 16 MiB; sorting and statement journals stay in memory; freed content is zeroed
// where that costs no write.
constexpr std::string_view kSettings = R"(
  PRAGMA cache_size = -16384;
  PRAGMA mmap_size = 0;
  PRAGMA temp_store = MEMORY;
  PRAGMA secure_delete = FAST;
  PRAGMA foreign_keys = ON;
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 4096;
)";

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), database_(other.database_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(database_, other.database_);
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(handle_);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = database_->last_error(sqlite3_sql(handle_));
  reset();
  return error;
}

Status Statement::run() {
  TRY(step());
  reset();
  return {};
}

void Statement::reset() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

std::int64_t Statement::i64(int column) const {
  return sqlite3_column_int64(handle_, column);
}

std::string_view Statement::text(int column) const {
  return text_of(blob(column));
}

ByteView Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

void Statement::bind_one(int position, std::int64_t value) {
  CHECK(sqlite3_bind_int64(handle_, position, value) == SQLITE_OK);
}

// A null pointer would bind NULL: an empty value has an address too.
void Statement::bind_one(int position, std::string_view value) {
  const char* bytes = value.empty() ? "" : value.data();
  CHECK(sqlite3_bind_text64(handle_, position, bytes, value.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

void Statement::bind_one(int position, ByteView value) {
  const void* bytes = value.empty() ? static_cast<const void*>("") : value.data();
  CHECK(sqlite3_bind_blob64(handle_, position, bytes, value.size(), SQLITE_STATIC) == SQLITE_OK);
}

void Statement::bind_one(int position, std::nullopt_t) {
  CHECK(sqlite3_bind_null(handle_, position) == SQLITE_OK);
}

Database::Database(const SqliteVfs& vfs, std::string path, SqliteShared* shared)
    : vfs_(vfs), path_(std::move(path)), shared_(shared) {}

Database::~Database() {
  for (Statement* own : {&begin_, &commit_, &rollback_}) *own = Statement();
  CHECK(sqlite3_close(handle_) == SQLITE_OK);  // a statement outlived its connection
  vfs_.give_back(path_);
}

Result<std::unique_ptr<Database>> Database::open(const SqliteVfs& vfs, const std::string& path, Access access) {
  SqliteShared* shared = TRY(vfs.take(path));
  std::unique_ptr<Database> database(new Database(vfs, path, shared));
  TRY(database->connect(access));
  TRY(database->set_up(access));
  return database;
}

Status Database::connect(Access access) {
  const int create = access == Access::kReadWrite ? SQLITE_OPEN_CREATE : 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | create;
  if (sqlite3_open_v2(path_.c_str(), &handle_, flags, vfs_.name().c_str()) != SQLITE_OK) return last_error("open");
  int reserved = static_cast<int>(kSqliteReservedBytes);  // of a new database; an old one has them
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  return {};
}

Status Database::set_up(Access access) {
  TRY(exec(kSettings));
  Statement mode = TRY(prepare("PRAGMA journal_mode = WAL"));
  const bool answered = TRY(mode.step());
  if (!answered || mode.text(0) != "wal") return Error(Errc::kInternal, path_ + ": not in WAL mode");
  mode.reset();
  if (access == Access::kReadOnly) TRY(exec("PRAGMA query_only = ON"));
  begin_ = TRY(prepare("BEGIN IMMEDIATE"));
  commit_ = TRY(prepare("COMMIT"));
  rollback_ = TRY(prepare("ROLLBACK"));
  return {};
}

Status Database::exec(std::string_view sql) {
  const std::string text(sql);
  if (sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return last_error("execute");
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  Statement statement;
  statement.database_ = this;
  const int size = static_cast<int>(sql.size());
  if (sqlite3_prepare_v3(handle_, sql.data(), size, SQLITE_PREPARE_PERSISTENT, &statement.handle_, nullptr) !=
      SQLITE_OK) {
    return last_error(sql);
  }
  return statement;
}

Status Database::transaction(bool synced, const std::function<Status()>& body) {
  CHECK(sqlite3_get_autocommit(handle_) != 0);  // transactions do not nest
  if (synced != synchronous_full_) {
    TRY(exec(synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
    synchronous_full_ = synced;
  }
  TRY(begin_.run());
  Status status = body();
  if (status) status = commit_.run();
  // Some errors have rolled back already.
  if (!status && sqlite3_get_autocommit(handle_) == 0) static_cast<void>(rollback_.run());
  return status;
}

std::int64_t Database::last_insert_rowid() const {
  return sqlite3_last_insert_rowid(handle_);
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_);
}

Status Database::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK || code == SQLITE_BUSY) return {};  // busy: somebody else is at it
  return last_error("checkpoint");
}

Error Database::last_error(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_);
  const std::string where = path_ + ": " + std::string(doing);
  auto below = shared_->take_failure();
  if (below && comes_from_below(code)) return in_context(where, *std::move(below));
  return {errc_of_sqlite(code), where + ": " + sqlite3_errmsg(handle_)};
}

}  // namespace conclave
