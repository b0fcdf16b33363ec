// What this file server has seen of directory servers, in "FOLDER/past": told at each registration, so that a directory
// server that was restored from a backup hears that it is an old one, and gives out no number twice. One thread's.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::file {

class SeenPast {
 public:
  // What is kept; nothing if it is damaged (other file servers have seen it too).
  SeenPast(Files& files, std::string folder, Log& log);

  [[nodiscard]] const dir::v1::Past& newest() const { return newest_; }
  // The directory server's own, which it does not doubt. Kept at once where numbers or the run are new, else after kEvery.
  void take(const dir::v1::Past& past, MonoTime now);

  static constexpr Duration kEvery = std::chrono::seconds(5);

 private:
  void load();
  void save();

  Files& files_;
  const std::string path_;
  Log& log_;
  dir::v1::Past newest_, kept_;
  MonoTime kept_at_{};
  bool failing_ = false;   // it was said
};

}  // namespace conclave::file
