#include "lockserver/epoch_file.h"

#include <charconv>

namespace conclave::lock {
namespace {

constexpr std::size_t kMaxBytes = 64;
constexpr std::string_view kPrefix = "epoch ";
constexpr std::string_view kClean = " clean\n";

struct Line {
  std::uint32_t epoch = 0;
  bool clean = false;
};

Result<Line> parse(std::string_view text, const std::string& path) {
  const Error bad(Errc::kCorrupt, path + ": expected \"epoch N\" or \"epoch N clean\"");
  if (!text.starts_with(kPrefix)) return bad;
  text.remove_prefix(kPrefix.size());
  Line line;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), line.epoch);
  if (failure != std::errc() || line.epoch == 0 || line.epoch == UINT32_MAX) return bad;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  line.clean = text == kClean;
  if (!line.clean && text != "\n") return bad;
  return line;
}

}  // namespace

Result<EpochFile> EpochFile::begin(Files& files, const std::string& folder) {
  const std::string path = folder + "/epoch";
  Line last{0, true};  // a new cluster
  if (TRY(files.exists(path))) last = TRY(parse(TRY(files.read_all(path, kMaxBytes)), path));
  TRY(files.write_all(path, std::string(kPrefix) + std::to_string(last.epoch + 1) + "\n"));
  return EpochFile(files, path, last.epoch + 1, last.clean);
}

Status EpochFile::end_clean() {
  return files_.write_all(path_, std::string(kPrefix) + std::to_string(epoch_) + std::string(kClean));
}

}  // namespace conclave::lock
