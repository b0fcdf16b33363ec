#include "cli/cluster_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace conclave::cli {
namespace {

constexpr std::string_view kFileServer = "fileserver-";

// The number of "fileserver-N", or 0.
unsigned number_of(std::string_view name) {
  if (!name.starts_with(kFileServer)) return 0;
  const std::string_view digits = name.substr(kFileServer.size());
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return failure == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

}  // namespace

Result<std::vector<std::string>> ClusterFolder::file_servers(Files& files) const {
  std::vector<std::string> out;
  for (const std::string& name : TRY(files.list(path))) {
    if (number_of(name) == 0) continue;
    const bool whole = TRY(files.exists(config(name))) || TRY(files.exists(server(name) + "/data"));
    if (whole) out.push_back(name);
  }
  std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) { return number_of(a) < number_of(b); });
  return out;
}

Result<std::vector<std::string>> ClusterFolder::servers(Files& files) const {
  std::vector<std::string> names{"lockserver", "dirserver"};
  for (std::string& name : TRY(file_servers(files))) names.push_back(std::move(name));
  names.emplace_back("vault");
  return names;
}

std::string absolute_path(const std::string& path) {
  const auto normal = std::filesystem::absolute(path).lexically_normal().string();
  return normal.size() > 1 && normal.ends_with('/') ? normal.substr(0, normal.size() - 1) : normal;
}

}  // namespace conclave::cli
