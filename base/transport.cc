#include "base/transport.h"

namespace conclave {

std::string_view header_of(const std::vector<Header>& headers, std::string_view lower_case_name) {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

}  // namespace conclave
