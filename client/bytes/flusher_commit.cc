// Flusher: telling D, and durability.
#include "client/bytes/births.h"
#include "client/bytes/flusher.h"

namespace conclave::client {
namespace {

constexpr int kDurableAttempts = 10;  // file servers that restart between the bytes and the commit

bool grows(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.attributes.now.size_bytes() > inode.attributes.size_at_dir;
}

}  // namespace

// With the inode's turn.
Status Flusher::make_durable(const InodePtr& inode, bool tells) {
  WriteBuffer::Covered covered;
  Held held;
  {
    const std::lock_guard lock(inode->mutex);
    covered = inode->bytes.buffer.covered();
    held = held_of(*inode);
  }
  if (covered.landings.empty()) return {};
  WriteBuffer::Covered restarted{covered.upto, {}};
  Births births;
  Status done = chunks_.commit(*inode, held, covered.landings, restarted.landings, tells ? &births : nullptr);
  done ? committed(inode, covered, births) : not_committed(inode, restarted, done.error());
  let_writers_in();
  return done;
}

void Flusher::committed(const InodePtr& inode, const WriteBuffer::Covered& covered, const Births& births) {
  {
    const std::lock_guard lock(inode->mutex);
    inode->bytes.births.insert(inode->bytes.births.end(), births.begin(), births.end());
    inode->bytes.buffer.committed(covered);
    inode->bytes.sent_at = inode->bytes.buffer.uncommitted() ? clock_.now() : kNever;
  }
  const std::lock_guard lock(mutex_);
  ++counters_.committed;
}

// Only a restart can mean that bytes are lost. A lease that was overtaken, or a server that is away, leaves all as it is.
void Flusher::not_committed(const InodePtr& inode, const WriteBuffer::Covered& restarted, const Error& why) {
  const std::lock_guard lock(inode->mutex);
  if (why.code != Errc::kRestarted) {
    inode->bytes.retry_at = clock_.now() + kRetryPause;
    return;
  }
  const bool all_here = inode->bytes.buffer.restarted(restarted);
  if (!all_here && !inode->attributes.removed()) lose(*inode, Error(Errc::kIo, "a file server restarted"));
  if (inode->bytes.touched_at == kNever) inode->bytes.touched_at = MonoTime{};
}

// With the inode's turn.
Status Flusher::tell_size(const InodePtr& inode, bool durable) {
  dir::v1::CommitRequest request;
  bool changed = false;
  std::uint64_t since = 0;
  Held held;
  {
    const std::lock_guard lock(inode->mutex);
    const bool own = inode->attributes.own_since == inode->bytes.token_since;
    changed = (inode->attributes.dirty || !inode->bytes.births.empty()) && !inode->attributes.removed() && own;
    since = inode->bytes.token_since;
    held = held_of(*inode);
    request.set_inode(raw(inode->id));
    request.set_size_bytes(inode->bytes.buffer.stable_size(inode->attributes.now.size_bytes(), inode->attributes.size_at_dir));
    request.set_mtime_ns(inode->attributes.now.mtime_ns());
    request.set_allocated_bytes(inode->attributes.now.allocated_bytes());
    request.set_kill_privileges(inode->attributes.kill_privileges);
    request.set_durable(durable || !inode->bytes.births.empty());
    add_births(*inode, request);
  }
  if (!changed) {
    if (durable) TRY(servers_.dir()->sync());
    return {};
  }
  const auto commit = [&] {
    return ChunkIo::under_newest(*inode, held, [&](const std::string& token) {
      request.set_token(token);
      return servers_.dir()->commit(request);
    });
  };
  auto answer = commit();
  if (answer && answer->longer()) {
    const Status cut = cut_again(*inode, held, request);
    answer = cut ? commit() : cut.error();
    if (answer && answer->longer()) answer = Error(Errc::kUnavailable, "the directory server cuts this file and forgets it");
  }
  const std::lock_guard lock(inode->mutex);
  if (inode->bytes.token_since != since) return answer ? Status() : Status(answer.error());  // of a session that was lost
  if (!answer) {
    inode->bytes.retry_at = clock_.now() + kRetryPause;
    if (!may_pass_here(answer.error().code) && !inode->attributes.removed()) {
      inode->attributes.dirty = false;  // the truth is D's now
      lose(*inode, inode->bytes.births.empty() ? answer.error() : forget_births(*inode, answer.error()));
    }
    return answer.error();
  }
  learn_born(*inode, *answer);
  inode->attributes.size_at_dir = request.size_bytes();
  if (request.kill_privileges()) inode->attributes.kill_privileges = false;
  const bool all = request.size_bytes() == inode->attributes.now.size_bytes() && request.mtime_ns() == inode->attributes.now.mtime_ns();
  inode->attributes.dirty = !all;
  inode->bytes.touched_at = all && !inode->bytes.buffer.dirty() ? kNever : clock_.now();
  inode->learn(answer->attr());
  return {};
}

Result<dir::v1::Entry> Flusher::cut(Inode& inode, const Held& held, dir::v1::SetAttrRequest request) {
  TRY(chunks_.cut(inode, held, request.size_bytes()));
  request.set_inode(raw(inode.id));
  request.set_by_descriptor(true);  // the kernel or the ticket has checked
  auto entry = TRY(ChunkIo::under_newest(inode, held, [&](const std::string& token) {
    request.set_token(token);
    return servers_.dir()->set_attr(request);
  }));
  ChunkIo::forget_layouts_from(inode, chunks_of_size(request.size_bytes()));
  return entry;
}

// The directory server has lost its power, and with it a cut that it had answered: what was behind the end is there again, and
// would come back as soon as the file grows over it.
Status Flusher::cut_again(Inode& inode, const Held& held, const dir::v1::CommitRequest& commit) {
  log_.warning("the directory server has forgotten a cut: it is made again", {{"inode", raw(inode.id)}});
  dir::v1::SetAttrRequest request;
  request.set_size_bytes(commit.size_bytes());
  request.set_kill_privileges(commit.kill_privileges());
  TRY(cut(inode, held, std::move(request)));
  return {};
}

// Bytes first where the file grows, or D hears of births: after a power loss no size covers bytes that were never there.
// With the inode's turn.
Status Flusher::make_durable_and_tell(const InodePtr& inode) {
  const bool tells = tells_births(*inode);
  if (grows(*inode) || (tells && gives_birth(*inode))) {
    TRY(make_durable(inode, tells));
    return tell_size(inode, true);
  }
  Status bytes, size;
  calls_.make({[&] { size = tell_size(inode, true); }, [&] { bytes = make_durable(inode, false); }});
  TRY(std::move(bytes));
  return size;
}

Status Flusher::flush(const InodePtr& inode, Depth depth) {
  Status done;
  for (int attempt = 0; attempt < kDurableAttempts; ++attempt) {
    TRY(send_all(inode));
    {
      const auto turn = turn_of(*inode);
      done = depth == Depth::kDurable ? make_durable_and_tell(inode) : tell_size(inode, false);
    }
    settle(inode);
    if (done || done.error().code != Errc::kRestarted) return done;  // else the bytes are dirty again
  }
  return Error(Errc::kUnavailable, done.error().message);
}

}  // namespace conclave::client
