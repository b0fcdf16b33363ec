#include "fileserver/file_client.h"

#include <algorithm>

#include "base/certificate.h"
#include "base/connect_wire.h"
#include "fileserver/file_wire.h"

namespace conclave::file {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::seconds(1);

HttpRequest raw_request(std::string_view path, const ChunkPlace& place, std::string_view token) {
  return {std::string(path),
          {{"content-type", std::string(kRawType)}, bytes_header(kTokenHeader, token),
           bytes_header(kPermitHeader, place.permit)},
          {}};
}

void give_body(HttpRequest& request, std::string body) {
  request.headers.push_back(number_header(kCrcHeader, crc32c(view_of(body))));
  request.body = std::move(body);
}

constexpr int kMostMoves = 10;   // of a tail, under one append

Result<FileClient::Appended> appended_of(const HttpReply& reply) {
  FileClient::Appended out;
  out.offset = TRY(number_of(reply.headers, kOffsetHeader));
  out.boot = TRY(number_of(reply.headers, kBootHeader));
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

Result<HttpReply> FileClient::send(const ConnectClient& to, const HttpRequest& request) {
  const MonoTime deadline = clock_.now() + std::min<Duration>(patience_, kCallDeadline);
  auto reply = TRY(transport_.call(to.server(), request, deadline));
  TRY(checked_reply(reply));
  return reply;
}

// As ConnectClient::call_until_known, for a body that is sent again without being copied.
Result<HttpReply> FileClient::until_known(const ChunkPlace& place, HttpRequest request, const SlotPool::Lease& lease,
                                          bool& may_have_happened) {
  const Known to = TRY(master_of(place));
  request.headers.emplace_back(kOpHeader, to_text(lease.id()));
  const MonoTime end = clock_.now() + patience_;
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    auto reply = transport_.call(to->server(), request, std::min(end, clock_.now() + Duration(kCallDeadline)));
    Status status = reply ? checked_reply(*reply) : Status(reply.error());
    if (status) return reply;
    const Errc code = status.error().code;
    if (retry_of(code) == Retry::kSameOpOnly) may_have_happened = true;
    if (!may_pass(code) || clock_.now() + pause >= end) {
      Error error = std::move(status).error();
      if (may_pass(code) && may_have_happened) error.code = Errc::kUnknown;
      return error;
    }
    clock_.sleep_until(clock_.now() + pause);
  }
}

template <class Response, class Request>
Result<Response> FileClient::ask_master(const ChunkPlace& place, std::string_view path, const Request& request) {
  const auto master = TRY(master_of(place));
  CallOptions options;
  options.timeout = patience_;
  const auto lease = slots_.acquire();
  options.op = lease.id();
  return master->call_until_known<Response>(path, request, options);
}

Result<std::string> FileClient::read(const ChunkPlace& place, std::string_view token, std::uint64_t offset,
                                     std::uint64_t length) {
  HttpRequest request = raw_request(kReadPath, place, token);
  request.headers.push_back(number_header(kOffsetHeader, offset));
  request.headers.push_back(number_header(kLengthHeader, length));
  const MonoTime end = clock_.now() + patience_;
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    Error last(Errc::kStale, "a chunk without a place");
    bool worth_waiting = false;
    for (const ServerId id : place.members) {
      const auto server = TRY(find(id));
      auto reply = send(*server, request);
      if (reply) return std::move(reply->body);
      worth_waiting |= may_pass(reply.error().code);
      const bool others_may_know = may_pass(reply.error().code) || reply.error().code == Errc::kCorrupt ||
                                   reply.error().code == Errc::kIo;
      last = std::move(reply).error();
      if (!others_may_know) return last;
    }
    if (!worth_waiting || clock_.now() + pause >= end) return last;
    clock_.sleep_until(clock_.now() + pause);
  }
}

Result<FileClient::Written> FileClient::write(const ChunkPlace& place, std::string_view token, std::uint64_t offset,
                                              std::string body) {
  HttpRequest request = raw_request(kWritePath, place, token);
  request.headers.push_back(number_header(kOffsetHeader, offset));
  give_body(request, std::move(body));
  const auto lease = slots_.acquire();
  bool may_have_happened = false;
  const auto reply = TRY(until_known(place, std::move(request), lease, may_have_happened));
  return Written{TRY(number_of(reply.headers, kBootHeader)), TRY(number_of(reply.headers, kMovedHeader, 0)) != 0};
}

