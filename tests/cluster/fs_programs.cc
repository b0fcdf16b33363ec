#include "tests/cluster/fs_programs.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace conclave::sim {
namespace {

constexpr std::uint64_t kSpan = 400'000;      // of offsets that are used, in each place
constexpr std::uint64_t kLongest = 150'000;
constexpr std::uint64_t kReadAtOnce = 1 << 20;
constexpr std::uint64_t kWord = FileHistory::kWord;

// What a call may say while servers are away or a session was lost; none of it says that the call succeeded.
bool passing(Errc code) {
  switch (code) {
    case Errc::kUnavailable:
    case Errc::kUnknown:
    case Errc::kFenced:
    case Errc::kStale:
    case Errc::kIo:
    case Errc::kOverloaded:
      return true;
    default:
      return false;
  }
}

}  // namespace

template <class Outcome>
bool FsPrograms::fine(Program& program, const std::string& path, const char* call, const Outcome& outcome) {
  if (outcome) return true;
  const Error& error = outcome.error();
  const bool allowed = mix_.may_fail && passing(error.code);
  EXPECT_TRUE(allowed) << "mount " << program.mount << ": " << call << " of " << path << ": " << name_of(error.code)
                       << ": " << error.message << "\n" << world_.history(path).text();
  const auto open = program.handles.find(path);
  if (open != program.handles.end()) {
    world_.mount(program.mount).close(open->second);
    program.handles.erase(open);
  }
  world_.sim.scheduler.sleep_for(100ms);
  return false;
}

client::ByteRange FsPrograms::range() {
  const bool second = mix_.two_chunks && below(3) == 0;
  const std::uint64_t base = second ? kChunkBytes - kSpan / 2 : 0;
  const std::uint64_t offset = base + below(kSpan / kWord) * kWord;
  const std::uint64_t most = below(4) == 0 ? kLongest : 5'000;
  return {offset, offset + kWord + below(most / kWord) * kWord};
}

void FsPrograms::make_files() {
  world_.on_mount(0, [&](SimMount& mount) {
    for (const std::string& path : mix_.paths) {
      const auto handle = mount.create(path, O_RDWR | O_EXCL);
      ASSERT_TRUE(handle) << path << ": " << handle.error().message;
      EXPECT_TRUE(mount.fsync(*handle));
      mount.close(*handle);
    }
    EXPECT_TRUE(mount.sync_directory(""));
  });
}

void FsPrograms::start(int mount) {
  ++running_;
  doing_.emplace_back();
  const std::size_t number = doing_.size() - 1;
  world_.mount(mount).spawn("program", [this, mount, number] {
    struct Ending {   // also when its mount is killed
      FsPrograms& self;
      ~Ending() { --self.running_; }
    } ending{*this};
    Program program{mount, {}};
    for (int i = 0; i < mix_.steps && !testing::Test::HasFailure(); ++i) {
      const std::string path = mix_.paths[below(mix_.paths.size())];
      doing_[number] = "mount " + std::to_string(mount) + " step " + std::to_string(i) + " on " + path;
      step(program, path);
      const std::uint64_t pause = below(static_cast<std::uint64_t>(mix_.pause.count()));
      world_.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(pause)));
    }
    for (const auto& [path, handle] : program.handles) world_.mount(mount).close(handle);
    doing_[number] = "ended";
  });
}

void FsPrograms::finish(Duration limit) {
  const MonoTime end = world_.sim.clock.now() + limit;
  while (running_ != 0 && world_.sim.clock.now() < end) world_.sim.scheduler.sleep_for(100ms);
  if (running_ == 0) return;
  std::string who;
  for (const std::string& doing : doing_) who += "\n  " + doing;
  ADD_FAILURE() << "programs hang:" << who << "\n" << world_.sim.scheduler.last_events();
}

