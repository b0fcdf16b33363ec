#include "dirserver/dir_ops.h"

#include <limits>

#include "dirserver/dir_attrs.h"
#include "dirserver/dir_chunks.h"
#include "dirserver/dir_copies.h"
#include "dirserver/dir_names.h"
#include "dirserver/dir_past.h"
#include "dirserver/dir_permit.h"
#include "dirserver/dir_rename.h"
#include "dirserver/dir_trust.h"
#include "dirserver/dir_xattrs.h"
#include "dirserver/named_inodes.h"

namespace conclave::dir {
namespace {

std::string path_of(const char* method) { return std::string("/conclave.dir.v1.DirService/") + method; }

// Only a commit of sizes may ask for it; everything else is synced by Sync, or within a second.
bool wants_sync(const v1::CommitRequest& request) { return request.durable(); }
template <class Request>
bool wants_sync(const Request&) { return false; }

}  // namespace

void DirOps::add_to(Router& router) {
  reads(router, "Lookup", lookup);
  reads(router, "GetAttr", get_attr);
  reads(router, "ReadLink", read_link);
  reads(router, "ReadDir", read_dir);
  reads(router, "GetXattr", get_xattr);
  reads(router, "ListXattr", list_xattr);

  changes(router, "SetAttr", set_attr);
  changes(router, "Create", create);
  changes(router, "Link", link);
  changes(router, "Remove", remove);
  changes(router, "Rename", rename);
  changes(router, "SetXattr", set_xattr);
  changes(router, "RemoveXattr", remove_xattr);
  changes(router, "Commit", commit_size);
  changes(router, "Punch", punch);

  const Roles clients = {Role::kHost, Role::kUser};
  router.unary<v1::PlaceRequest, v1::PlaceResponse>(
      path_of("Place"), clients, [this](const auto& context, const auto& request) { return place(context, request); });
  router.unary<v1::SyncRequest, v1::SyncResponse>(
      path_of("Sync"), clients, [this](const auto& context, const auto&) { return sync(context); });

  router.unary<v1::PermitPutRequest, v1::PermitPutResponse>(
      path_of("PermitPut"), clients, [this](const auto& context, const auto& request) { return permit_put(context, request); });

  shows<v1::StatFsRequest>(router, "StatFs", &DirOps::stat_fs);
  shows<v1::ServersRequest>(router, "Servers", &DirOps::servers);
  shows<v1::HealthRequest>(router, "Health", &DirOps::health);

  router.unary<v1::RegisterRequest, v1::RegisterResponse>(
      path_of("Register"), {Role::kFile},
      [this](const auto& context, const auto& request) { return register_server(context, request); });
  router.take_large(path_of("Register"));   // FloorTable::kMostInodes
  router.unary<v1::HeartbeatRequest, v1::HeartbeatResponse>(
      path_of("Heartbeat"), {Role::kFile},
      [this](const auto& context, const auto& request) { return heartbeat(context, request); });
  chains(router, "Shrink", shrink);
  chains(router, "Seal", seal);
  chains(router, "Leave", leave);
  chains(router, "Born", born);
  router.unary<v1::VerifyRequest, v1::VerifyResponse>(
      path_of("Verify"), {Role::kFile},
      [this](const CallContext& context, const v1::VerifyRequest& request) -> Result<v1::VerifyResponse> {
        const Server server = TRY(server_of(context));
        return store_.read<v1::VerifyResponse>([&](View& view) { return verify(view, server, placing_.servers, request); });
      });
  router.unary<v1::RecoverRequest, v1::RecoverResponse>(
      path_of("Recover"), {Role::kHost}, [this](const auto&, const auto& request) { return recover(request); });
  router.unary<v1::AdmitRequest, v1::AdmitResponse>(
      path_of("Admit"), {Role::kFile},
      [this](const auto& context, const auto& request) { return admit_copy(context, request); });

  const Roles operators = {Role::kHost};
  router.unary<v1::FileServersRequest, v1::FileServersResponse>(
      path_of("FileServers"), operators, [this](const auto&, const auto&) { return file_servers(); });
  router.unary<v1::DrainRequest, v1::FileServersResponse>(
      path_of("Drain"), operators, [this](const auto&, const auto& request) { return drain(request); });
  router.unary<v1::RemoveServerRequest, v1::FileServersResponse>(
      path_of("RemoveServer"), operators, [this](const auto&, const auto& request) { return remove_server(request); });
}

template <class Request, class Response>
void DirOps::reads(Router& router, const char* method, ReadCore<Request, Response> core) {
  router.unary<Request, Response>(
      path_of(method), {Role::kHost, Role::kUser},
      [this, core](const CallContext& context, const Request& request) -> Result<Response> {
        const Call call = TRY(admit(context, request));
        return store_.read<Response>([&](View& view) { return core(view, call, request); });
      });
}

template <class Request, class Response>
void DirOps::changes(Router& router, const char* method, ChangeCore<Request, Response> core) {
  router.unary<Request, Response>(
      path_of(method), {Role::kHost, Role::kUser},
      [this, core](const CallContext& context, const Request& request) -> Result<Response> {
        const Call call = TRY(admit(context, request));
        if (context.op.sequence == 0) return Error(Errc::kInvalid, "a change needs an operation id");
        return store_.commit<Response>(context.op, wants_sync(request),
                                       [&](Change& change) { return core(change, call, request); });
      });
}

template <class Request, class Response>
void DirOps::chains(Router& router, const char* method, ChainCore<Request, Response> core) {
  router.unary<Request, Response>(
      path_of(method), {Role::kFile},
      [this, core](const CallContext& context, const Request& request) -> Result<Response> {
        const Server server = TRY(server_of(context));
        TRY(check_newest());
        return store_.commit<Response>(OpId{}, true, [&](Change& change) { return core(change, server, request); });
      });
}

template <class Request, class Response>
void DirOps::shows(Router& router, const char* method, Response (DirOps::*show)()) {
  router.unary<Request, Response>(
      path_of(method), {Role::kHost, Role::kUser, Role::kDir, Role::kLock, Role::kFile, Role::kVault},
      [this, show](const CallContext&, const Request&) -> Result<Response> { return (this->*show)(); });
}

template <class Request>
Result<Call> DirOps::admit(const CallContext& context, const Request& request) {
  TRY(check_past());
  Call call = TRY(gate_.admit(context.peer, context.pass, context.op, placing_.clock.now()));
  if constexpr (requires { request.caller(); }) {
    call.subject = TRY(subject_of(context.peer, request.caller()));
    if (!call.subject.kernel_checked) TRY(require_tickets(call, request.caller(), named_inodes(request)));
  } else {
    call.subject = TRY(subject_of(context.peer, v1::Caller::default_instance()));
  }
  return call;
}

Result<Server> DirOps::server_of(const CallContext& context) const { return Server{context.peer.name, TRY(gate_.keys())}; }

// Most ask for what is there: read first, commit only what is missing.
Result<v1::PlaceResponse> DirOps::place(const CallContext& context, const v1::PlaceRequest& request) {
  const Call call = TRY(admit(context, request));
  auto found = TRY(store_.read<v1::PlaceResponse>([&](View& view) { return find_places(view, call, request); }));
  for (const v1::Layout& layout : found.layouts()) {
    for (const std::uint32_t silent : request.silent()) {
      const auto& members = layout.members();
      if (std::ranges::find(members, silent) == members.end()) continue;
      placing_.servers.suspect(ServerId{silent}, {InodeId{request.inode()}, layout.index()});
    }
  }
  const auto is_missing = [](const v1::Layout& layout) { return layout.permit().empty(); };
  const bool tail_missing = request.tail() && found.layouts_size() == request.indexes_size();
  const bool missing = tail_missing || std::any_of(found.layouts().begin(), found.layouts().end(), is_missing);
  if (!request.create() || !missing) return found;
  return store_.commit<v1::PlaceResponse>(OpId{}, false,
                                          [&](Change& change) { return make_places(change, call, request); });
}

Result<v1::PermitPutResponse> DirOps::permit_put(const CallContext& context, const v1::PermitPutRequest& request) {
  const Call call = TRY(admit(context, request));
  PutPermit permit = TRY(store_.read<PutPermit>([&](View& view) { return permit_for(view, call, request); }));
  permit.cluster = self_.cluster;
  permit.at = placing_.clock.wall();
  v1::PermitPutResponse out;
  out.set_permit(string_of(TRY(seal(permit, self_.own))));
  return out;
}

Result<v1::SyncResponse> DirOps::sync(const CallContext& context) {
  TRY(check_past());
  TRY(gate_.admit(context.peer, context.pass, context.op, placing_.clock.now()));
  TRY(store_.sync());
  v1::SyncResponse out;
  out.set_boot(boot_);
  return out;
}

namespace {

template <class Request>
ServerTable::Report report_of(const Request& request) {
  return {.boot = request.boot(), .total_bytes = request.total_bytes(), .free_bytes = request.free_bytes()};
}

std::vector<FloorTable::Floor> floors_of(const v1::RegisterRequest& request) {
  std::vector<FloorTable::Floor> out;
  for (const v1::Floor& floor : request.floors()) {
    out.push_back({InodeId{floor.inode()}, floor.read(), floor.shared(), floor.write()});
  }
  return out;
}

void add_floors(const std::vector<FloorTable::Floor>& floors, v1::RegisterResponse& out) {
  for (const FloorTable::Floor& floor : floors) {
    v1::Floor& one = *out.add_floors();
    one.set_inode(raw(floor.inode));
    one.set_read(floor.read);
    one.set_shared(floor.shared);
    one.set_write(floor.write);
  }
}

}  // namespace

Result<v1::RegisterResponse> DirOps::register_server(const CallContext& context, const v1::RegisterRequest& request) {
  const Server server = TRY(server_of(context));
  ServerRow row;
  TRY(store_.commit_status(true, [&](Change& change) -> Status {
    row = TRY(dir::register_server(change, server, request));
    return change.raise_bounds(request.past(), request.highest_chunk());
  }));
  TRY(note_past(row.name, request.past()));
  const bool behind = request.recovered_to() < std::max(row.mark, placing_.servers.mark_of(row.name));
  if (behind) TRY(distrust_server(server, row, request.recovered_to()));
  ServerTable::Report report = report_of(request);
  report.synced_to = request.recovered_to();
  placing_.servers.registered(row, report, placing_.clock.now());
  log_.info("a file server registered", {{"name", row.name}, {"id", raw(row.id)}, {"host", row.host}});
  gate_.know_floors(floors_of(request));
  v1::RegisterResponse out;
  add_floors(gate_.floors(), out);
  out.set_id(raw(row.id));
  *out.mutable_first() = TRY(answer(server, row.id, 0));
  out.set_behind(behind);
  // Permits end with the epoch after the one they were sealed in.
  out.set_careful(row.behind_epoch != 0 && server.keys->epoch() <= row.behind_epoch + 1);
  return out;
}

// `row` becomes what is stored of it.
Status DirOps::distrust_server(const Server& server, ServerRow& row, std::uint64_t recovered_to) {
  log_.error("a file server came back with less than it had: it was restored from a backup, or its journal is damaged",
             {{"name", row.name}, {"journal", recovered_to}, {"journal before", placing_.servers.mark_of(row.name)}});
  TRY(distrust(store_, row.id, recovered_to, server.keys->epoch()));
  for (ServerRow& stored : TRY(store_.read<std::vector<ServerRow>>([](View& view) { return view.servers(); }))) {
    if (stored.id == row.id) row = std::move(stored);
  }
  return {};
}

// --- The past: whether this database is the newest there was.

Status DirOps::note_past(const std::string& name, const v1::Past& seen) {
  const v1::Past own = store_.past();
  const bool knows_run = TRY(store_.read<bool>([&](View& view) { return view.knows_run(seen.run()); }));
  if (!is_behind(own, seen, knows_run)) return {};
  const std::lock_guard lock(mutex_);
  if (newer_ && !is_later(seen, *newer_)) return {};
  newer_ = seen;
  newer_seen_by_ = name;
  placing_.servers.set_doubted(true);
  log_.error("this database is older than what a file server has seen: nothing is served until `conclave recover dirserver`",
             {{"file server", name}, {"commits", own.commits()}, {"commits seen", seen.commits()}});
  return {};
}

Status DirOps::check_newest() {
  const std::lock_guard lock(mutex_);
  if (!newer_) return {};
  return Error(Errc::kUnavailable, "the directory server's database is older than what file server '" + newer_seen_by_ +
               "' has seen: put the newest one in its place, or take this one with `conclave recover dirserver`");
}

Status DirOps::check_past() {
  if (placing_.servers.past_is_heard(placing_.clock.now())) return check_newest();
  return Error(Errc::kUnavailable, "the directory server has just started, and no file server has said yet what it has seen");
}

Result<v1::HeartbeatResponse> DirOps::heartbeat(const CallContext& context, const v1::HeartbeatRequest& request) {
  const Server server = TRY(server_of(context));
  ServerTable::Report report = report_of(request);
  report.fence_acknowledged = request.fence_acknowledged();
  report.chunks = request.chunks();
  report.lacking = static_cast<std::uint64_t>(request.lacking_size());
  report.bad = static_cast<std::uint64_t>(request.bad_size());
  report.synced_to = request.synced_to();
  const ServerId id = TRY(placing_.servers.heard(server.name, report, placing_.clock.now()));
  for (const std::uint64_t chunk : request.not_copied()) jobs_.failed(ChunkId{chunk}, placing_.clock.now());
  if (request.deleted_size() != 0) {
    // A disk that is full is no reason to drop a server that serves: what stays listed here is named to it again, and it
    // says again that it is gone.
    const Status forgotten =
        store_.commit_status(false, [&](Change& change) { return forget_deleted(change, id, request); });
    if (!forgotten && forgotten.error().code == Errc::kInvalid) return forgotten.error();
    if (!forgotten) log_.warning("deleted copies stay listed", {{"name", server.name}, {"why", forgotten.error()}});
  }
  auto out = TRY(answer(server, id, request.fence_acknowledged()));
  if (request.lacking_size() != 0) note_lacking(server, id, request, out);
  return out;
}

// What cannot be done now is named again by the next heartbeat, which must not be lost for it.
void DirOps::note_lacking(const Server& server, ServerId id, const v1::HeartbeatRequest& request,
                          v1::HeartbeatResponse& out) {
  const MonoTime now = placing_.clock.now();
  const auto partings = store_.read<Partings>(
      [&](View& view) { return partings_of(view, id, request.lacking(), placing_.servers, now); });
  if (!partings) return log_.error("copies could not be looked up", {{"server", server.name}, {"why", partings.error()}});
  for (const ChunkId chunk : partings->none) out.add_left(raw(chunk));
  if (partings->leaving.empty()) return;
  const Status left = store_.commit_status(true, [&](Change& change) { return leave_lacking(change, id, partings->leaving); });
  if (!left) return log_.error("copies could not be taken out", {{"server", server.name}, {"why", left.error()}});
  log_.warning("a file server lacks copies of chunks and is no member of them any more",
               {{"name", server.name}, {"chunks", partings->leaving.size()}});
}

Result<v1::HeartbeatResponse> DirOps::answer(const Server& server, ServerId id, std::uint64_t fence_acknowledged) {
  const std::uint64_t synced = store_.synced_commit();
  auto out = TRY(store_.read<v1::HeartbeatResponse>([&](View& view) -> Result<v1::HeartbeatResponse> {
    auto made = TRY(answer_heartbeat(view, server, id, fence_acknowledged, synced, members()));
    TRY(add_bring_in(view, server, id, made));
    return made;
  }));
  if (check_newest()) {
    *out.mutable_past() = store_.past();
  } else {
    out.clear_remove();   // what an old database has freed is not for it to say, nor who lacks what
    out.clear_bring_in();
  }
  return out;
}

Status DirOps::add_bring_in(View& view, const Server& server, ServerId id, v1::HeartbeatResponse& out) {
  for (const HealJobs::Job& job : jobs_.of_master(id)) {
    const auto chunk = TRY(view.chunk(job.place.inode, job.place.position));
    const bool there = chunk && chunk->chunk == job.chunk;
    auto wanted = there ? bring_in_of(*server.keys, *chunk, id, job.newcomer) : std::nullopt;
    if (!wanted) {
      jobs_.drop(job.chunk);
      continue;
    }
    wanted->set_mib_per_second(heal_mib_per_second_);
    *out.add_bring_in() = *std::move(wanted);
  }
  return {};
}


Result<v1::AdmitResponse> DirOps::admit_copy(const CallContext& context, const v1::AdmitRequest& request) {
  const Server server = TRY(server_of(context));
  const ChunkPermit permit = TRY(server.keys->open_permit(view_of(request.permit())));
  const auto answer = TRY(store_.commit<v1::AdmitResponse>(
      OpId{}, true, [&](Change& change) { return dir::admit_copy(change, server, request); }));
  const auto& members = answer.layout().members();
  const bool admitted = request.server() != 0 && std::ranges::find(members, request.server()) != members.end();
  admitted ? jobs_.done(permit.chunk, request.bytes(), placing_.clock.now()) : jobs_.drop(permit.chunk);
  return answer;
}

std::vector<v1::Member> DirOps::members() const { return placing_.servers.members(placing_.clock.now()); }

v1::StatFsResponse DirOps::stat_fs() {
  v1::StatFsResponse out;
  std::uint64_t total = 0;
  std::uint64_t free = 0;
  for (const v1::Member& member : members()) {
    if (!member.up()) continue;
    total += member.total_bytes();
    free += member.free_bytes();
  }
  out.set_total_bytes(total / placing_.replicas);
  out.set_free_bytes(free / placing_.replicas);
  out.set_inodes(store_.figures().counts.inodes);
  out.set_replicas(placing_.replicas);
  return out;
}

v1::ServersResponse DirOps::servers() {
  v1::ServersResponse out;
  for (v1::Member& member : members()) *out.add_members() = std::move(member);
  return out;
}

Result<v1::Healing> DirOps::healing() {
  const MonoTime now = placing_.clock.now();
  const HealJobs::Progress progress = jobs_.progress(now);
  const auto hosts = placing_.servers.hosts(now);
  const auto left = TRY(store_.read<std::uint64_t>([&](View& view) -> Result<std::uint64_t> {
    std::uint64_t out = TRY(view.chunks_with_fewer_copies(placing_.replicas));
    for (const auto& [id, host] : hosts) {
      if (host.leaving) out += TRY(view.count_copies_at(id, true));
    }
    return out;
  }));
  v1::Healing out;
  out.set_chunks_left(left);
  out.set_bytes_left(left * progress.bytes_per_chunk);
  const double seconds = progress.chunks_per_second > 0 ? static_cast<double>(left) / progress.chunks_per_second : 0;
  out.set_seconds_left(static_cast<std::uint64_t>(seconds + 0.5));
  out.set_under_way(progress.under_way);
  out.set_chunks_done(progress.chunks_done);
  out.set_bytes_done(progress.bytes_done);
  return out;
}

v1::HealthResponse DirOps::health() {
  const DirStore::Figures figures = store_.figures();
  v1::HealthResponse out;
  out.set_inodes(figures.counts.inodes);
  out.set_chunks(figures.counts.chunks);
  out.set_orphans(figures.counts.orphans);
  out.set_replicas(placing_.replicas);
  out.set_boot(boot_);
  out.set_commits(figures.commits);
  out.set_operations(figures.operations);
  out.set_syncs(figures.syncs);
  out.set_backup_age_s(std::numeric_limits<std::uint64_t>::max());
  for (v1::Member& member : members()) *out.add_members() = std::move(member);
  const auto under = store_.read<std::uint64_t>(
      [&](View& view) { return view.chunks_with_fewer_copies(placing_.replicas); });
  if (under) out.set_under_replicated(*under);
  const auto doubted = store_.read<std::uint64_t>([](View& view) { return view.doubted_chunks(); });
  if (doubted) out.set_doubted(*doubted);
  *out.mutable_own() = store_.past();
  {
    const std::lock_guard lock(mutex_);
    if (newer_) *out.mutable_newer() = *newer_;
    out.set_newer_seen_by(newer_seen_by_);
  }
  if (auto progress = healing()) *out.mutable_healing() = *std::move(progress);
  if (!under) log_.error("chunks could not be counted", {{"error", under.error()}});
  return out;
}

}  // namespace conclave::dir
