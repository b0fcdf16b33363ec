#include "fileserver/file_client.h"

#include <algorithm>

#include "base/certificate.h"
#include "base/connect_wire.h"
#include "fileserver/file_wire.h"

namespace conclave::file {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);
constexpr Duration kFirstRead = std::chrono::milliseconds(300);    // then the other copy is asked
constexpr Duration kShortPatience = std::chrono::seconds(1);       // with one that was given up a moment ago
constexpr Duration kGivenUpFor = std::chrono::seconds(10);
constexpr Duration kSilentFor = std::chrono::seconds(2);
// D replaces a master that it has not heard of for kFileServerDead: then it is worth asking.
constexpr Duration kFirstAnswer = Duration(kFileServerDead) + std::chrono::milliseconds(400);

HttpRequest raw_request(std::string_view path, const ChunkPlace& place, std::string_view token) {
  return {std::string(path),
          {{"content-type", std::string(kRawType)}, bytes_header(kTokenHeader, token),
           bytes_header(kPermitHeader, place.permit)},
          {}};
}

void set_permit(HttpRequest& request, const ChunkPlace& place) {
  const auto at = std::ranges::find(request.headers, kPermitHeader, &Header::first);
  *at = bytes_header(kPermitHeader, place.permit);
}

Result<MemberStarts> starts_of(const HttpReply& reply) { return MemberStarts::parse(header_of(reply.headers, kStartsHeader)); }

void give_body(HttpRequest& request, std::string body) {
  request.headers.push_back(number_header(kCrcHeader, crc32c(view_of(body))));
  request.body = std::move(body);
}

constexpr int kMostMoves = 10;   // of a tail, under one append

// What a server says before it looks whether it knows the operation: a repetition of one that was carried out gets it too.
bool refuses_unread(Errc code) {
  return code == Errc::kStale || code == Errc::kFenced || code == Errc::kOvertaken || code == Errc::kAccess;
}

Result<FileClient::Appended> appended_of(const HttpReply& reply) {
  FileClient::Appended out;
  out.offset = TRY(number_of(reply.headers, kOffsetHeader));
  out.starts = TRY(starts_of(reply));
  out.done = TRY(number_of(reply.headers, kDoneHeader, 0)) != 0;
  out.moved = TRY(number_of(reply.headers, kMovedHeader, 0)) != 0;
  return out;
}

}  // namespace

FileClient::FileClient(Transport& transport, Clock& clock, Waiter& waiter, ClusterId cluster, SessionId session,
                       std::uint32_t generation)
    : transport_(transport),
      clock_(clock),
      cluster_(cluster),
      slots_(session, generation, waiter) {}

ChunkPlace ChunkPlace::of(const dir::v1::Layout& layout) {
  ChunkPlace out{ChunkId{layout.chunk()}, layout.permit(), {}, layout.start_bytes(), layout.cursors()};
  for (const std::uint32_t member : layout.members()) out.members.push_back(ServerId{member});
  return out;
}

void FileClient::set_servers(const dir::v1::ServersResponse& servers) {
  const std::lock_guard lock(mutex_);
  for (const dir::v1::Member& server : servers.members()) {
    const Endpoint endpoint{server_dns_name(Role::kFile, server.name(), cluster_), server.host(),
                            static_cast<std::uint16_t>(server.port())};
    Known& known = servers_[ServerId{server.id()}];
    if (!known || known->server() != endpoint) known = std::make_shared<ConnectClient>(transport_, clock_, endpoint);
  }
}

Result<FileClient::Known> FileClient::find(ServerId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  if (found == servers_.end()) {
    return Error(Errc::kStale, "file server " + std::to_string(raw(id)) + " is not known here: ask the directory server");
  }
  return found->second;
}

bool FileClient::knows(const ChunkPlace& place) const {
  return std::ranges::all_of(place.members, [&](ServerId id) { return find(id).has_value(); });
}

Result<FileClient::Known> FileClient::master_of(const ChunkPlace& place) const {
  if (place.members.empty()) return Error(Errc::kStale, "a chunk without a place");
  return find(place.members.front());
}

Result<HttpReply> FileClient::send(const ConnectClient& to, const HttpRequest& request, Duration at_most) {
  const MonoTime deadline = clock_.now() + std::min<Duration>(patience_, at_most);
  auto reply = TRY(transport_.call(to.server(), request, deadline));
  TRY(checked_reply(reply));
  return reply;
}

// --- The master's answer, whoever that is meanwhile.

