#include "cli/cluster_mounts.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/cluster_folder.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxAnswerBytes = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error control_error(const std::string& path) {
  return {errc_of_errno(errno), path + ": " + std::strerror(errno)};
}

}  // namespace

std::vector<std::string> mounts_of(const ClusterId& cluster) {
  const std::string source = "conclave:" + to_hex(cluster).substr(0, 8);
  std::vector<std::string> out;
  for (const MountEntry& mount : current_mounts()) {
    if (mount.source == source && mount.type.starts_with("fuse")) out.push_back(mount.path);
  }
  return out;
}

Status write_control(const std::string& mount, const std::string& name, ByteView message) {
  const auto answer = ask_control(mount, name, message);
  if (!answer) return answer.error();
  return {};
}

Result<std::string> ask_control(const std::string& mount, const std::string& name, ByteView message) {
  const std::string path = mount + "/.conclave/" + name;
  const Descriptor fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) return control_error(path);
  const ssize_t written = write(fd.get(), message.data(), message.size());
  if (written < 0) return control_error(path);
  if (static_cast<std::size_t>(written) != message.size()) return Error(Errc::kIo, path + " took only a part of the message");
  std::string answer(kMaxAnswerBytes, '\0');
  const ssize_t got = pread(fd.get(), answer.data(), answer.size(), 0);
  if (got < 0) return control_error(path);
  answer.resize(static_cast<std::size_t>(got));
  return answer;
}

std::string cluster_path(const std::string& path, const std::vector<std::string>& mounts) {
  const std::string whole = absolute_path(path);
  for (const std::string& mount : mounts) {
    if (whole == mount) return "/";
    if (whole.starts_with(mount + "/")) return whole.substr(mount.size());
  }
  return whole;
}

}  // namespace conclave::cli
