#include "client/client.h"

#include <utility>

namespace conclave::client {
namespace {

constexpr unsigned kFlushThreads = 8;      // requests in flight to file servers
constexpr unsigned kRerunThreads = 4;
constexpr unsigned kRecallThreads = 3;     // a recall may wait for a read that waits for another
constexpr unsigned kEndingThreads = 4;     // one may wait for a read that is at a file server
constexpr unsigned kSideThreads = 4;       // for fsync: D syncs while the file servers do

}  // namespace

Client::Client(ClientParts parts, ClientHooks hooks)
    : parts_(std::move(parts)),
      hooks_(std::move(hooks)),
      locks_(parts_.transport, parts_.clock, parts_.cluster.lock),
      parking_(parts_.waiter),
      leases_(locks_, parts_.clock, parts_.waiter, parking_, lease_hooks()),
      lock_waits_(parking_),
      session_(locks_, parts_.clock, parts_.waiter, parts_.random, leases_, lock_waits_, held_locks_, parts_.log, parts_.label,
               session_hooks()),
      chunks_(servers_),
      calls_(parts_.waiter),
      flusher_(servers_, chunks_, inodes_, parts_.clock, parts_.waiter, parking_, calls_, parts_.log,
               {[this](InodeId inode) { leases_.release_soon(inode); }, hooks_.spare}),
      leased_({servers_, leases_, debts_, inodes_, flusher_, classes_}),
      names_({servers_, leases_, inodes_, leased_, flusher_, classes_}),
      attributes_({servers_, leased_, opens_, flusher_, parking_, hooks_.raise_size}),
      file_locks_({locks_, session_, leases_, lock_waits_, held_locks_, debts_, leased_, opens_}),
      descriptors_({leases_, inodes_, leased_, opens_, names_, file_locks_}),
      listings_({servers_, leases_, inodes_, leased_, opens_, names_, classes_}),
      debt_duty_({locks_, session_, leases_, debts_, inodes_, leased_, file_locks_}),
      status_(parts_.clock, parts_.owner),
      plain_({servers_, leases_, leased_, chunks_, flusher_, parts_.clock}),
      appends_({servers_, leased_, chunks_}) {
  classes_.of(dir::v1::PLAIN) = plain_.row();
  classes_.ours() = status_.row();
  classes_.of(dir::v1::APPEND) = appends_.row();
  classes_.of(dir::v1::CHAT) = appends_.closed_chat_row();   // D keeps what lies there as logs too
  if (parts_.cluster.vault.name.empty()) return;
  secrets_.emplace(SecretMount::Parts{servers_, session_, leases_, leased_, inodes_, chunks_, names_, parts_.transport,
                                      parts_.cluster, parts_.clock, parts_.waiter, parts_.random, parking_, parts_.files,
                                      parts_.log, parts_.memory, parts_.host, parts_.mount});
  secrets_->add_to(classes_, status_);
}

LeaseCache::Hooks Client::lease_hooks() {
  return {[this](InodeId inode) { hooks_.invalidate(inode, leased_.is_directory(inode)); },
          [this](InodeId inode, LeaseMode keep) { return leased_.drain(inode, keep); },
          [this](InodeId inode) { return leased_.is_open(inode); },
          [this](InodeId inode) { leased_.told_open(inode); },
          [this](InodeId inode, const HeldLease& lease) { leased_.lease_renewed(inode, lease); }};
}

ClientSession::Hooks Client::session_hooks() {
  return {[this](const Error&) {
            hooks_.lost();
            leased_.lose_everything();
          },
          [this](OpenedSession& session) { take_over(session); },
          [this](OpenedSession& session) { servers_.dir()->set_pass(session.pass()); },
          [this](const std::vector<std::uint64_t>& handles) { opens_.lose_locks(handles); },
          [this] { return leased_.open_ones(); },
          [this](InodeId inode) { leased_.told_open(inode); }};
}

void Client::take_over(OpenedSession& session) {
  servers_.take_over(
      std::make_shared<dir::DirClient>(parts_.transport, parts_.clock, parts_.cluster.dir,
                                       dir::DirClient::Session{session.id(), session.generation(), session.pass()}, parts_.waiter),
      std::make_shared<file::FileClient>(parts_.transport, parts_.clock, parts_.waiter, parts_.cluster.id, session.id(),
                                         session.generation()));
}

std::vector<Client::Pool> Client::pools() {
  std::vector<Pool> out = {
      {"rerun", kRerunThreads, [this] { parking_.run(); }, [this] { parking_.stop(); }},
      {"recall", kRecallThreads, [this] { leases_.run_recalls(); }, [this] { leases_.stop(); }},
      {"endings", kEndingThreads, [this] { leases_.run_endings(); }, [this] { leases_.stop(); }},
      {"flush", kFlushThreads, [this] { flusher_.run(); }, [this] { flusher_.stop(); }},
      {"side", kSideThreads, [this] { calls_.run(); }, [this] { calls_.stop(); }},
      {"events", 1, [this] { session_.run_events(); }, [this] { session_.stop(); }},
  };
  if (secrets_) {
    out.push_back({"votes", 1, [this] { secrets_->files().run_events(); }, [this] { secrets_->files().stop(); }});
  }
  return out;
}

std::vector<Client::NamedDuty> Client::duties() {
  std::vector<NamedDuty> out = {{"session", session_}, {"age", flusher_}, {"debts", debt_duty_}};
  if (secrets_) out.push_back({"grants", secrets_->files()});
  return out;
}

Status Client::close(Duration patience) {
  Status first;
  const auto note = [&](const Status& done, const char* what) {
    if (done) return;
    parts_.log.warning(what, {{"why", done.error()}});
    if (first) first = done;
  };
  const std::size_t left = flusher_.flush_all(parts_.clock.now() + patience);
  if (left != 0) {
    first = Error(Errc::kUnavailable, "files could not be written back in time");
    parts_.log.error(first.error().message, {{"files", left}});
  }
  parking_.drop_all();
  if (secrets_) secrets_->wipe();
  note(leases_.return_all(), "leases were not returned");
  session_.stop();
  note(session_.close(), "the session was not closed");
  return first;
}

Client::Numbers Client::numbers() const {
  return {leases_.recalls(), leases_.size(), inodes_.size(), opens_.size(), parking_.parked(), flusher_.counters()};
}

}  // namespace conclave::client
