#include "fuse/fuse_serve.h"

#include "client/client.h"

namespace conclave::fuse_fs {

void FuseServing::wait(fuse_req_t req, std::function<Status()> run, std::function<int()> cancelled, client::ParkKey key) {
  if (client_.parking().parked() >= most_parked_) return reply_error(req, Errc::kWouldBlock);
  auto inner = std::make_shared<Call>();
  inner->req = req;
  inner->run = std::move(run);
  inner->cancelled = std::move(cancelled);
  {
    const std::lock_guard lock(mutex_);
    inner->id = next_id_++;
    waiting_.emplace(inner->id, inner);
  }
  fuse_req_interrupt_func(req, on_interrupt, reinterpret_cast<void*>(inner->id));
  Call* const call = inner.get();
  park(CallPtr(call, [this, inner = std::move(inner)](Call* last) { abandon(*last); }), key);
}

void FuseServing::park(const CallPtr& call, client::ParkKey key) {
  UniqueLock lock(call->mutex);
  if (!call->interrupted) {
    call->handle = client_.parking().park(key, [this, call] { run_again(call); });
    return;
  }
  lock.unlock();
  answer_interrupt(*call);
}

void FuseServing::run_again(const CallPtr& call) {
  {
    const std::lock_guard lock(call->mutex);
    call->handle = 0;
  }
  const Status done = call->run();
  if (!done && done.error().code == Errc::kPending) return park(call, done.error().key);
  {
    const std::lock_guard lock(call->mutex);
    call->answered = true;
  }
  forget(call->id);
  if (!done) reply_error(call->req, done.error());
}

Status FuseServing::await_session(const Error& why) { return client_.leases().await_session(why); }

void FuseServing::answer_interrupt(Call& call) {
  {
    const std::lock_guard lock(call.mutex);
    call.answered = true;
  }
  forget(call.id);
  fuse_reply_err(call.req, call.cancelled());
}

// The last reference from the parking is gone.
void FuseServing::abandon(Call& call) {
  forget(call.id);
  {
    const std::lock_guard lock(call.mutex);
    if (std::exchange(call.answered, true)) return;
  }
  fuse_reply_err(call.req, EINTR);
}

void FuseServing::forget(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(id);
}

// libfuse calls it from the thread that read the interrupt, also when the operation runs just now: then its answer, or
// its next wait, ends it.
void FuseServing::on_interrupt(fuse_req_t req, void* id) {
  auto& self = *static_cast<FuseServing*>(fuse_req_userdata(req));
  std::shared_ptr<Call> call;
  {
    const std::lock_guard lock(self.mutex_);
    const auto found = self.waiting_.find(reinterpret_cast<std::uint64_t>(id));
    if (found != self.waiting_.end()) call = found->second.lock();
  }
  if (!call) return;
  std::function<void()> rerun;  // until we have answered: its end would answer
  {
    const std::lock_guard lock(call->mutex);
    call->interrupted = true;
    rerun = self.client_.parking().take_back(std::exchange(call->handle, 0));
  }
  if (rerun) self.answer_interrupt(*call);
}

void FuseServing::reply_error(fuse_req_t req, const Error& error) {
  if (error.code == Errc::kInternal) log_.error("an operation failed", {{"why", error}});
  fuse_reply_err(req, errno_of(error.code));
}

Status FuseServing::reply_entry(fuse_req_t req, client::EntryAnswer entry) {
  limit(entry);
  const fuse_entry_param param = entry_param_of(entry);
  if (param.ino == 0 && entry.entry_time <= Duration::zero()) return Errc::kNotFound;
  if (fuse_reply_entry(req, &param) == -ENOENT && param.ino != 0) client_.names().forget(InodeId{param.ino}, 1);
  return {};
}

Status FuseServing::reply_open(fuse_req_t req, fuse_file_info info, const client::OpenAnswer& open) {
  fill(info, open);
  if (fuse_reply_open(req, &info) == -ENOENT) client_.descriptors().unopened(open.handle);
  return {};
}

Status FuseServing::reply_create(fuse_req_t req, fuse_file_info info, client::CreateAnswer create) {
  limit(create.entry);
  const fuse_entry_param param = entry_param_of(create.entry);
  fill(info, create.open);
  if (fuse_reply_create(req, &param, &info) == -ENOENT) {
    client_.descriptors().unopened(create.open.handle);
    client_.names().forget(InodeId{param.ino}, 1);
  }
  return {};
}

Status FuseServing::reply_attr(fuse_req_t req, const client::AttrAnswer& answer) {
  const struct stat attr = stat_of(answer.attr);
  fuse_reply_attr(req, &attr, seconds_of(answer.attr_time));
  return {};
}

Status FuseServing::reply_empty(fuse_req_t req) {
  fuse_reply_err(req, 0);
  return {};
}

}  // namespace conclave::fuse_fs
