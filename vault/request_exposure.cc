// Which secrets the shares given to failed requests are enough for, of RequestBook (the rule is release.h's).
#include <algorithm>
#include <map>

#include "vault/request_book.h"

namespace conclave::vault {
namespace {

Hash hash_in(ByteView bytes) {
  Hash hash{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.size()), hash.begin());
  return hash;
}

}  // namespace

Result<std::uint64_t> RequestBook::exposed() {
  Statement search = TRY(state_.prepare(
      "SELECT s.policy, s.header_hash, v.rd, v.person, v.bytes, r.person FROM secret AS s "
      "JOIN request AS r ON r.header_hash = s.header_hash JOIN vote AS v ON v.rd = r.rd "
      "WHERE v.kind <> ? AND r.approved = 0 AND s.version = (SELECT max(version) FROM secret WHERE secret = s.secret)"));
  search.bind(static_cast<int>(LeafKind::kDeny));
  struct Version {
    Bytes policy;
    std::map<Hash, SharesOut> by_request;
  };
  std::map<Hash, Version> versions;
  while (TRY(search.step())) {
    Version& version = versions[hash_in(search.blob(1))];
    version.policy = bytes_of(search.blob(0));
    SharesOut& shares = version.by_request[hash_in(search.blob(2))];
    shares.requester = search.text(5);
    if (TRY(parse_approval(search.blob(4))).part != Part::kVote) shares.people.insert(std::string(search.text(3)));
  }
  std::uint64_t out = 0;
  for (const auto& [header, version] : versions) {
    std::vector<SharesOut> requests;
    for (const auto& [rd, shares] : version.by_request) requests.push_back(shares);
    out += exposed_by(TRY(parse_policy(version.policy)), requests).empty() ? 0 : 1;
  }
  return out;
}

}  // namespace conclave::vault
