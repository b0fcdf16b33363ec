#include "base/config.h"

#include <toml++/toml.h>

#include <array>
#include <charconv>
#include <limits>
#include <set>

namespace conclave {
namespace {

constexpr std::size_t kMaxConfigBytes = 1u << 20;

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr std::array<Unit, 5> kUnits = {{{"d", std::chrono::hours(24)},
                                         {"h", std::chrono::hours(1)},
                                         {"m", std::chrono::minutes(1)},
                                         {"s", std::chrono::seconds(1)},
                                         {"ms", std::chrono::milliseconds(1)}}};

// Whether `path` is a table above one of `keys`: "tls" of "tls.certificate".
bool leads_to(const std::set<std::string>& keys, const std::string& path) {
  const auto next = keys.lower_bound(path + ".");
  return next != keys.end() && next->starts_with(path + ".");
}

}  // namespace

struct Config::Inside {
  std::string name;
  toml::table root;
  std::set<std::string> asked;
  std::optional<Error> problem;  // the first

  void fail(const toml::node* where, const std::string& what) {
    if (problem) return;
    const std::string line = where == nullptr ? "" : ":" + std::to_string(where->source().begin.line);
    problem = Error(Errc::kInvalid, name + line + ": " + what);
  }

  const toml::node* find(const std::string& key) {
    asked.insert(key);
    return root.at_path(key).node();
  }

  // The value, or nothing: `otherwise` serves if the key is not there, a problem is noted if there is none.
  template <class T>
  std::optional<T> value(const std::string& key, bool has_default, std::string_view kind) {
    const toml::node* const node = find(key);
    if (node == nullptr) {
      if (!has_default) fail(nullptr, "the key " + key + " is missing");
      return std::nullopt;
    }
    auto out = node->value_exact<T>();
    if (!out) fail(node, key + " must be " + std::string(kind));
    return out;
  }

  std::uint64_t number(const std::string& key, std::optional<std::uint64_t> otherwise, std::uint64_t least,
                       std::uint64_t most) {
    const auto found = value<std::int64_t>(key, otherwise.has_value(), "a number");
    if (!found) return otherwise.value_or(least);
    const auto number = static_cast<std::uint64_t>(*found);
    if (*found >= 0 && number >= least && number <= most) return number;
    fail(find(key), key + " must be from " + std::to_string(least) + " to " + std::to_string(most));
    return otherwise.value_or(least);
  }

  void look_for_unknown(const toml::table& table, const std::string& above) {
    for (const auto& [key, node] : table) {
      const std::string path = above + std::string(key.str());
      if (asked.contains(path)) continue;
      if (!node.is_table() || !leads_to(asked, path)) return fail(&node, "unknown key " + path);
      look_for_unknown(*node.as_table(), path + ".");
    }
  }
};

Result<Config> Config::load(Files& files, const std::string& path) {
  return parse(TRY(files.read_all(path, kMaxConfigBytes)), path);
}

Result<Config> Config::parse(const std::string& text, const std::string& name) {
  auto inside = std::make_unique<Inside>();
  inside->name = name;
  try {
    inside->root = toml::parse(text, name);
  } catch (const toml::parse_error& failure) {
    const auto line = std::to_string(failure.source().begin.line);
    return Error(Errc::kInvalid, name + ":" + line + ": " + std::string(failure.description()));
  }
  return Config(std::move(inside));
}

Config::Config(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

std::string Config::text(const std::string& key) {
  return inside_->value<std::string>(key, false, "a text in quotes").value_or("");
}

std::string Config::text(const std::string& key, const std::string& otherwise) {
  return inside_->value<std::string>(key, true, "a text in quotes").value_or(otherwise);
}

std::uint64_t Config::number(const std::string& key, std::uint64_t least, std::uint64_t most) {
  return inside_->number(key, std::nullopt, least, most);
}

std::uint64_t Config::number(const std::string& key, std::uint64_t otherwise, std::uint64_t least, std::uint64_t most) {
  return inside_->number(key, otherwise, least, most);
}

Duration Config::duration(const std::string& key, Duration otherwise, Duration least, Duration most) {
  const auto found = inside_->value<std::string>(key, true, "a duration in quotes, such as \"30s\"");
  if (!found) return otherwise;
  const auto parsed = parse_duration(*found);
  if (!parsed) {
    inside_->fail(inside_->find(key), key + ": " + parsed.error().message);
  } else if (*parsed >= least && *parsed <= most) {
    return *parsed;
  } else {
    inside_->fail(inside_->find(key), key + " must be from " + to_text(least) + " to " + to_text(most));
  }
  return otherwise;
}

bool Config::flag(const std::string& key, bool otherwise) {
  return inside_->value<bool>(key, true, "true or false").value_or(otherwise);
}

std::vector<std::string> Config::texts(const std::string& key) {
  std::vector<std::string> out;
  const toml::node* const node = inside_->find(key);
  if (node == nullptr) return out;
  const toml::array* const array = node->as_array();
  if (array == nullptr) inside_->fail(node, key + " must be a list of texts");
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const auto text = (*array)[i].value_exact<std::string>();
    if (!text) inside_->fail(&(*array)[i], key + " must be a list of texts");
    out.push_back(text.value_or(""));
  }
  return out;
}

Status Config::finish() {
  if (!inside_->problem) inside_->look_for_unknown(inside_->root, "");
  if (inside_->problem) return *inside_->problem;
  return {};
}

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = Error(Errc::kInvalid, "'" + std::string(text) + "' is not a duration such as 500ms, 30s, 10m, 12h or 7d");
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failure != std::errc() || count < 0) return bad;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, length] : kUnits) {
    if (unit != name) continue;
    if (count > std::numeric_limits<std::int64_t>::max() / length.count()) return bad;
    return length * count;
  }
  return bad;
}

std::string to_text(Duration duration) {
  for (const auto& [name, length] : kUnits) {
    if (duration.count() != 0 && duration % length == Duration::zero()) {
      return std::to_string(duration / length) + std::string(name);
    }
  }
  return std::to_string(duration / std::chrono::milliseconds(1)) + "ms";
}

}  // namespace conclave
