#include "dirserver/dir_client.h"

namespace conclave::dir {

DirClient::DirClient(Transport& transport, Clock& clock, Endpoint server)
    : client_(transport, clock, std::move(server)) {}

DirClient::DirClient(Transport& transport, Clock& clock, Endpoint server, Session session, Waiter& waiter)
    : client_(transport, clock, std::move(server)),
      slots_(std::make_unique<SlotPool>(session.id, session.generation, waiter)),
      pass_(std::move(session.pass)) {}

void DirClient::set_pass(std::string pass) {
  const std::lock_guard lock(mutex_);
  pass_ = std::move(pass);
}

std::string DirClient::pass() const {
  const std::lock_guard lock(mutex_);
  return pass_;
}

// No effect, or one that may happen twice.
template <class Response, class Request>
Result<Response> DirClient::ask(std::string_view path, const Request& request, Duration timeout) {
  CallOptions options;
  options.timeout = timeout;
  options.pass = pass();
  return client_.call_until_known<Response>(path, request, options);
}

// Exactly once. A number is used up whatever the answer: D takes any that is larger than the slot's last.
template <class Response, class Request>
Result<Response> DirClient::change(std::string_view path, const Request& request) {
  if (slots_ == nullptr) return Error(Errc::kUnauthenticated, "changing names needs a session");
  const SlotPool::Lease slot = slots_->acquire();
  CallOptions options;
  options.op = slot.id();
  options.pass = pass();
  return client_.call_until_known<Response>(path, request, options);
}

#define CONCLAVE_DIR_PATH(method) "/conclave.dir.v1.DirService/" method

Result<v1::Entry> DirClient::lookup(const v1::LookupRequest& request) {
  return ask<v1::Entry>(CONCLAVE_DIR_PATH("Lookup"), request);
}
Result<v1::GetAttrResponse> DirClient::get_attr(const v1::GetAttrRequest& request) {
  return ask<v1::GetAttrResponse>(CONCLAVE_DIR_PATH("GetAttr"), request);
}
Result<v1::PermitPutResponse> DirClient::permit_put(const v1::PermitPutRequest& request) {
  return ask<v1::PermitPutResponse>(CONCLAVE_DIR_PATH("PermitPut"), request);
}
Result<v1::Entry> DirClient::set_attr(const v1::SetAttrRequest& request) {
  return change<v1::Entry>(CONCLAVE_DIR_PATH("SetAttr"), request);
}
Result<v1::CreateResponse> DirClient::create(const v1::CreateRequest& request) {
  return change<v1::CreateResponse>(CONCLAVE_DIR_PATH("Create"), request);
}
Result<v1::Entry> DirClient::link(const v1::LinkRequest& request) {
  return change<v1::Entry>(CONCLAVE_DIR_PATH("Link"), request);
}
Result<v1::RemoveResponse> DirClient::remove(const v1::RemoveRequest& request) {
  return change<v1::RemoveResponse>(CONCLAVE_DIR_PATH("Remove"), request);
}
Result<v1::RenameResponse> DirClient::rename(const v1::RenameRequest& request) {
  return change<v1::RenameResponse>(CONCLAVE_DIR_PATH("Rename"), request);
}
Result<v1::ReadLinkResponse> DirClient::read_link(const v1::ReadLinkRequest& request) {
  return ask<v1::ReadLinkResponse>(CONCLAVE_DIR_PATH("ReadLink"), request);
}
Result<v1::ReadDirResponse> DirClient::read_dir(const v1::ReadDirRequest& request) {
  return ask<v1::ReadDirResponse>(CONCLAVE_DIR_PATH("ReadDir"), request);
}
Result<v1::GetXattrResponse> DirClient::get_xattr(const v1::GetXattrRequest& request) {
  return ask<v1::GetXattrResponse>(CONCLAVE_DIR_PATH("GetXattr"), request);
}
Result<v1::ListXattrResponse> DirClient::list_xattr(const v1::ListXattrRequest& request) {
  return ask<v1::ListXattrResponse>(CONCLAVE_DIR_PATH("ListXattr"), request);
}
Result<v1::Entry> DirClient::set_xattr(const v1::SetXattrRequest& request) {
  return change<v1::Entry>(CONCLAVE_DIR_PATH("SetXattr"), request);
}
Result<v1::Entry> DirClient::remove_xattr(const v1::RemoveXattrRequest& request) {
  return change<v1::Entry>(CONCLAVE_DIR_PATH("RemoveXattr"), request);
}
Result<v1::StatFsResponse> DirClient::stat_fs() {
  return ask<v1::StatFsResponse>(CONCLAVE_DIR_PATH("StatFs"), v1::StatFsRequest());
}
Result<v1::PlaceResponse> DirClient::place(const v1::PlaceRequest& request) {
  return ask<v1::PlaceResponse>(CONCLAVE_DIR_PATH("Place"), request);
}
Result<v1::CommitResponse> DirClient::commit(const v1::CommitRequest& request) {
  return change<v1::CommitResponse>(CONCLAVE_DIR_PATH("Commit"), request);
}
Result<v1::PunchResponse> DirClient::punch(const v1::PunchRequest& request) {
  return change<v1::PunchResponse>(CONCLAVE_DIR_PATH("Punch"), request);
}
Result<v1::SyncResponse> DirClient::sync() {
  return ask<v1::SyncResponse>(CONCLAVE_DIR_PATH("Sync"), v1::SyncRequest());
}
Result<v1::ServersResponse> DirClient::servers() {
  return ask<v1::ServersResponse>(CONCLAVE_DIR_PATH("Servers"), v1::ServersRequest());
}
Result<v1::HealthResponse> DirClient::health() {
  return ask<v1::HealthResponse>(CONCLAVE_DIR_PATH("Health"), v1::HealthRequest());
}
Result<v1::RegisterResponse> DirClient::register_server(const v1::RegisterRequest& request) {
  return ask<v1::RegisterResponse>(CONCLAVE_DIR_PATH("Register"), request);
}
Result<v1::HeartbeatResponse> DirClient::heartbeat(const v1::HeartbeatRequest& request, Duration timeout) {
  return ask<v1::HeartbeatResponse>(CONCLAVE_DIR_PATH("Heartbeat"), request, timeout);
}
Result<v1::ShrinkResponse> DirClient::shrink(const v1::ShrinkRequest& request) {
  return ask<v1::ShrinkResponse>(CONCLAVE_DIR_PATH("Shrink"), request);
}
Result<v1::SealResponse> DirClient::seal(const v1::SealRequest& request) {
  return ask<v1::SealResponse>(CONCLAVE_DIR_PATH("Seal"), request);
}
Result<v1::LeaveResponse> DirClient::leave(const v1::LeaveRequest& request) {
  return ask<v1::LeaveResponse>(CONCLAVE_DIR_PATH("Leave"), request);
}
Result<v1::BornResponse> DirClient::born(const v1::BornRequest& request) {
  return ask<v1::BornResponse>(CONCLAVE_DIR_PATH("Born"), request);
}
Result<v1::VerifyResponse> DirClient::verify(const v1::VerifyRequest& request) {
  return ask<v1::VerifyResponse>(CONCLAVE_DIR_PATH("Verify"), request);
}
Result<v1::AdmitResponse> DirClient::admit(const v1::AdmitRequest& request) {
  return ask<v1::AdmitResponse>(CONCLAVE_DIR_PATH("Admit"), request);
}
Result<v1::FileServersResponse> DirClient::file_servers() {
  return ask<v1::FileServersResponse>(CONCLAVE_DIR_PATH("FileServers"), v1::FileServersRequest());
}
Result<v1::FileServersResponse> DirClient::drain(const std::string& name, bool stop) {
  v1::DrainRequest request;
  request.set_name(name);
  request.set_stop(stop);
  return ask<v1::FileServersResponse>(CONCLAVE_DIR_PATH("Drain"), request);
}
Result<v1::FileServersResponse> DirClient::remove_server(const std::string& name, bool lose) {
  v1::RemoveServerRequest request;
  request.set_name(name);
  request.set_lose(lose);
  return ask<v1::FileServersResponse>(CONCLAVE_DIR_PATH("RemoveServer"), request);
}

#undef CONCLAVE_DIR_PATH

}  // namespace conclave::dir
