// SQLite 3 through RAII, over a VFS on Files that adds a CRC32C to every page: the simulator can crash it, and
// a flipped byte is kCorrupt instead of a wrong answer. sqlite3.h is included by sqlite.cc and sqlite_vfs.cc only.
// One process owns a database (a lock file beside it says so); its connections share their locks in memory.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/files.h"

struct sqlite3;
struct sqlite3_stmt;

namespace conclave {

class Database;
class SqliteShared;

// A prepared statement, used again and again: bind, step, read, reset. Not thread-safe; belongs to its
// connection. Bound views must live until reset().
class Statement {
 public:
  Statement() = default;
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // Parameters from 1, in order: stmt.bind(inode, name, mode). Takes std::int64_t, std::uint64_t (stored as the
  // int64 of the same bits), int, std::uint32_t, std::string_view (as TEXT), ByteView (as BLOB), std::nullopt.
  template <class... Values>
  Statement& bind(const Values&... values) {
    int position = 0;
    (bind_one(++position, values), ...);
    return *this;
  }
  // True: a row is there to read. False: done. kCorrupt, kIo, kNoSpace, kExists (a unique or primary key), kInvalid
  // (another constraint). After an error the statement is reset.
  Result<bool> step();
  // step() once for a statement without rows, then reset().
  Status run();
  // Ends the row's views and frees the bindings: the next step needs new ones.
  void reset();

  // Columns from 0. Views live until the next step or reset.
  [[nodiscard]] std::int64_t i64(int column) const;
  [[nodiscard]] std::uint64_t u64(int column) const { return static_cast<std::uint64_t>(i64(column)); }
  [[nodiscard]] std::string_view text(int column) const;  // TEXT or BLOB
  [[nodiscard]] ByteView blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  friend class Database;
  void bind_one(int position, std::int64_t value);
  void bind_one(int position, std::integral auto value) { bind_one(position, static_cast<std::int64_t>(value)); }
  void bind_one(int position, std::string_view value);
  void bind_one(int position, const std::string& value) { bind_one(position, std::string_view(value)); }
  void bind_one(int position, const char* value) { bind_one(position, std::string_view(value)); }
  void bind_one(int position, ByteView value);
  void bind_one(int position, const Bytes& value) { bind_one(position, ByteView(value)); }
  void bind_one(int position, std::nullopt_t);
  sqlite3_stmt* handle_ = nullptr;
  Database* database_ = nullptr;
};

// The VFS for one Files: registered while it lives, shared by the connections opened through it, which it must
// outlive. Thread-safe.
class SqliteVfs {
 public:
  explicit SqliteVfs(Files& files);
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }
  struct Inside;

 private:
  friend class Database;
  // Makes the database ours while it has connections; each take is followed by one give_back. kBusy.
  Result<SqliteShared*> take(const std::string& path) const;
  void give_back(const std::string& path) const;

  std::string name_;
  std::unique_ptr<Inside> inside_;
};

// One connection; used by one thread at a time. WAL mode, foreign keys on, page checksums on. Readers see the last
// commit and never wait; there is one writer at a time, and its owner queues them: a second one gets kBusy.
class Database {
 public:
  enum class Access : std::uint8_t {
    kReadWrite,  // the database is made if missing
    kReadOnly,   // kNotFound if missing
  };
  // kBusy: another process owns it. kCorrupt: no database, or a bad first page.
  static Result<std::unique_ptr<Database>> open(const SqliteVfs& vfs, const std::string& path, Access access);
  // Its statements are gone by now. The last connection moves the WAL into the database file.
  ~Database();
  Database(const Database&) = delete;

  // Several statements at once, without parameters.
  Status exec(std::string_view sql);
  Result<Statement> prepare(std::string_view sql);
  // Runs `body` between BEGIN IMMEDIATE and COMMIT; rolls back if it fails. `synced`: the commit, and all commits
  // before it, survive power loss once this returned (unless nothing was written since BEGIN: that syncs nothing);
  // otherwise it survives a kill of this process. kBusy: another connection writes. After kIo or kNoSpace from the
  // commit itself it did not happen, but a restart may find it; after a failed sync none succeeds until a restart.
  Status transaction(bool synced, const std::function<Status()>& body);
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  [[nodiscard]] std::int64_t changes() const;
  // Moves what no reader needs from the WAL into the database file, syncing both. For a background duty and a
  // connection of its own; beside readers and a writer. (Without one, a commit does it when the WAL has 16 MiB.)
  Status checkpoint();

 private:
  friend class Statement;
  Database(const SqliteVfs& vfs, std::string path, SqliteShared* shared);
  Status connect(Access access);
  Status set_up(Access access);
  Error last_error(std::string_view doing) const;

  const SqliteVfs& vfs_;
  const std::string path_;
  SqliteShared* const shared_;
  sqlite3* handle_ = nullptr;
  Statement begin_, commit_, rollback_;
  bool synchronous_full_ = false;
};

}  // namespace conclave
