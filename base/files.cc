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

// Reads to the end rather than to size(): files under /proc say 0.
Result<std::string> Files::read_all(const std::string& path, std::size_t max_bytes) {
  constexpr std::size_t kPiece = 16 << 10;
  auto file = TRY(open(path, OpenMode::kRead));
  std::string content;
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + kPiece);
    const ByteSpan out{reinterpret_cast<std::uint8_t*>(content.data()) + before, kPiece};
    const std::size_t n = TRY(file->read_at(before, out));
    content.resize(before + n);
    if (content.size() > max_bytes) {
      return Error(Errc::kMessageTooBig,
                   path + " is larger than the " + std::to_string(max_bytes) + " bytes that are read");
    }
    if (n == 0) return content;
  }
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
