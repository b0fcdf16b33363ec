// Which starts of which file servers have something: a server that was started again may have lost what was not
// committed, and one that is the same start since has not. The master that answered is the first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace conclave::file {

class MemberStarts {
 public:
  using One = std::pair<ServerId, std::uint64_t>;   // and its boot id
  MemberStarts() = default;
  explicit MemberStarts(std::vector<One> all) : all_(std::move(all)) {}

  [[nodiscard]] bool empty() const { return all_.empty(); }
  // 0: that server is not among them.
  [[nodiscard]] std::uint64_t boot_of(ServerId server) const {
    const auto found = std::ranges::find(all_, server, &One::first);
    return found == all_.end() ? 0 : found->second;
  }
  // One of them took what `later` stands for as well, by the same start: members take changes in one order, so the master
  // that answered then had this too, whether it was started again or is another one.
  [[nodiscard]] bool lasts_in(const MemberStarts& later) const {
    return std::ranges::any_of(later.all_, [&](const One& one) { return boot_of(one.first) == one.second; });
  }

  // "ID:BOOT ID:BOOT …", as header conclave-starts. kInvalid.
  [[nodiscard]] std::string text() const;
  static Result<MemberStarts> parse(std::string_view text);

  friend bool operator==(const MemberStarts&, const MemberStarts&) = default;

 private:
  std::vector<One> all_;
};

}  // namespace conclave::file
