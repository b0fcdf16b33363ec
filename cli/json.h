// JSON for programs that read our output: objects and lists on protobuf's own Struct, so that quoting is its matter.
#pragma once

#include <google/protobuf/struct.pb.h>

#include <string>

namespace conclave::cli {

class JsonList;

// Numbers are doubles: exact up to 2^53; ids are given as text.
class JsonObject {
 public:
  JsonObject& set(const std::string& name, const std::string& text);
  JsonObject& set(const std::string& name, const char* text) { return set(name, std::string(text)); }
  JsonObject& set(const std::string& name, bool value);
  JsonObject& set(const std::string& name, double value);
  JsonObject& set(const std::string& name, const JsonObject& object);
  JsonObject& set(const std::string& name, const JsonList& list);
  template <class Integer>
    requires std::is_integral_v<Integer>
  JsonObject& set(const std::string& name, Integer value) {
    return set(name, static_cast<double>(value));
  }
  [[nodiscard]] std::string text() const;  // indented, ends in a newline

 private:
  friend class JsonList;
  google::protobuf::Struct fields_;
};

class JsonList {
 public:
  JsonList& add(const std::string& text);
  JsonList& add(const JsonObject& object);
  [[nodiscard]] std::string text() const;

 private:
  friend class JsonObject;
  google::protobuf::ListValue values_;
};

}  // namespace conclave::cli
