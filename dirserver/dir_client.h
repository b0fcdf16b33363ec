// The directory server's API as typed calls, one method for each rpc of conclave/dir/v1/dir.proto, which says what
// the fields mean. Nothing is kept here but the session's slots and pass.
//
// All calls block until answered, at most kCallDeadline, and are thread-safe. Errors are D's (each rule's errno as
// Linux has it; kStale: ask again with fresh inodes or layouts; kFenced; kUnavailable: it did not happen) and
// Transport's. Calls that change something are repeated under their operation id until the answer is known or the
// time is over, and then fail with the last error: kUnknown says that it may have happened.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/connect_client.h"
#include "base/guarded.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::dir {

class DirClient {
 public:
  struct Session {             // of lock::v1::OpenSessionResponse
    SessionId id{};
    std::uint32_t generation = 0;
    std::string pass;          // sealed SessionPass
  };

  // Without a session: for file servers, and for what needs no pass (stat_fs, servers, health).
  DirClient(Transport& transport, Clock& clock, Endpoint server);
  // For a mount or a command. `waiter` is where calls wait when all kSlotsPerSession are in flight.
  DirClient(Transport& transport, Clock& clock, Endpoint server, Session session, Waiter& waiter);
  // The same session with a new pass (the lock server began a new epoch).
  void set_pass(std::string pass);

  // Names and attributes.
  Result<v1::Entry> lookup(const v1::LookupRequest& request);
  Result<v1::GetAttrResponse> get_attr(const v1::GetAttrRequest& request);
  Result<v1::Entry> set_attr(const v1::SetAttrRequest& request);
  Result<v1::CreateResponse> create(const v1::CreateRequest& request);
  Result<v1::Entry> link(const v1::LinkRequest& request);
  Result<v1::RemoveResponse> remove(const v1::RemoveRequest& request);
  Result<v1::RenameResponse> rename(const v1::RenameRequest& request);
  Result<v1::ReadLinkResponse> read_link(const v1::ReadLinkRequest& request);
  Result<v1::ReadDirResponse> read_dir(const v1::ReadDirRequest& request);
  Result<v1::GetXattrResponse> get_xattr(const v1::GetXattrRequest& request);
  Result<v1::ListXattrResponse> list_xattr(const v1::ListXattrRequest& request);
  Result<v1::Entry> set_xattr(const v1::SetXattrRequest& request);
  Result<v1::Entry> remove_xattr(const v1::RemoveXattrRequest& request);
  Result<v1::StatFsResponse> stat_fs();
  Result<v1::PermitPutResponse> permit_put(const v1::PermitPutRequest& request);

  // Bytes: where they lie, and how many there are.
  Result<v1::PlaceResponse> place(const v1::PlaceRequest& request);
  Result<v1::CommitResponse> commit(const v1::CommitRequest& request);
  Result<v1::PunchResponse> punch(const v1::PunchRequest& request);
  // Everything answered so far survives power loss once this returned.
  Result<v1::SyncResponse> sync();

  // What status shows.
  Result<v1::ServersResponse> servers();
  Result<v1::HealthResponse> health();

  // A file server's own.
  Result<v1::RegisterResponse> register_server(const v1::RegisterRequest& request);
  Result<v1::HeartbeatResponse> heartbeat(const v1::HeartbeatRequest& request, Duration timeout);
  Result<v1::ShrinkResponse> shrink(const v1::ShrinkRequest& request);
  Result<v1::SealResponse> seal(const v1::SealRequest& request);
  Result<v1::LeaveResponse> leave(const v1::LeaveRequest& request);
  Result<v1::BornResponse> born(const v1::BornRequest& request);
  Result<v1::VerifyResponse> verify(const v1::VerifyRequest& request);
  Result<v1::AdmitResponse> admit(const v1::AdmitRequest& request);

  // An operator's. Each answers with how things stand then.
  Result<v1::FileServersResponse> file_servers();
  Result<v1::FileServersResponse> drain(const std::string& name, bool stop);
  Result<v1::FileServersResponse> remove_server(const std::string& name, bool lose);

 private:
  template <class Response, class Request>
  Result<Response> ask(std::string_view path, const Request& request, Duration timeout = kCallDeadline);
  template <class Response, class Request>
  Result<Response> change(std::string_view path, const Request& request);
  [[nodiscard]] std::string pass() const;

  ConnectClient client_;
  std::unique_ptr<SlotPool> slots_;   // null without a session
  mutable std::mutex mutex_;
  std::string pass_ GUARDED_BY(mutex_);
};

}  // namespace conclave::dir
