// The directory server's table of contents: each rpc of conclave/dir/v1/dir.proto, who may call it, and the core
// function that does it. What is here is only: who calls, under which keys, read or committed, synced or not.
#pragma once

#include <mutex>
#include <optional>

#include "base/guarded.h"
#include "base/log.h"
#include "base/router.h"
#include "base/tls.h"
#include "dirserver/dir_chains.h"
#include "dirserver/dir_store.h"
#include "dirserver/heal_jobs.h"
#include "dirserver/session_gate.h"

namespace conclave::dir {

class DirOps {
 public:
  // `boot`: random, of this start. `self`: whose key signs permits to put.
  DirOps(DirStore& store, SessionGate& gate, const Change::Placing& placing, HealJobs& jobs, unsigned heal_mib_per_second,
         std::uint64_t boot, const TlsIdentity& self, Log& log)
      : store_(store), gate_(gate), placing_(placing), jobs_(jobs), heal_mib_per_second_(heal_mib_per_second), boot_(boot),
        self_(self), log_(log) {}

  void add_to(Router& router);

  // Copies that are missing, and those at servers that are drained.
  Result<v1::Healing> healing();
  // kNotFound.
  Result<v1::FileServersResponse> drain(const v1::DrainRequest& request);

 private:
  template <class Request, class Response>
  using ReadCore = Result<Response> (*)(View&, const Call&, const Request&);
  template <class Request, class Response>
  using ChangeCore = Result<Response> (*)(Change&, const Call&, const Request&);
  template <class Request, class Response>
  using ChainCore = Result<Response> (*)(Change&, const Server&, const Request&);

  template <class Request, class Response>
  void reads(Router& router, const char* method, ReadCore<Request, Response> core);
  template <class Request, class Response>
  void changes(Router& router, const char* method, ChangeCore<Request, Response> core);
  template <class Request, class Response>
  void chains(Router& router, const char* method, ChainCore<Request, Response> core);
  template <class Request, class Response>
  void shows(Router& router, const char* method, Response (DirOps::*show)());

  template <class Request>
  Result<Call> admit(const CallContext& context, const Request& request);
  Result<Server> server_of(const CallContext& context) const;

  Result<v1::PlaceResponse> place(const CallContext& context, const v1::PlaceRequest& request);
  Result<v1::SyncResponse> sync(const CallContext& context);
  Result<v1::PermitPutResponse> permit_put(const CallContext& context, const v1::PermitPutRequest& request);
  Result<v1::RegisterResponse> register_server(const CallContext& context, const v1::RegisterRequest& request);
  Result<v1::HeartbeatResponse> heartbeat(const CallContext& context, const v1::HeartbeatRequest& request);
  void note_lacking(const Server& server, ServerId id, const v1::HeartbeatRequest& request, v1::HeartbeatResponse& out);
  Status add_bring_in(View& view, const Server& server, ServerId id, v1::HeartbeatResponse& out);
  Status distrust_server(const Server& server, ServerRow& row, std::uint64_t recovered_to);
  Status note_past(const std::string& name, const v1::Past& seen);
  Status check_newest();
  Status check_past();
  Result<v1::RecoverResponse> recover(const v1::RecoverRequest& request);
  Result<v1::RecoverResponse> recover_server(const v1::RecoverRequest& request);
  Result<v1::HeartbeatResponse> answer(const Server& server, ServerId id, std::uint64_t fence_acknowledged);
  Result<v1::AdmitResponse> admit_copy(const CallContext& context, const v1::AdmitRequest& request);
  Result<v1::FileServersResponse> file_servers();
  Result<v1::FileServersResponse> remove_server(const v1::RemoveServerRequest& request);
  Result<v1::FileServersResponse> set_state(const std::string& name, ServerState state);
  v1::StatFsResponse stat_fs();
  v1::ServersResponse servers();
  v1::HealthResponse health();
  [[nodiscard]] std::vector<v1::Member> members() const;

  DirStore& store_;
  SessionGate& gate_;
  const Change::Placing placing_;
  HealJobs& jobs_;
  const unsigned heal_mib_per_second_;
  const std::uint64_t boot_;
  const TlsIdentity& self_;
  Log& log_;
  std::mutex mutex_;
  std::optional<v1::Past> newer_ GUARDED_BY(mutex_);   // that a file server has seen: this database is an old one
  std::string newer_seen_by_ GUARDED_BY(mutex_);
};

}  // namespace conclave::dir
