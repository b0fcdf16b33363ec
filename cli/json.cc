#include "cli/json.h"

#include <google/protobuf/util/json_util.h>

#include "base/check.h"
#include "cli/column_table.h"

namespace conclave::cli {
namespace {

std::string text_of_message(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string out;
  CHECK(google::protobuf::util::MessageToJsonString(message, &out, options).ok());
  return out;
}

}  // namespace

// protobuf refuses text that is not UTF-8; names on a disk need not be any.
JsonObject& JsonObject::set(const std::string& name, const std::string& text) {
  (*fields_.mutable_fields())[name].set_string_value(printable(text));
  return *this;
}

JsonObject& JsonObject::set(const std::string& name, bool value) {
  (*fields_.mutable_fields())[name].set_bool_value(value);
  return *this;
}

JsonObject& JsonObject::set(const std::string& name, double value) {
  (*fields_.mutable_fields())[name].set_number_value(value);
  return *this;
}

JsonObject& JsonObject::set(const std::string& name, const JsonObject& object) {
  *(*fields_.mutable_fields())[name].mutable_struct_value() = object.fields_;
  return *this;
}

JsonObject& JsonObject::set(const std::string& name, const JsonList& list) {
  *(*fields_.mutable_fields())[name].mutable_list_value() = list.values_;
  return *this;
}

std::string JsonObject::text() const { return text_of_message(fields_); }

JsonList& JsonList::add(const std::string& text) {
  values_.add_values()->set_string_value(printable(text));
  return *this;
}

JsonList& JsonList::add(const JsonObject& object) {
  *values_.add_values()->mutable_struct_value() = object.fields_;
  return *this;
}

std::string JsonList::text() const { return text_of_message(values_); }

}  // namespace conclave::cli