Result<FileClient::Appended> FileClient::append(const ChunkPlace& tail, std::string_view token, const std::string& body,
                                                const Cursor* cursor,
                                                const std::function<Result<ChunkPlace>()>& relocate) {
  const auto lease = slots_.acquire();
  bool may_have_happened = false;
  ChunkPlace place = tail;
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
    const Errc code = reply.error().code;
    if (code == Errc::kNoDevice && moves < kMostMoves) {   // nobody has appended to this chunk yet
      TRY(start(place, token));
    } else if (code == Errc::kStale && relocate && moves < kMostMoves) {
      place = TRY(relocate());
    } else {
      if (code == Errc::kStale && may_have_happened) return Error(Errc::kUnknown, reply.error().message);
      return std::move(reply).error();
    }
  }
}

Status FileClient::start(const ChunkPlace& tail, std::string_view token) {
  v1::StartRequest request;
  request.set_token(std::string(token));
  request.set_permit(tail.permit);
  request.set_start_bytes(tail.start_bytes);
  request.set_cursors(tail.cursors);
  TRY(ask_master<v1::StartResponse>(tail, kStartPath, request));
  return {};
}

// One call for each master and kMaxPermitsPerCommit chunks.
Status FileClient::commit(std::string_view token, std::span<const Dirty> chunks, bool births_told) {
  std::map<ServerId, std::vector<const Dirty*>> by_master;
  for (const Dirty& dirty : chunks) {
    if (dirty.place.members.empty()) return Error(Errc::kStale, "a chunk without a place");
    by_master[dirty.place.members.front()].push_back(&dirty);
  }
  for (const auto& [master, dirties] : by_master) {
    for (std::size_t first = 0; first < dirties.size(); first += kMaxPermitsPerCommit) {
      v1::CommitRequest request;
      request.set_token(std::string(token));
      request.set_births_told(births_told);
      const std::size_t end = std::min(dirties.size(), first + kMaxPermitsPerCommit);
      for (std::size_t i = first; i < end; ++i) {
        request.add_permits(dirties[i]->place.permit);
        request.add_boots(dirties[i]->boot);
      }
      TRY(ask_master<v1::CommitResponse>(dirties[first]->place, kCommitPath, request));
    }
  }
  return {};
}

Result<std::uint64_t> FileClient::truncate(const ChunkPlace& place, std::string_view token, std::uint64_t length) {
  v1::TruncateRequest request;
  request.set_token(std::string(token));
  request.set_permit(place.permit);
  request.set_length_bytes(length);
  return TRY(ask_master<v1::TruncateResponse>(place, kTruncatePath, request)).boot();
}

Result<std::uint64_t> FileClient::zero(const ChunkPlace& place, std::string_view token, std::uint64_t offset,
                                       std::uint64_t length) {
  v1::ZeroRequest request;
  request.set_token(std::string(token));
  request.set_permit(place.permit);
  request.set_offset_bytes(offset);
  request.set_length_bytes(length);
  return TRY(ask_master<v1::ZeroResponse>(place, kZeroPath, request)).boot();
}

Result<v1::StatResponse> FileClient::stat(const ChunkPlace& place, std::string_view token,
                                          const std::vector<std::string>& cursors) {
  v1::StatRequest request;
  request.set_token(std::string(token));
  request.set_permit(place.permit);
  for (const auto& name : cursors) request.add_cursors(name);
  auto answer = ask_master<v1::StatResponse>(place, kStatPath, request);
  if (answer || answer.error().code != Errc::kNoDevice) return answer;
  TRY(start(place, token));   // nobody has appended to this chunk yet: its cursors are D's to tell
  return ask_master<v1::StatResponse>(place, kStatPath, request);
}

Result<v1::ExtentsResponse> FileClient::extents(const ChunkPlace& place, std::string_view token, std::uint64_t offset) {
  v1::ExtentsRequest request;
  request.set_token(std::string(token));
  request.set_permit(place.permit);
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
  return ask_master<v1::CopyResponse>(to, kCopyPath, request);
}

Result<v1::HealthResponse> FileClient::health(ServerId server) {
  const auto known = TRY(find(server));
  return known->call<v1::HealthResponse>(kHealthPath, v1::HealthRequest());
}

}  // namespace conclave::file
