// The people of the vault's tests: ada (admin), alice (author and requester), bob, carol and dave (approvers), a
// roster, a policy of 2 of bob, carol, dave, and short ways to what one of them does.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/support/sim_random.h"
#include "vault/fields.h"
#include "vault/release.h"
#include "vault/secret_seal.h"

namespace conclave::vault {

inline constexpr WallTime kNow{1'900'000'000'000'000'000};
inline constexpr InodeId kSecretInode{9};
inline constexpr auto kMinute = std::chrono::seconds(60);

inline SecretBytes secret(std::string_view text) { return SecretBytes::copy_of(view_of(text)); }

template <class T>
Errc code_of(const Result<T>& result) {
  return result ? Errc::kInternal : result.error().code;  // kInternal: it succeeded
}
inline constexpr Errc kDone = Errc::kInternal;

// Every byte of `bytes` changed once: how many of the changed strings `accept` takes. None may be.
template <class Accept>
std::size_t flips_accepted(const Bytes& bytes, const Accept& accept) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= static_cast<std::uint8_t>(1u << i % 8);
    if (accept(flipped)) ++out;
  }
  return out;
}
template <class Parse>
std::size_t lengths_accepted(const Bytes& bytes, const Parse& parse) {
  std::size_t out = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) out += parse(ByteView(bytes).first(size)) ? 1 : 0;
  Bytes longer = bytes;
  longer.push_back(0);
  return out + (parse(longer) ? 1 : 0);
}

struct Cast {
  sim::SimRandom random{1};
  ClusterId cluster;
  std::map<std::string, Identity> people;
  RosterVersion roster;

  explicit Cast(const ClusterId& of = {1, 2, 3}) : cluster(of) {
    add("ada", kAdmin);
    add("alice", kAuthor | kRequester | kApprover);
    for (const char* name : {"bob", "carol", "dave"}) add(name, kApprover | kRequester);
    roster.cluster = cluster;
    roster.issued = kNow;
    sign_roster(roster, device("ada"));
  }

  void add(const std::string& name, std::uint32_t roles) {
    people.emplace(name, Identity{cluster, name, make_device(random)});
    Person person;
    person.name = name;
    person.uid = 1000 + static_cast<std::uint32_t>(people.size());
    person.roles = roles;
    person.devices.push_back({device(name).public_half(), false});
    roster.people.push_back(person);
  }
  const Device& device(const std::string& name) const { return people.at(name).device; }
  Login login(const std::string& name, WallTime at = kNow) {
    return make_login(people.at(name), at, std::chrono::hours(12), random);
  }

  RosterChain chain() const { return RosterChain::begin(encode(roster), roster.hash()).value(); }

  // `roster` made into version 2, with a change.
  template <class Change>
  RosterChain chain_with(const Change& change) const {
    RosterChain out = chain();
    RosterVersion next = roster;
    next.version = 2;
    next.previous = roster.hash();
    next.signatures.clear();
    change(next);
    sign_roster(next, device("ada"));
    CHECK(out.append(encode(next)));
    return out;
  }

  Policy policy(std::uint32_t m = 2, std::vector<std::string> approvers = {"bob", "carol", "dave"}) const {
    Policy out;
    out.cluster = cluster;
    out.directory = InodeId{77};
    out.path = "/secrets/prod";
    out.issued = kNow;
    out.groups.push_back({"approvers", m, std::move(approvers)});
    sign_policy(out, device("ada"));
    return out;
  }

  SealedVersion seal(std::string_view text, const Policy& under, const Login& author) {
    const SealPlace place{secret_id_of(cluster, kSecretInode), 1, InodeId{77}, "/secrets/prod/db"};
    return seal_secret(secret(text), place, under, roster, author, kNow, random).value();
  }
};

// One request for a sealed secret, and all that belongs to it.
struct Story : Cast {
  Policy rules;
  Login author;
  SealedVersion sealed;
  AgreementKey request_key;
  Request request;

  explicit Story(std::string_view text = "s3cret") : Story(text, std::nullopt) {}
  Story(std::string_view text, std::optional<Policy> other_rules, const std::string& requester = "alice") {
    rules = other_rules ? *other_rules : policy();
    author = login("alice");
    sealed = seal(text, rules, author);
    request_key = make_agreement_key(random);
    request = ask(requester);
  }

  Request ask(const std::string& requester) {
    Wish wish;
    wish.host = "desk";
    wish.uid = 1002;
    wish.program = "cat /mnt/secrets/prod/db";
    wish.reason = "restart of the database";
    return make_request(sealed.header, sealed.table, rules, login(requester), request_key.public_key, wish, kNow,
                        random);
  }
  Result<Case> open(const RosterChain& with) const {
    return open_case(encode(rules), encode(sealed.header), encode(sealed.table), encode(request), with);
  }
  Case a_case() const { return open(chain()).value(); }

  Approval approval_of(const std::string& name, WallTime at = kNow + kMinute) {
    return approve(a_case(), device(name), chain(), at, random).value();
  }
  Denial denial_of(const std::string& name, WallTime at = kNow + kMinute) {
    return deny(a_case(), device(name), chain(), "not today", at).value();
  }
  Result<SecretBytes> join(const std::vector<Approval>& approvals) {
    const Bytes inner = seal_inner(a_case(), sealed.inner, random).value();
    return open_released(a_case(), approvals, inner, sealed.payload, request_key, chain());
  }
};

}  // namespace conclave::vault
