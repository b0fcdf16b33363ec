#include "base/files.h"

namespace conclave {
namespace {

Status write_new(Files& files, const std::string& path, std::string_view content) {
  auto file = TRY(files.open(path, OpenMode::kCreate));
  TRY(file->truncate(0));  // left by a writer that crashed
  TRY(file->write_at(0, view_of(content)));
  return file->sync();
}

}  // namespace

std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

Result<std::string> Files::read_all(const std::string& path, std::size_t max_bytes) {
  auto file = TRY(open(path, OpenMode::kRead));
  const std::uint64_t size = TRY(file->size());
  if (size > max_bytes) {
    return Error(Errc::kMessageTooBig,
                 path + " has " + std::to_string(size) + " bytes; at most " + std::to_string(max_bytes) + " are read");
  }
  std::string content(size, '\0');
  const ByteSpan out{reinterpret_cast<std::uint8_t*>(content.data()), content.size()};
  content.resize(TRY(file->read_at(0, out)));
  return content;
}

Status Files::write_all(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".new";
  Status status = write_new(*this, temporary, content);
  if (status) status = rename(temporary, path);
  if (!status) {
    static_cast<void>(remove(temporary));  // the first error is the one to tell
    return status;
  }
  return sync_folder(folder_of(path));
}

}  // namespace conclave
