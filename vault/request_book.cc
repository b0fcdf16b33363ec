#include "vault/request_book.h"

#include <algorithm>

#include "base/canonical.h"
#include "base/limits.h"
#include "vault/fields.h"
#include "vault/proof_message.h"

namespace conclave::vault {
namespace {

constexpr auto kExpiryTick = std::chrono::seconds(1);
constexpr int kMaxListed = 500;   // what one message and one person can take in
constexpr std::size_t kMostLooked = 20'000;   // requests, for those that concern an approver: more than may wait, of 300 people

constexpr std::string_view kRowColumns = "rd, state, bytes, header_hash, session, path_now, filed_ns, expires_ns, claims";

Hash hash_of(ByteView bytes) {
  Hash hash{};
  if (bytes.size() == hash.size()) std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

Error not_found() { return Error(Errc::kNotFound, "there is no such request; 'conclave requests' lists them"); }

// Why a request takes no more votes and gives nothing.
Error ended(v1::State state) {
  switch (state) {
    case v1::DENIED: return Error(Errc::kAccess, "the request was denied");
    case v1::TIMED_OUT: return Error(Errc::kTimedOut, "the request timed out");
    case v1::CANCELLED: return Error(Errc::kAccess, "the request was cancelled");
    default: return Error(Errc::kExists, "the request is decided already");
  }
}

bool waits_for_votes(v1::State state) { return state == v1::FILED || state == v1::PENDING; }

// A certificate's own name for a session's stream: nobody can take another's, or be told of another's requests.
SessionId stream_of(const Peer& peer, std::uint64_t session) {
  const Hash hash = labelled_hash("event stream", CanonicalWriter().raw(peer.fingerprint).u64(session).bytes());
  return SessionId{CanonicalReader(hash).u64()};
}

}  // namespace

RequestBook::RequestBook(VaultState& state, Accounts& accounts, Secrets& secrets, EventHub& events, Clock& clock)
    : state_(state), accounts_(accounts), secrets_(secrets), events_(events), clock_(clock), next_tick_(clock.now()) {}

Result<v1::RequestView> RequestBook::file(const CallContext& context, const v1::FileRequestRequest& request) {
  const ByteView bytes = view_of(request.request());
  const Request parsed = TRY(parse_request(bytes));
  const Hash rd = parsed.rd();
  if (auto known = find(rd)) return view_of_row(*known, context.peer);
  TRY(check_short_id_free(rd));

  const StoredSecret secret = TRY(secrets_.find_by_header(parsed.header));
  const SecretProofs proofs = TRY(secrets_.proofs(secret));
  const Case a_case = TRY(open_case(secret.policy, secret.header, secret.table, bytes, state_.roster(), proofs,
                                      view_of(request.claims())));
  TRY(check_filing(a_case, state_.roster(), state_.now()));
  TRY(accounts_.check_not_logged_out(parsed.requester));
  const bool newest = TRY(secrets_.newest_version(a_case.header.core.secret)) == a_case.header.core.version;
  if (!newest && !request.older()) return Error(Errc::kStale, "the secret has a newer version");
  TRY(secrets_.check_still_opens(a_case.header, a_case.policy));
  if (parsed.log_size > state_.log_size()) return Error(Errc::kInvalid, "the request has seen more of the log than there is");
  const std::string& person = parsed.requester.person;
  const std::uint64_t waiting = TRY(state_.number("SELECT count(*) FROM request WHERE person = ? AND state <= 1", person));
  if (waiting >= kMaxPendingRequestsPerUser) {
    return Error(Errc::kOverloaded, person + " has " + std::to_string(waiting) + " requests waiting already");
  }
  if (!rate_.take(person, clock_.now())) return Error(Errc::kOverloaded, person + " asks too fast; wait a little");
  const Row row{.rd = rd, .state = v1::PENDING, .request = bytes_of(bytes), .header = parsed.header,
                .session = stream_of(context.peer, request.session()), .path_now = plain_text(request.path_now(), kMaxPathBytes),
                .filed = state_.now(), .expires = parsed.expires, .claims = bytes_of(view_of(request.claims()))};
  TRY(state_.change([&]() -> Status {
    Statement insert = TRY(state_.prepare(
        "INSERT INTO request (rd, state, bytes, header_hash, person, session, path_now, filed_ns, expires_ns, claims) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    TRY(insert.bind(ByteView(rd), static_cast<int>(row.state), bytes, ByteView(row.header), person,
                    raw(row.session), row.path_now, row.filed.ns, row.expires.ns, row.claims).run());
    TRY(state_.log({.kind = LeafKind::kRequest, .person = person, .subject = rd,
                    .note = a_case.header.path, .content = row.request}));
    return {};
  }));
  return view_of_row(row, context.peer);
}

// People type these digits: while a request lives, no other has them. Its requester makes another, with another id.
Status RequestBook::check_short_id_free(const Hash& rd) {
  const Bytes least = bytes_of(ByteView(rd).first(kShortIdBytes));
  Bytes most = least;
  most.resize(sizeof(Hash), 0xff);
  const std::uint64_t others = TRY(state_.number("SELECT count(*) FROM request WHERE rd BETWEEN ? AND ? AND state <= 2", least, most));
  return others == 0 ? Status() : Error(Errc::kStale, "another request that waits begins with " + short_id(rd) + "; file it anew");
}

Result<v1::RequestView> RequestBook::get(const CallContext& context, const v1::GetRequestRequest& request) {
  const std::string& id = request.id();
  const bool hexadecimal = id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (id.size() < 4 || id.size() > 64 || !hexadecimal) {
    return Error(Errc::kInvalid, "a request is named by 4 to 64 hexadecimal digits");
  }
  const auto bound = [&](char digit) { return from_hex(id + std::string(64 - id.size(), digit)).value(); };
  Statement search = TRY(state_.prepare("SELECT rd FROM request WHERE rd BETWEEN ? AND ? LIMIT 2"));
  const Bytes least = bound('0'), most = bound('f');
  search.bind(least, most);
  if (!TRY(search.step())) return not_found();
  const Hash rd = hash_of(search.blob(0));
  if (TRY(search.step())) return Error(Errc::kInvalid, "several requests begin with " + id + "; give more digits");
  return view_of_row(TRY(find(rd)), context.peer);
}

Result<v1::ListRequestsResponse> RequestBook::list(const CallContext& context, const v1::ListRequestsRequest& request) {
  Statement search = TRY(state_.prepare(
      "SELECT rd FROM request WHERE ?1 OR state <= 1 ORDER BY filed_ns DESC"));
  search.bind(request.all() ? 1 : 0);
  std::vector<Hash> found;
  while (found.size() < kMostLooked && TRY(search.step())) found.push_back(hash_of(search.blob(0)));
  v1::ListRequestsResponse response;
  for (const Hash& rd : found) {
    if (response.requests_size() >= kMaxListed) break;
    const Row row = TRY(find(rd));
    if (!request.approver().empty()) {
      const Policy policy = TRY(parse_policy(TRY(secrets_.find_by_header(row.header)).policy));
      if (policy.place_of(request.approver()).group == nullptr) continue;
    }
    *response.add_requests() = TRY(view_of_row(row, context.peer));
    if (response.ByteSizeLong() > kMaxUnaryBodyBytes / 2) break;
  }
  return response;
}

Result<v1::RequestView> RequestBook::approve(const CallContext& context, const v1::ApproveRequest& request) {
  const ByteView bytes = view_of(request.approval());
  const Approval approval = TRY(parse_approval(bytes));
  const Loaded loaded = TRY(load(approval.rd));
  const Person* person = TRY(check_approval(approval, loaded.a_case, state_.roster()));
  if (approval.part != Part::kVote && !approval.share) return Error(Errc::kInvalid, "the approval comes without its share");
  const LeafKind kind = approval.part == Part::kShare ? LeafKind::kDisclose : LeafKind::kApprove;
  TRY(vote({.person = person->name, .kind = kind, .bytes = bytes_of(bytes), .logged = encode_vote(approval)}, loaded));
  return view_of_row(TRY(find(approval.rd)), context.peer);
}

Result<v1::RequestView> RequestBook::deny(const CallContext& context, const v1::DenyRequest& request) {
  const ByteView bytes = view_of(request.denial());
  const Denial denial = TRY(parse_denial(bytes));
  const Loaded loaded = TRY(load(denial.rd));
  const Person* person = TRY(check_denial(denial, loaded.a_case, state_.roster()));
  TRY(vote({.person = person->name, .kind = LeafKind::kDeny, .bytes = bytes_of(bytes), .logged = bytes_of(bytes)}, loaded));
  return view_of_row(TRY(find(denial.rd)), context.peer);
}

// A vote that check_approval or check_denial let pass for the time it names. The same again is done already.
Status RequestBook::vote(const Voted& voted, const Loaded& loaded) {
  const Hash& rd = loaded.row.rd;
  // What is signed names the share, which may be gone already.
  if (TRY(state_.number("SELECT count(*) FROM vote WHERE rd = ?1 AND person = ?2 AND substr(bytes, 1, length(?3)) = ?3", ByteView(rd),
                        voted.person, voted.logged)) > 0) {
    return {};
  }
  TRY(check_may_vote(voted, loaded));
  if (!waits_for_votes(loaded.row.state)) return ended(loaded.row.state);
  TRY(check_open(loaded.a_case, state_.roster(), state_.now()));
  TRY(standing(state_.roster().current(), voted.person, kApprover, state_.now()));
  Row row = loaded.row;
  std::size_t approvals = 0;
  TRY(state_.change([&]() -> Status {
    const auto leaf = TRY(state_.log({.kind = voted.kind, .person = voted.person, .subject = rd,
                                      .note = loaded.a_case.header.path, .content = voted.logged}));
    Statement insert = TRY(state_.prepare("INSERT INTO vote (rd, person, kind, bytes, position) VALUES (?, ?, ?, ?, ?)"));
    TRY(insert.bind(ByteView(rd), voted.person, static_cast<int>(voted.kind), voted.bytes, leaf.position).run());
    const Tally tally = TRY(count(loaded));
    approvals = tally.approved.size();
    if (tally.can_release()) row.state = v1::APPROVED;
    if (tally.decision == Decision::kDenied) row.state = v1::DENIED;
    return set_state(rd, row.state);
  }));
  tell(row, row.state, approvals);
  return {};
}

Result<Tally> RequestBook::count(const Loaded& loaded) {
  const Votes votes = TRY(votes_of(loaded.row.rd));
  return count_votes(loaded.a_case, votes.approvals, votes.denials, state_.roster());
}

// One vote a person; only from yes to no, while it is open, may somebody change their mind. A share follows its vote once there
// are enough.
Status RequestBook::check_may_vote(const Voted& voted, const Loaded& loaded) {
  const auto cast = [&](LeafKind kind) {
    return state_.number("SELECT count(*) FROM vote WHERE rd = ? AND person = ? AND kind = ?", ByteView(loaded.row.rd), voted.person,
                         static_cast<int>(kind));
  };
  const bool denied = TRY(cast(LeafKind::kDeny)) > 0;
  const bool again = TRY(cast(voted.kind)) > 0;
  if (denied || again) return Error(Errc::kExists, voted.person + " has voted on this request already");
  if (voted.kind != LeafKind::kDisclose || share_is_due(loaded.a_case.policy, TRY(count(loaded)), voted.person)) return {};
  return Error(Errc::kWouldBlock, "votes are missing: " + voted.person + "'s share is not due");
}

Result<v1::RequestView> RequestBook::cancel(const CallContext& context, const v1::CancelRequest& request) {
  const Record record = TRY(parse_record(view_of(request.cancellation())));
  const Loaded loaded = TRY(load(record.rd));
  TRY(check_record(record, loaded.a_case.request));
  if (record.happening != Happening::kCancelled) return Error(Errc::kInvalid, "this record is no cancellation");
  Row row = loaded.row;
  if (row.state == v1::CANCELLED) return view_of_row(row, context.peer);
  if (!waits_for_votes(row.state) && row.state != v1::APPROVED) return ended(row.state);
  row.state = v1::CANCELLED;
  TRY(state_.change([&]() -> Status {
    TRY(set_state(row.rd, row.state));
    TRY(state_.log({.kind = LeafKind::kCancel, .person = loaded.a_case.request.requester.person, .subject = row.rd,
                    .note = loaded.a_case.header.path, .content = bytes_of(view_of(request.cancellation()))}));
    return {};
  }));
  tell(row, row.state, 0);
  return view_of_row(row, context.peer);
}

Result<v1::ReleaseResponse> RequestBook::release(const CallContext&, const v1::ReleaseRequest& request) {
  const Hash rd = hash_of(view_of(request.rd()));
  Statement earlier = TRY(state_.prepare("SELECT answer FROM release WHERE rd = ?"));
  earlier.bind(ByteView(rd));
  if (TRY(earlier.step())) {
    v1::ReleaseResponse response;
    if (!response.ParseFromString(string_of(earlier.blob(0)))) return Error(Errc::kCorrupt, "a stored release does not parse");
    return response;
  }
  const Loaded loaded = TRY(load(rd));
  if (waits_for_votes(loaded.row.state)) return Error(Errc::kWouldBlock, "votes are missing");
  if (loaded.row.state != v1::APPROVED) return ended(loaded.row.state);
  TRY(check_open(loaded.a_case, state_.roster(), state_.now()));
  TRY(accounts_.check_not_logged_out(loaded.a_case.request.requester));
  TRY(secrets_.check_still_opens(loaded.a_case.header, loaded.a_case.policy));
  return release_approved(loaded);
}

Result<v1::ReleaseResponse> RequestBook::release_approved(const Loaded& loaded) {
  const Hash& rd = loaded.row.rd;
  const Votes votes = TRY(votes_of(rd));
  const Tally tally = count_votes(loaded.a_case, votes.approvals, votes.denials, state_.roster());
  if (!tally.can_release()) return Error(Errc::kAccess, "an approver has lost standing since; file again");
  const Bytes sealed = TRY(seal_inner(loaded.a_case, loaded.secret.inner, state_.random()));
  const Hash evidence = release_hash(rd, votes.approvals, sealed);
  v1::ReleaseResponse response;
  for (const Approval& approval : votes.approvals) response.add_approvals(string_of(encode(approval)));
  response.set_sealed_inner(string_of(sealed));
  TRY(state_.change([&]() -> Status {
    const auto logged = TRY(state_.log({.kind = LeafKind::kRelease, .subject = rd, .note = loaded.a_case.header.path,
                                        .content = bytes_of(evidence)}));
    response.set_leaf(string_of(logged.leaf));
    response.set_leaf_index(logged.position);
    response.set_checkpoint(state_.checkpoint());
    for (const Hash& node : TRY(state_.inclusion_proof(logged.position))) response.add_proof(string_of(node));
    for (const Hash& node : TRY(state_.consistency_proof(loaded.a_case.request.log_size))) response.add_consistency(string_of(node));
    Statement insert = TRY(state_.prepare("INSERT INTO release (rd, answer) VALUES (?, ?)"));
    TRY(insert.bind(ByteView(rd), view_of(response.SerializeAsString())).run());
    return set_state(rd, v1::RELEASED);
  }));
  return response;
}

Result<v1::RecordResponse> RequestBook::record(const CallContext&, const v1::RecordRequest& request) {
  const ByteView bytes = view_of(request.record());
  const Record record = TRY(parse_record(bytes));
  const Loaded loaded = TRY(load(record.rd));
  const Request& of = loaded.a_case.request;
  TRY(check_record(record, of));
  if (record.happening == Happening::kCancelled) return Error(Errc::kInvalid, "a cancellation is sent with Cancel");
  const auto count = [&](std::string_view which, const auto&... values) {
    return state_.number("SELECT count(*) FROM record WHERE rd = ? AND " + std::string(which), ByteView(record.rd), values...);
  };
  if (TRY(count("bytes = ?", bytes)) > 0) return v1::RecordResponse();
  const bool opens = record.happening == Happening::kOpened;
  const v1::State state = loaded.row.state;
  if (state == v1::CLOSED || state == v1::EXPIRED) return Error(Errc::kExists, "the opening is over");
  if (state != v1::OPEN && state != v1::RELEASED) return Error(Errc::kInvalid, "the request was not released");
  if (opens && TRY(count("happening = ?", static_cast<int>(Happening::kOpened))) >= of.openings) {
    return Error(Errc::kInvalid, "more openings than the request may have");
  }
  const auto [leaf, next] = opens ? std::pair(LeafKind::kOpen, v1::OPEN)
                            : record.happening == Happening::kClosed ? std::pair(LeafKind::kClose, v1::CLOSED)
                                                                     : std::pair(LeafKind::kExpire, v1::EXPIRED);
  TRY(state_.change([&, kind = leaf, to = next]() -> Status {
    Statement insert = TRY(state_.prepare("INSERT INTO record (rd, happening, at_ns, bytes) VALUES (?, ?, ?, ?)"));
    TRY(insert.bind(ByteView(record.rd), static_cast<int>(record.happening), record.at.ns, bytes).run());
    TRY(state_.log({.kind = kind, .person = of.requester.person, .subject = record.rd, .note = loaded.a_case.header.path,
                    .content = bytes_of(bytes)}));
    return set_state(record.rd, to);
  }));
  return v1::RecordResponse();
}

Status RequestBook::events(const CallContext& context, const v1::EventsRequest& request, EventHub::Sink sink) {
  const SessionId stream = stream_of(context.peer, request.session());
  if (listeners_.size() >= kMaxSessions && !listeners_.contains(stream)) {  // the oldest one opens it again, or asks
    const auto oldest = std::ranges::min_element(listeners_, {}, [](const auto& entry) { return entry.second; });
    events_.forget(oldest->first);
    listeners_.erase(oldest);
  }
  Status attached = events_.attach(stream, request.after(), std::move(sink));
  if (!attached) {  // numbers of an earlier run: it begins anew
    events_.forget(stream);
    listeners_.erase(stream);
    return attached;
  }
  events_.acknowledge(stream, request.after());
  listeners_[stream] = clock_.now();
  return {};
}

Result<std::uint64_t> RequestBook::pending() { return state_.number("SELECT count(*) FROM request WHERE state <= 1"); }

void RequestBook::tick(MonoTime now) {
  next_tick_ = now + kExpiryTick;
  const auto turn = state_.take_turn();
  auto search = state_.prepare("SELECT rd FROM request WHERE state <= 2 AND expires_ns < ? LIMIT 100");
  if (!search) return;
  search->bind(state_.now().ns);
  std::vector<Hash> late;
  for (auto more = search->step(); more && *more; more = search->step()) late.push_back(hash_of(search->blob(0)));
  for (const Hash& rd : late) {
    const auto row = find(rd);
    if (row && time_out(*row)) tell(*row, v1::TIMED_OUT, 0);
  }
}

Status RequestBook::time_out(const Row& row) {
  return state_.change([&]() -> Status {
    TRY(set_state(row.rd, v1::TIMED_OUT));
    const SecretHeader header = TRY(parse_header(TRY(secrets_.find_by_header(row.header)).header));
    TRY(state_.log({.kind = LeafKind::kTimeOut, .subject = row.rd, .note = header.path, .content = {}}));
    return {};
  });
}

Result<RequestBook::Row> RequestBook::find(const Hash& rd) {
  Statement search = TRY(state_.prepare("SELECT " + std::string(kRowColumns) + " FROM request WHERE rd = ?"));
  search.bind(ByteView(rd));
  if (!TRY(search.step())) return not_found();
  return Row{.rd = rd, .state = static_cast<v1::State>(search.i64(1)), .request = bytes_of(search.blob(2)),
             .header = hash_of(search.blob(3)), .session = SessionId{search.u64(4)},
             .path_now = std::string(search.text(5)), .filed = WallTime{search.i64(6)}, .expires = WallTime{search.i64(7)},
             .claims = bytes_of(search.blob(8))};
}

Result<RequestBook::Loaded> RequestBook::load(const Hash& rd) {
  Row row = TRY(find(rd));
  StoredSecret secret = TRY(secrets_.find_by_header(row.header));
  const SecretProofs proofs = TRY(secrets_.proofs(secret));
  Case a_case = TRY(open_case(secret.policy, secret.header, secret.table, row.request, state_.roster(), proofs, row.claims));
  return Loaded{std::move(row), std::move(secret), std::move(a_case)};
}

Result<RequestBook::Votes> RequestBook::votes_of(const Hash& rd) {
  Statement search = TRY(state_.prepare("SELECT kind, bytes, position FROM vote WHERE rd = ? ORDER BY number"));
  search.bind(ByteView(rd));
  Votes votes;
  while (TRY(search.step())) {
    if (search.i64(0) == static_cast<int>(LeafKind::kDeny)) {
      votes.denials.push_back(TRY(parse_denial(search.blob(1))));
    } else {
      votes.approvals.push_back(TRY(parse_approval(search.blob(1))));
      votes.approval_leaves.push_back(search.u64(2));
    }
  }
  return votes;
}

// Claims are for who decides: the requester, the policy's approvers, admins.
bool RequestBook::may_see_claims(const Peer& peer, const Row& row, const Policy& policy) {
  if (peer.role != Role::kUser) return false;
  const auto request = parse_request(row.request);
  if (request && request->requester.person == peer.name) return true;
  if (policy.place_of(peer.name).group != nullptr) return true;
  return standing(state_.roster().current(), peer.name, kAdmin, state_.now()).has_value();
}

Result<v1::RequestView> RequestBook::view_of_row(const Row& row, const Peer& peer) {
  const StoredSecret secret = TRY(secrets_.find_by_header(row.header));
  const Policy policy = TRY(parse_policy(secret.policy));
  const Votes votes = TRY(votes_of(row.rd));
  v1::RequestView view;
  view.set_rd(string_of(row.rd));
  view.set_id(short_id(row.rd));
  view.set_state(row.state);
  view.set_request(string_of(row.request));
  view.set_header(string_of(secret.header));
  view.set_share_table(string_of(secret.table));
  view.set_policy(string_of(secret.policy));
  for (const Approval& approval : votes.approvals) view.add_approvals(string_of(encode_vote(approval)));
  for (const std::uint64_t position : votes.approval_leaves) view.add_approval_leaves(position);
  if (may_see_claims(peer, row, policy)) view.set_claims(string_of(row.claims));
  for (const Denial& denial : votes.denials) view.add_denials(string_of(encode(denial)));
  view.set_path_now(row.path_now);
  view.set_filed_ns(row.filed.ns);
  view.set_expires_ns(row.expires.ns);
  std::uint32_t needed = 0;
  for (const ApproverGroup& group : policy.groups) needed += group.m;
  view.set_needed(needed);
  view.set_newest(TRY(secrets_.newest_version(TRY(parse_header(secret.header)).core.secret)));
  *view.mutable_proofs() = message_of(TRY(secrets_.proofs(secret)));
  return view;
}

// What ends without a release gives nobody its shares: they are not kept for who steals the database later.
Status RequestBook::set_state(const Hash& rd, v1::State state) {
  Statement update = TRY(state_.prepare("UPDATE request SET state = ?1, approved = approved OR ?1 = ?2 WHERE rd = ?3"));
  TRY(update.bind(static_cast<int>(state), static_cast<int>(v1::APPROVED), ByteView(rd)).run());
  if (state != v1::DENIED && state != v1::TIMED_OUT && state != v1::CANCELLED) return {};
  Statement forget = TRY(state_.prepare("UPDATE vote SET bytes = substr(bytes, 1, ?) WHERE rd = ? AND kind <> ?"));
  return forget.bind(static_cast<std::uint64_t>(kVoteBytes), ByteView(rd), static_cast<int>(LeafKind::kDeny)).run();
}

// A session that does not listen finds out when it asks; one whose events overflow has stopped reading.
void RequestBook::tell(const Row& row, v1::State state, std::size_t approvals) {
  if (!listeners_.contains(row.session)) return;
  v1::Event event;
  event.set_rd(string_of(row.rd));
  event.set_state(state);
  event.set_approvals(static_cast<std::uint32_t>(approvals));
  if (events_.publish(row.session, event.SerializeAsString())) return;
  events_.forget(row.session);
  listeners_.erase(row.session);
}

}  // namespace conclave::vault