struct FileClient::Asking {
  ChunkPlace place;
  MonoTime end{};
  bool may_have_happened = false;
  bool doubted = false;     // its master let the first deadline pass, and D says that it is the master still
};

// A program whose call was given up makes the next one at once, and the kernel asks page by page for what it did not get
// as a whole: that costs a second each, until the server was tried again in earnest.
MonoTime FileClient::end_of_patience(const ChunkPlace& place) const {
  const std::lock_guard lock(mutex_);
  const auto found = place.members.empty() ? given_up_.end() : given_up_.find(place.members.front());
  const bool lately = found != given_up_.end() && clock_.now() < found->second;
  return clock_.now() + (lately ? std::min(patience_, kShortPatience) : patience_);
}

void FileClient::note_given_up(const ChunkPlace& place) {
  const std::lock_guard lock(mutex_);
  MonoTime& until = given_up_[place.members.front()];
  if (until <= clock_.now()) until = clock_.now() + kGivenUpFor;
}

// Repeats once(server, deadline) until the answer is known or the time is over.
template <class Once>
auto FileClient::of_master(Asking& asking, Once once) -> decltype(once(*Known(), MonoTime())) {
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const Known to = TRY(master_of(asking.place));
    const bool can_ask = static_cast<bool>(asking.place.again);
    const Duration at_most = can_ask && !asking.doubted ? kFirstAnswer : Duration(kCallDeadline);
    auto reply = once(*to, std::min(asking.end, clock_.now() + at_most));
    if (reply) return reply;
    const Errc code = reply.error().code;
    if (retry_of(code) == Retry::kSameOpOnly) asking.may_have_happened = true;
    if (!may_pass(code) || clock_.now() + pause >= asking.end) {
      Error error = std::move(reply).error();
      if (may_pass(code) && asking.may_have_happened) error.code = Errc::kUnknown;
      if (may_pass(code)) note_given_up(asking.place);
      return error;
    }
    clock_.sleep_until(clock_.now() + pause);
    if (can_ask && code != Errc::kOverloaded) TRY(follow(asking, reply.error()));
  }
}

// D not answering either is no reason to give up yet.
Status FileClient::follow(Asking& asking, const Error& why) {
  const ServerId silent = asking.place.members.front();
  auto now = asking.place.again(silent);
  if (!now) return may_pass(now.error().code) ? Status() : Status(now.error());
  asking.doubted = why.code == Errc::kUnknown && now->members == asking.place.members;
  asking.place = std::move(now).value();
  return {};
}

// As ConnectClient::call_until_known, for a body that is sent again without being copied.
Result<HttpReply> FileClient::until_known(ChunkPlace& place, HttpRequest request, const SlotPool::Lease& lease,
                                          bool& may_have_happened) {
  request.headers.emplace_back(kOpHeader, to_text(lease.id()));
  Asking asking{place, end_of_patience(place), may_have_happened};
  auto reply = of_master(asking, [&](const ConnectClient& to, MonoTime deadline) -> Result<HttpReply> {
    set_permit(request, asking.place);
    auto once = TRY(transport_.call(to.server(), request, deadline));
    TRY(checked_reply(once));
    return once;
  });
  may_have_happened = asking.may_have_happened;
  place = std::move(asking.place);
  return reply;
}

template <class Response, class Request>
Result<Response> FileClient::ask_master(const ChunkPlace& place, std::string_view path, Request request) {
  const auto lease = slots_.acquire();
  Asking asking{place, end_of_patience(place)};
  return of_master(asking, [&](ConnectClient& to, MonoTime deadline) {
    if constexpr (requires { request.set_permit(std::string()); }) request.set_permit(asking.place.permit);
    return to.call<Response>(path, request, {deadline - clock_.now(), lease.id(), {}});
  });
}

// --- Reading.

void FileClient::note_silent(ServerId id) {
  const std::lock_guard lock(mutex_);
  silent_[id] = clock_.now() + kSilentFor;
}

// The master first, and those that gave no answer a moment ago last.
std::vector<ServerId> FileClient::readable_first(const ChunkPlace& place) const {
  std::vector<ServerId> out = place.members;
  const std::lock_guard lock(mutex_);
  std::ranges::stable_partition(out, [&](ServerId id) {
    const auto found = silent_.find(id);
    return found == silent_.end() || found->second <= clock_.now();
  });
  return out;
}

