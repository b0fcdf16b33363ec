// D and the file servers as this mount's present session calls them. When the session is lost and a new one opened,
// take_over puts new clients in their place; calls on their way end with the old ones.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "base/guarded.h"
#include "dirserver/dir_client.h"
#include "fileserver/file_client.h"

namespace conclave::client {

class Servers {
 public:
  using Dir = std::shared_ptr<dir::DirClient>;
  using File = std::shared_ptr<file::FileClient>;

  void take_over(Dir dir, File file) {
    const std::lock_guard lock(mutex_);
    dir_ = std::move(dir);
    file_ = std::move(file);
  }
  // Never null once the first session is open; the pointer keeps the client for the whole of a call.
  [[nodiscard]] Dir dir() const {
    const std::lock_guard lock(mutex_);
    return dir_;
  }
  [[nodiscard]] File file() const {
    const std::lock_guard lock(mutex_);
    return file_;
  }

 private:
  mutable std::mutex mutex_;
  Dir dir_ GUARDED_BY(mutex_);
  File file_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
