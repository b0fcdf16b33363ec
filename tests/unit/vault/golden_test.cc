// The formats of suite 1 as they were first written: what is signed today must be read for ever.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "tests/unit/vault/cast.h"
#include "vault/log_leaf.h"

namespace conclave::vault {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> bytes_for(std::string_view name) {
  const Hash hash = sha256(view_of(name));
  std::array<std::uint8_t, N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = hash[i % hash.size()];
  return out;
}

Device device_for(const std::string& name) {
  return {signing_key_of_seed(sha256(view_of(name + " signs"))),
          agreement_key_of_secret(sha256(view_of(name + " agrees")))};
}

// One of each, every field its own value, keys from hashes of names.
std::map<std::string, Bytes> samples() {
  const Device ada = device_for("ada");
  LoginCert login{bytes_for<16>("cluster"), "ada", ada.kid(), bytes_for<32>("login key"), {10}, {20},
                  bytes_for<64>("login")};
  RosterVersion roster;
  roster.cluster = login.cluster;
  roster.version = 2;
  roster.previous = bytes_for<32>("previous");
  roster.issued = {30};
  roster.log_size = 5;
  roster.log_root = bytes_for<32>("roster's log");
  roster.people.push_back({"ada", 1001, 1002, kAllRoles, {40}, false, {{ada.public_half(), false}}});
  roster.people.push_back({"bob", 1003, 1004, kApprover, {}, true, {{device_for("bob").public_half(), true}}});
  sign_roster(roster, ada);
  Policy policy;
  policy.cluster = login.cluster;
  policy.directory = InodeId{77};
  policy.path = "/secrets";
  policy.version = 3;
  policy.previous = bytes_for<32>("previous policy");
  policy.issued = {50};
  policy.groups = {{"ops", 1, {"ada"}}, {"sec", 1, {"bob"}}};
  sign_policy(policy, ada);
  SecretHeader header;
  header.core = {bytes_for<16>("secret"), 4, bytes_for<32>("payload"), bytes_for<16>("nonce"), 256};
  header.quorum_commitment = bytes_for<32>("quorum");
  header.directory = InodeId{77};
  header.path = "/secrets/db";
  header.roster_version = 2;
  header.written = {60};
  header.author = login;
  header.mac = bytes_for<32>("mac");
  header.signature = bytes_for<64>("header");
  ShareTable table{header.hash(),
                   policy.hash(),
                   2,
                   {{0, 1, ada.kid(), bytes_for<32>("commitment"), bytes_for<80>("sealed")}},
                   bytes_for<64>("table")};
  Request request;
  request.id = bytes_for<16>("id");
  request.header = header.hash();
  request.table = table.hash();
  request.requester = login;
  const Claims claims{bytes_for<16>("salt"), "desk", 1001, "cat db", "because"};
  request.claims_hash = labelled_hash("claims", encode(claims));
  request.key = bytes_for<32>("request key");
  request.filed = {70};
  request.expires = {80};
  request.grant = std::chrono::seconds(90);
  request.openings = 16;
  request.log_size = 5;
  request.log_root = bytes_for<32>("root");
  request.signature = bytes_for<64>("request");
  const Hash rd = request.rd();
  const Approval approval{rd, ada.kid(), 1, Part::kWhole, {100}, labelled_hash("sealed share", bytes_for<80>("share")),
                          bytes_for<64>("approval"), bytes_for<80>("share")};
  const Denial denial{rd, ada.kid(), {110}, "no", bytes_for<64>("denial")};
  return {
      {"device", encode(ada.public_half())},
      {"login", encode(login)},
      {"roster", encode(roster)},
      {"roster hash", bytes_of(roster.hash())},
      {"policy", encode(policy)},
      {"policy hash", bytes_of(policy.hash())},
      {"header", encode(header)},
      {"share table", encode(table)},
      {"share aad", share_aad(header, policy.hash(), table.entries[0])},
      {"share commitment", bytes_of(share_commitment(header.core, 0, 1, secret("0123456789abcdef0123456789abcdef")))},
      {"quorum commitment", bytes_of(quorum_commitment(header.core, secret("0123456789abcdef0123456789abcdef")))},
      {"request", encode(request)},
      {"rd", bytes_of(rd)},
      {"claims", encode(claims)},
      {"put", encode(LoggedPut{header, head_of(table)})},
      {"share table hash", bytes_of(table.hash())},
      {"approval", encode(approval)},
      {"vote", encode_vote(approval)},
      {"denial", encode(denial)},
      {"record", encode(Record{rd, Happening::kClosed, {120}, bytes_for<64>("record")})},
      {"release hash", bytes_of(release_hash(rd, {approval}, bytes_for<96>("inner")))},
      {"log leaf", encode(LogLeaf{LeafKind::kRelease, {130}, "ada", rd, "/secrets/db", {1, 2, 3}})},
      {"join mac",
       bytes_of(join_mac(secret("0123456789abcdef"), bytes_for<16>("invitation"), "ada", ada.public_half()))}};
}

TEST(Golden, Suite1IsWrittenAsEver) {
  std::map<std::string, std::string> golden;
  std::ifstream file(CONCLAVE_GOLDEN "/vault_suite1.txt");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (!line.starts_with('#') && colon != std::string::npos) golden[line.substr(0, colon)] = line.substr(colon + 2);
  }
  const auto now = samples();
  EXPECT_EQ(golden.size(), now.size());
  for (const auto& [name, bytes] : now) EXPECT_EQ(golden[name], to_hex(bytes)) << name << ": " << to_hex(bytes);
}

}  // namespace
}  // namespace conclave::vault