void FsPrograms::step(Program& program, const std::string& path) {
  if (!program.handles.contains(path)) {
    const auto opened = world_.mount(program.mount).open(path, O_RDWR);
    if (!fine(program, path, "open", opened)) return;
    program.handles[path] = *opened;
  }
  const std::uint64_t handle = program.handles[path];
  const std::uint64_t dice = below(100);
  if (dice < 40) {
    write(program, path, handle);
  } else if (dice < 68) {
    read(program, path, handle);
  } else if (dice < 80) {
    cut(program, path, handle);
  } else if (dice < 88) {
    sync(program, path, handle);
  } else if (dice < 96) {
    look(program, path);
  } else {
    world_.mount(program.mount).close(handle);
    program.handles.erase(path);
  }
}

void FsPrograms::write(Program& program, const std::string& path, std::uint64_t handle) {
  FileHistory& history = world_.history(path);
  const client::ByteRange where = range();
  const auto number = history.begin(program.mount, FileHistory::Kind::kWrite, where);
  const Bytes content = FileHistory::content(number, where.length());
  const auto written = world_.mount(program.mount).write(handle, where.begin, content);
  if (written) history.acknowledge(number);
  if (fine(program, path, "write", written) && mix_.sync_writes) sync(program, path, handle);
}

void FsPrograms::read(Program& program, const std::string& path, std::uint64_t handle) {
  const client::ByteRange where = range();
  const MonoTime asked = world_.sim.clock.now();
  const auto bytes = world_.mount(program.mount).read(handle, where.begin, where.length());
  if (bytes) world_.history(path).check_read(program.mount, asked, where, *bytes);
  fine(program, path, "read", bytes);
}

void FsPrograms::cut(Program& program, const std::string& path, std::uint64_t handle) {
  if (!mix_.cuts) return;
  FileHistory& history = world_.history(path);
  SimMount& mount = world_.mount(program.mount);
  const bool punch = below(2) == 0;
  client::ByteRange where = range();
  if (!punch && below(4) == 0) where = {0, 0};
  const auto kind = punch ? FileHistory::Kind::kPunch : FileHistory::Kind::kResize;
  const auto number = history.begin(program.mount, kind, where);
  const Status cut = punch ? mount.allocate(handle, {client::AllocateMode::kPunch, true, where})
                           : mount.truncate(path, where.begin);
  if (cut) history.acknowledge(number);
  fine(program, path, punch ? "punch" : "truncate", cut);
}

void FsPrograms::sync(Program& program, const std::string& path, std::uint64_t handle) {
  const MonoTime asked = world_.sim.clock.now();
  const Status synced = world_.mount(program.mount).fsync(handle);
  if (synced) world_.history(path).acknowledge_sync(program.mount, asked);
  fine(program, path, "fsync", synced);
}

void FsPrograms::look(Program& program, const std::string& path) {
  const MonoTime asked = world_.sim.clock.now();
  const auto attr = world_.mount(program.mount).stat(path);
  if (attr) world_.history(path).check_size(program.mount, asked, attr->size_bytes());
  fine(program, path, "stat", attr);
}

void FsPrograms::read_all(int number) {
  world_.check_nothing_held();
  world_.on_mount(number, [&](SimMount& mount) {
    for (const std::string& path : mix_.paths) {
      const FileHistory& history = world_.history(path);
      const MonoTime asked = world_.sim.clock.now();
      const auto attr = mount.stat(path);
      ASSERT_TRUE(attr) << path << ": " << attr.error().message;
      history.check_size(number, asked, attr->size_bytes());
      const auto handle = mount.open(path, O_RDONLY);
      ASSERT_TRUE(handle) << path << ": " << handle.error().message;
      for (const std::uint64_t base : {std::uint64_t{0}, kChunkBytes - kSpan / 2}) {
        for (std::uint64_t at = base; at < base + kSpan + kLongest; at += kReadAtOnce) {
          const auto bytes = mount.read(*handle, at, kReadAtOnce);
          ASSERT_TRUE(bytes) << path << ": " << bytes.error().message;
          history.check_read(number, asked, {at, at + kReadAtOnce}, *bytes);
        }
      }
      mount.close(*handle);
    }
  });
}

}  // namespace conclave::sim
