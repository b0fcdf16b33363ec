// SQLite 3 through RAII, over a VFS on Files that adds a CRC32C to every page: the simulator can crash it, and
// a flipped byte is kCorrupt instead of a wrong answer. sqlite3.h is included by sqlite.cc and sqlite_vfs.cc only.
#pragma once

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
  // True: a row is there to read. False: done. kCorrupt, kIo, kNoSpace, kExists (a unique constraint).
  Result<bool> step();
  // step() once for a statement without rows, then reset().
  Status run();
  void reset();

  // Columns from 0. Views live until the next step or reset.
  [[nodiscard]] std::int64_t i64(int column) const;
  [[nodiscard]] std::uint64_t u64(int column) const { return static_cast<std::uint64_t>(i64(column)); }
  [[nodiscard]] std::string_view text(int column) const;   // TEXT or BLOB
  [[nodiscard]] ByteView blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  friend class Database;
  void bind_one(int position, std::int64_t value);
  void bind_one(int position, std::uint64_t value) { bind_one(position, static_cast<std::int64_t>(value)); }
  void bind_one(int position, int value) { bind_one(position, static_cast<std::int64_t>(value)); }
  void bind_one(int position, std::uint32_t value) { bind_one(position, static_cast<std::int64_t>(value)); }
  void bind_one(int position, std::string_view value);
  void bind_one(int position, const std::string& value) { bind_one(position, std::string_view(value)); }
  void bind_one(int position, ByteView value);
  void bind_one(int position, const Bytes& value) { bind_one(position, ByteView(value)); }
  void bind_one(int position, std::nullopt_t);
  sqlite3_stmt* handle_ = nullptr;
  Database* database_ = nullptr;
};

// The VFS for one Files: registered while it lives, shared by the connections opened through it.
class SqliteVfs {
 public:
  explicit SqliteVfs(Files& files);
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }
  struct Inside;

 private:
  std::string name_;
  std::unique_ptr<Inside> inside_;
};

// One connection; used by one thread at a time. WAL mode, foreign keys on, page checksums on.
class Database {
 public:
  enum class Access : std::uint8_t { kReadWrite, kReadOnly };
  static Result<std::unique_ptr<Database>> open(const SqliteVfs& vfs, const std::string& path, Access access);
  ~Database();
  Database(const Database&) = delete;

  // Several statements at once, without parameters.
  Status exec(std::string_view sql);
  Result<Statement> prepare(std::string_view sql);
  // Runs `body` between BEGIN IMMEDIATE and COMMIT; rolls back if it fails. `synced`: the commit survives power
  // loss once this returned; otherwise it survives a kill of this process.
  Status transaction(bool synced, const std::function<Status()>& body);
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  [[nodiscard]] std::int64_t changes() const;
  // Moves the WAL into the database file. For a background duty.
  Status checkpoint();

 private:
  friend class Statement;
  explicit Database(sqlite3* handle) : handle_(handle) {}
  Error last_error(std::string_view doing) const;
  sqlite3* handle_;
};

}  // namespace conclave
