// JSON for programs that read our output: objects and lists, written as they are filled, in that order.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace conclave::cli {

// `text` quoted. Bytes that are no UTF-8 become '?': names on a disk need not be any, JSON must be.
std::string json_text(std::string_view text);

class JsonList {
 public:
  JsonList& add(std::string_view text) { return add_raw(json_text(text)); }
  JsonList& add(const class JsonObject& object);
  [[nodiscard]] std::string text() const { return value() + "\n"; }

 private:
  friend class JsonObject;
  [[nodiscard]] std::string value() const { return body_.empty() ? "[]" : "[" + body_ + "\n]"; }
  JsonList& add_raw(const std::string& value);
  std::string body_;
};

// Integers beyond 2^53 are given as text by the caller: many readers hold numbers as doubles.
class JsonObject {
 public:
  JsonObject& set(std::string_view name, std::string_view text) { return set_raw(name, json_text(text)); }
  JsonObject& set(std::string_view name, const char* text) { return set(name, std::string_view(text)); }
  JsonObject& set(std::string_view name, const std::string& text) { return set(name, std::string_view(text)); }
  JsonObject& set(std::string_view name, bool value) { return set_raw(name, value ? "true" : "false"); }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  JsonObject& set(std::string_view name, Integer value) {
    return set_raw(name, std::to_string(value));
  }
  JsonObject& set(std::string_view name, const JsonObject& object) { return set_raw(name, object.value()); }
  JsonObject& set(std::string_view name, const JsonList& list) { return set_raw(name, list.value()); }
  [[nodiscard]] std::string text() const { return value() + "\n"; }

 private:
  friend class JsonList;
  [[nodiscard]] std::string value() const { return body_.empty() ? "{}" : "{" + body_ + "\n}"; }
  JsonObject& set_raw(std::string_view name, const std::string& value);
  std::string body_;
};

}  // namespace conclave::cli
