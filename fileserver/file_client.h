// The file servers' API as typed calls (file.proto says what the fields mean). One object for a session; it keeps
// the servers' addresses, which the owner feeds from DirService.Servers. Operation ids are the session's, not a
// server's: a record that was appended under one is known by it at every member, and in the file's next chunks.
//
// All calls block, at most `patience`, and are thread-safe. They are repeated under their operation id until the
// answer is known or patience is over: kUnavailable then says that it did not happen, kUnknown that it may have.
// kStale: the layout, or the file server that the place names, is not current: ask D again; kOvertaken: the token is not:
// do it again under the newest lease. Neither happened. A file server that does not answer is asked about at D
// (ChunkPlace::again), and the call goes on at the one that took its place: a master that was killed costs what D needs to
// replace it, a frozen one kFirstAnswer. kFenced, kAccess, kNoSpace, kCorrupt (no copy of a block is good), kIo: as the server
// says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/connect_client.h"
#include "base/guarded.h"
#include "conclave/dir/v1/dir.pb.h"
#include "conclave/file/v1/file.pb.h"
#include "fileserver/member_starts.h"

namespace conclave::file {

// A layout of D as the calls below take it. Of a hole it has no members.
struct ChunkPlace {
  ChunkId chunk{};
  std::string permit;
  std::vector<ServerId> members;    // the master first
  std::uint64_t start_bytes = 0;    // for append only, as the next
  std::string cursors;
  // Asks D where the chunk is now, telling it which file server gave no answer. Empty: nobody can ask. Called while a
  // call on this place is under way, which then goes on elsewhere under the same operation id.
  std::function<Result<ChunkPlace>(ServerId silent)> again;

  static ChunkPlace of(const dir::v1::Layout& layout);
};

class FileClient {
 public:
  FileClient(Transport& transport, Clock& clock, Waiter& waiter, ClusterId cluster, SessionId session,
             std::uint32_t generation);

  // Replaces what is known of the servers named.
  void set_servers(const dir::v1::ServersResponse& servers);
  // False: ask D for its servers before using `place`.
  [[nodiscard]] bool knows(const ChunkPlace& place) const;
  void set_patience(Duration patience) { patience_ = patience; }   // before the first call; 30 s

  // Offsets are within the chunk. At most kMaxIoBytes. Shorter than asked only at the chunk's end: the rest is zeros.
  // From the master; from the other members while it does not answer within a fraction of a second, or has no good copy.
  Result<std::string> read(const ChunkPlace& place, std::string_view token, std::uint64_t offset, std::uint64_t length);

  struct Written {
    MemberStarts starts;            // for commit
    bool moved = false;             // members changed meanwhile: ask D for the layout before reading or writing more
  };
  // Once answered the bytes are with every in-sync member's kernel. 1 to kMaxIoBytes, within the chunk.
  Result<Written> write(const ChunkPlace& place, std::string_view token, std::uint64_t offset, std::string body);

  struct Cursor {
    std::string name;               // at most kMaxCursorNameBytes
    std::uint64_t from = 0, to = 0; // where it must stand, and will
  };
  struct Appended {
    std::uint64_t offset = 0;       // in the file; of nothing if `done`
    MemberStarts starts;
    bool done = false;              // the cursor stood at `to` or past it: this was written before
    bool moved = false;
  };
  // At the end of the file; whole, once, or not at all. kRange: the cursor is not at `from`. `relocate` asks D for
  // the tail: called when `tail` turns out full or moved, or its master does not answer, and the same operation goes on
  // there. Without it that is kStale, or kUnknown if it may have happened.
  using Relocate = std::function<Result<ChunkPlace>(ServerId silent)>;   // 0: its tail is full or elsewhere
  Result<Appended> append(const ChunkPlace& tail, std::string_view token, const std::string& body,
                          const Cursor* cursor = nullptr, const Relocate& relocate = {});

  struct Dirty {
    ChunkPlace place;
    MemberStarts starts;            // of the latest write's answer
  };
  // What was written survives power loss of all once this returns. kRestarted: send the bytes again. `places` says what was
  // written and where it lies; asked again when a file server gave no answer (0 the first time). With `births_told` the
  // caller goes on to tell D which of the chunks are born; else the file servers have told it.
  using Places = std::function<Result<std::vector<Dirty>>(ServerId silent)>;
  Status commit(std::string_view token, const Places& places, bool births_told = false);

  Result<MemberStarts> truncate(const ChunkPlace& place, std::string_view token, std::uint64_t length);
  Result<MemberStarts> zero(const ChunkPlace& place, std::string_view token, std::uint64_t offset, std::uint64_t length);
  // With `cursors`, of a log's tail, a token that may append.
  Result<v1::StatResponse> stat(const ChunkPlace& place, std::string_view token,
                                const std::vector<std::string>& cursors = {});
  Result<v1::ExtentsResponse> extents(const ChunkPlace& place, std::string_view token, std::uint64_t offset);
  // kNotSupported unless one server is the master of both.
  Result<v1::CopyResponse> copy(const ChunkPlace& from, std::string_view from_token, std::uint64_t from_offset,
                                const ChunkPlace& to, std::string_view to_token, std::uint64_t to_offset,
                                std::uint64_t length);
  Result<v1::HealthResponse> health(ServerId server);

 private:
  using Known = std::shared_ptr<ConnectClient>;
  struct Asking;
  Result<Known> find(ServerId id) const;
  Result<Known> master_of(const ChunkPlace& place) const;
  Result<HttpReply> send(const ConnectClient& to, const HttpRequest& request, Duration at_most);
  template <class Once>
  auto of_master(Asking& asking, Once once) -> decltype(once(*Known(), MonoTime()));
  Status follow(Asking& asking, const Error& why);
  Result<HttpReply> until_known(ChunkPlace& place, HttpRequest request, const SlotPool::Lease& lease,
                                bool& may_have_happened);
  [[nodiscard]] std::vector<ServerId> readable_first(const ChunkPlace& place) const;
  void note_silent(ServerId id);
  [[nodiscard]] MonoTime end_of_patience(const ChunkPlace& place) const;
  void note_given_up(const ChunkPlace& place);
  Status commit_once(std::string_view token, const std::vector<Dirty>& chunks, bool births_told, Duration at_most,
                     ServerId& silent);
  Status start(const ChunkPlace& tail, std::string_view token);
  template <class Response, class Request>
  Result<Response> ask_master(const ChunkPlace& place, std::string_view path, Request request);

  Transport& transport_;
  Clock& clock_;
  const ClusterId cluster_;
  Duration patience_ = std::chrono::seconds(30);
  SlotPool slots_;
  mutable std::mutex mutex_;
  std::map<ServerId, Known> servers_ GUARDED_BY(mutex_);
  std::map<ServerId, MonoTime> silent_ GUARDED_BY(mutex_);    // gave no answer: asked last until then
  std::map<ServerId, MonoTime> given_up_ GUARDED_BY(mutex_);  // masters: not waited for again until then
};

}  // namespace conclave::file
