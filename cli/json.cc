#include "cli/json.h"

#include "cli/column_table.h"

namespace conclave::cli {
namespace {

constexpr std::string_view kIndent = "\n  ";

std::string indented(const std::string& value) {
  std::string out;
  for (const char c : value) c == '\n' ? out += kIndent : out += c;
  return out;
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string out = "\"";
  std::size_t from = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {  // printable() judges what lies between line ends and quotes
    const bool special = at < text.size() && (text[at] == '"' || text[at] == '\\' || text[at] == '\n' || text[at] == '\t');
    if (!special && at < text.size()) continue;
    out += printable(text.substr(from, at - from));
    if (special) out += {'\\', text[at] == '\n' ? 'n' : text[at] == '\t' ? 't' : text[at]};
    from = at + 1;
  }
  return out + '"';
}

JsonList& JsonList::add(const JsonObject& object) { return add_raw(object.value()); }

JsonList& JsonList::add_raw(const std::string& value) {
  body_ += (body_.empty() ? "" : ",") + std::string(kIndent) + indented(value);
  return *this;
}

JsonObject& JsonObject::set_raw(std::string_view name, const std::string& value) {
  body_ += (body_.empty() ? "" : ",") + std::string(kIndent) + json_text(name) + ": " + indented(value);
  return *this;
}

}  // namespace conclave::cli