// In rounds: each of the members is given a fraction of a second at first, and more in later rounds. Between rounds D is
// asked who has the chunk now.
Result<std::string> FileClient::read(const ChunkPlace& where, std::string_view token, std::uint64_t offset,
                                     std::uint64_t length) {
  ChunkPlace place = where;
  HttpRequest request = raw_request(kReadPath, place, token);
  request.headers.push_back(number_header(kOffsetHeader, offset));
  request.headers.push_back(number_header(kLengthHeader, length));
  const MonoTime end = end_of_patience(place);
  Duration each = kFirstRead;
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    Error last(Errc::kStale, "a chunk without a place");
    bool worth_waiting = false;
    for (const ServerId id : readable_first(place)) {
      const auto server = TRY(find(id));
      auto reply = send(*server, request, each);
      if (reply) return std::move(reply->body);
      if (may_pass(reply.error().code)) note_silent(id);
      worth_waiting |= may_pass(reply.error().code);
      const bool others_may_know = may_pass(reply.error().code) || reply.error().code == Errc::kCorrupt ||
                                   reply.error().code == Errc::kIo;
      last = std::move(reply).error();
      if (!others_may_know) return last;
    }
    const bool over = clock_.now() + pause >= end;
    if (worth_waiting && over) note_given_up(place);
    if (!worth_waiting || over) return last;
    clock_.sleep_until(clock_.now() + pause);
    each = std::min<Duration>(4 * each, kCallDeadline);
    if (!place.again) continue;
    auto now = place.again(place.members.front());
    if (!now && !may_pass(now.error().code)) return std::move(now).error();
    if (!now) continue;
    place = std::move(now).value();
    set_permit(request, place);
  }
}

// --- Changing.

Result<FileClient::Written> FileClient::write(const ChunkPlace& place, std::string_view token, std::uint64_t offset,
                                              std::string body) {
  HttpRequest request = raw_request(kWritePath, place, token);
  request.headers.push_back(number_header(kOffsetHeader, offset));
  give_body(request, std::move(body));
  const auto lease = slots_.acquire();
  bool may_have_happened = false;
  ChunkPlace at = place;
  const auto reply = TRY(until_known(at, std::move(request), lease, may_have_happened));
  return Written{TRY(starts_of(reply)), TRY(number_of(reply.headers, kMovedHeader, 0)) != 0};
}

Result<FileClient::Appended> FileClient::append(const ChunkPlace& tail, std::string_view token, const std::string& body,
                                                const Cursor* cursor, const Relocate& relocate) {
  const auto lease = slots_.acquire();
  bool may_have_happened = false;
  ChunkPlace place = tail;
  const std::function<Result<ChunkPlace>(ServerId)> find_tail = [&](ServerId silent) -> Result<ChunkPlace> {
    ChunkPlace found = TRY(relocate(silent));
    found.again = find_tail;
    return found;
  };
  if (relocate) place.again = find_tail;
  for (int moves = 0;; ++moves) {
    HttpRequest request = raw_request(kAppendPath, place, token);
    if (cursor != nullptr) {
      request.headers.push_back(bytes_header(kCursorHeader, cursor->name));
      request.headers.push_back(number_header(kFromHeader, cursor->from));
      request.headers.push_back(number_header(kToHeader, cursor->to));
    }
    give_body(request, body);
    auto reply = until_known(place, std::move(request), lease, may_have_happened);
    if (reply) return appended_of(*reply);
    Error error = std::move(reply).error();
    if (error.code == Errc::kNoDevice && moves < kMostMoves) {   // nobody has appended to this chunk yet
      const Status started = start(place, token);
      if (started) continue;
      error = started.error();
    } else if (error.code == Errc::kStale && relocate && moves < kMostMoves) {
      auto found = find_tail(ServerId{0});
      if (found) {
        place = *std::move(found);
        continue;
      }
      error = std::move(found).error();
    }
    if (may_have_happened && refuses_unread(error.code)) error.code = Errc::kUnknown;
    return error;
  }
}

Status FileClient::start(const ChunkPlace& tail, std::string_view token) {
  v1::StartRequest request;
  request.set_token(std::string(token));
  request.set_start_bytes(tail.start_bytes);
  request.set_cursors(tail.cursors);
  TRY(ask_master<v1::StartResponse>(tail, kStartPath, request));
  return {};
}

