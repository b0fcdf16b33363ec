// A server's configuration: one TOML file, read once. Every key must be known, every value in range: a server
// with a typing error in its configuration does not start, and says file, line and key.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"

namespace conclave {

class Config {
 public:
  // kNotFound, kInvalid ("dir.toml:7: …").
  static Result<Config> load(Files& files, const std::string& path);
  static Result<Config> parse(const std::string& text, const std::string& name);
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  // Keys are dotted ("tls.certificate"). Getters without a default: the key must be there. The first problem
  // is remembered and returned by finish(); until then getters return the default or an empty value.
  std::string text(const std::string& key);
  std::string text(const std::string& key, const std::string& otherwise);
  std::uint64_t number(const std::string& key, std::uint64_t least, std::uint64_t most);
  std::uint64_t number(const std::string& key, std::uint64_t otherwise, std::uint64_t least, std::uint64_t most);
  // "500ms", "30s", "10m", "12h", "7d".
  Duration duration(const std::string& key, Duration otherwise, Duration least, Duration most);
  bool flag(const std::string& key, bool otherwise);
  std::vector<std::string> texts(const std::string& key);  // a list; empty if it is not there
  // kInvalid with file and line: the first getter's problem, or a key that nobody asked for.
  Status finish();

 private:
  struct Inside;
  explicit Config(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// "10m" and the like, for command lines too. kInvalid names the accepted forms.
Result<Duration> parse_duration(std::string_view text);
std::string to_text(Duration duration);

}  // namespace conclave