// One call for each master and kMaxPermitsPerCommit chunks. It may be done twice: no operation id is needed for that.
Status FileClient::commit_once(std::string_view token, const std::vector<Dirty>& chunks, bool births_told, Duration at_most,
                               ServerId& silent) {
  std::map<ServerId, std::vector<const Dirty*>> by_master;
  for (const Dirty& dirty : chunks) {
    if (dirty.place.members.empty()) return Error(Errc::kStale, "a chunk without a place");
    by_master[dirty.place.members.front()].push_back(&dirty);
  }
  for (const auto& [master, dirties] : by_master) {
    silent = master;
    const Known to = TRY(find(master));
    for (std::size_t first = 0; first < dirties.size(); first += kMaxPermitsPerCommit) {
      v1::CommitRequest request;
      request.set_token(std::string(token));
      request.set_births_told(births_told);
      const std::size_t end = std::min(dirties.size(), first + kMaxPermitsPerCommit);
      for (std::size_t i = first; i < end; ++i) {
        request.add_permits(dirties[i]->place.permit);
        request.add_boots(dirties[i]->starts.boot_of(master));
        request.add_starts(dirties[i]->starts.text());
      }
      TRY(to->call<v1::CommitResponse>(kCommitPath, request, {at_most, {}, {}}));
    }
  }
  return {};
}

Status FileClient::commit(std::string_view token, const Places& places, bool births_told) {
  const MonoTime end = clock_.now() + patience_;
  Duration at_most = kFirstAnswer;
  ServerId silent{};
  auto chunks = TRY(places(silent));
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const Status done = commit_once(token, chunks, births_told, std::min<Duration>(at_most, end - clock_.now()), silent);
    if (done || !may_pass(done.error().code) || clock_.now() + pause >= end) return done;
    if (done.error().code == Errc::kUnknown) at_most = kCallDeadline;
    clock_.sleep_until(clock_.now() + pause);
    auto now = places(silent);
    if (now) chunks = std::move(now).value();
    if (!now && !may_pass(now.error().code)) return std::move(now).error();
  }
}

Result<MemberStarts> FileClient::truncate(const ChunkPlace& place, std::string_view token, std::uint64_t length) {
  v1::TruncateRequest request;
  request.set_token(std::string(token));
  request.set_length_bytes(length);
  return MemberStarts::parse(TRY(ask_master<v1::TruncateResponse>(place, kTruncatePath, request)).starts());
}

Result<MemberStarts> FileClient::zero(const ChunkPlace& place, std::string_view token, std::uint64_t offset,
                                      std::uint64_t length) {
  v1::ZeroRequest request;
  request.set_token(std::string(token));
  request.set_offset_bytes(offset);
  request.set_length_bytes(length);
  return MemberStarts::parse(TRY(ask_master<v1::ZeroResponse>(place, kZeroPath, request)).starts());
}

Result<v1::StatResponse> FileClient::stat(const ChunkPlace& place, std::string_view token,
                                          const std::vector<std::string>& cursors) {
  v1::StatRequest request;
  request.set_token(std::string(token));
  for (const auto& name : cursors) request.add_cursors(name);
  auto answer = ask_master<v1::StatResponse>(place, kStatPath, request);
  if (answer || answer.error().code != Errc::kNoDevice) return answer;
  TRY(start(place, token));   // nobody has appended to this chunk yet: its cursors are D's to tell
  return ask_master<v1::StatResponse>(place, kStatPath, request);
}

Result<v1::ExtentsResponse> FileClient::extents(const ChunkPlace& place, std::string_view token, std::uint64_t offset) {
  v1::ExtentsRequest request;
  request.set_token(std::string(token));
  request.set_offset_bytes(offset);
  return ask_master<v1::ExtentsResponse>(place, kExtentsPath, request);
}

Result<v1::CopyResponse> FileClient::copy(const ChunkPlace& from, std::string_view from_token,
                                          std::uint64_t from_offset, const ChunkPlace& to, std::string_view to_token,
                                          std::uint64_t to_offset, std::uint64_t length) {
  if (from.members.empty() || to.members.empty() || from.members.front() != to.members.front()) {
    return Error(Errc::kNotSupported, "the two chunks have different masters");
  }
  v1::CopyRequest request;
  request.set_from_token(std::string(from_token));
  request.set_from_permit(from.permit);
  request.set_from_bytes(from_offset);
  request.set_to_token(std::string(to_token));
  request.set_to_permit(to.permit);
  request.set_to_bytes(to_offset);
  request.set_length_bytes(length);
  auto copied = ask_master<v1::CopyResponse>(to, kCopyPath, request);
  if (copied || copied.error().code != Errc::kUnavailable) return copied;
  return Error(Errc::kNotSupported, "the chunks' master does not answer: they may have other masters now");
}

Result<v1::HealthResponse> FileClient::health(ServerId server) {
  const auto known = TRY(find(server));
  return known->call<v1::HealthResponse>(kHealthPath, v1::HealthRequest());
}

}  // namespace conclave::file
