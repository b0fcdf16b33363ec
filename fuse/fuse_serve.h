// Running an operation for a request of the kernel: at once, or parked until what it waits for has come. Included by
// fuse_ops.cc only.
#pragma once

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "base/log.h"
#include "client/session/parking.h"
#include "fuse/fuse_channel.h"
#include "fuse/fuse_convert.h"
#include "fuse/page_invalidator.h"

namespace conclave::client {
class Client;
}

namespace conclave::fuse_fs {

class FuseServing {
 public:
  FuseServing(FuseChannel& channel, client::Client& client, PageInvalidator& pages, Log& log, std::size_t most_parked)
      : channel_(channel), client_(client), pages_(pages), log_(log), most_parked_(most_parked) {}

  // `op` is a copyable closure Status(FuseServing&, fuse_req_t) that has replied if it succeeds; its error is replied
  // here. Before it is parked, its member keep(FuseServing&), if it has one, makes it own what it points to; its member
  // cancelled(FuseServing&), if it has one, gives the errno that an interrupt answers (0: it had succeeded already).
  template <class Op>
  void serve(fuse_req_t req, Op op) {
    served_.fetch_add(1, std::memory_order_relaxed);
    const Status done = run(op, req);
    if (done) return;
    if (done.error().code != Errc::kPending) return reply_error(req, done.error());
    auto kept = std::make_shared<Op>(std::move(op));
    if constexpr (requires { kept->keep(*this); }) kept->keep(*this);
    std::function<int()> cancelled = [] { return EINTR; };
    if constexpr (requires { kept->cancelled(*this); }) cancelled = [this, kept] { return kept->cancelled(*this); };
    wait(req, [this, req, kept] { return run(*kept, req); }, std::move(cancelled), done.error().key);
  }

  // Answers that the kernel counts: if it did not take one (the program was killed), the count is taken back.
  Status reply_entry(fuse_req_t req, client::EntryAnswer entry);
  Status reply_open(fuse_req_t req, fuse_file_info info, const client::OpenAnswer& open);
  Status reply_create(fuse_req_t req, fuse_file_info info, client::CreateAnswer create);
  static Status reply_attr(fuse_req_t req, const client::AttrAnswer& answer);
  static Status reply_empty(fuse_req_t req);

  // Names may be kept only where the kernel can be told to forget them.
  void keep_no_names() { keep_names_ = false; }
  void limit(client::EntryAnswer& entry) const {
    if (!keep_names_) entry.entry_time = {};
  }
  [[nodiscard]] client::Client& client() { return client_; }
  [[nodiscard]] FuseChannel& channel() { return channel_; }
  [[nodiscard]] PageInvalidator& pages() { return pages_; }
  [[nodiscard]] std::uint64_t served() const { return served_.load(); }

 private:
  // A request that waits. Who takes it out of the parking (a rerun, or an interrupt) answers it; one that is dropped
  // there answers EINTR when it is destroyed.
  struct Call {
    fuse_req_t req = nullptr;
    std::uint64_t id = 0;
    std::function<Status()> run;
    std::function<int()> cancelled;
    std::mutex mutex;
    std::uint64_t handle GUARDED_BY(mutex) = 0;  // in the parking; 0: not there
    bool interrupted GUARDED_BY(mutex) = false;
    bool answered GUARDED_BY(mutex) = false;     // or somebody is about to
  };
  using CallPtr = std::shared_ptr<Call>;

  // An operation of a session that is over waits for the next one (LeaseCache::await_session).
  template <class Op>
  Status run(Op& op, fuse_req_t req) {
    Status done = op(*this, req);
    return done ? done : await_session(done.error());
  }
  Status await_session(const Error& why);
  void wait(fuse_req_t req, std::function<Status()> run, std::function<int()> cancelled, client::ParkKey key);
  void park(const CallPtr& call, client::ParkKey key);
  void run_again(const CallPtr& call);
  void answer_interrupt(Call& call);
  void abandon(Call& call);
  void forget(std::uint64_t id);
  static void on_interrupt(fuse_req_t req, void* id);
  void reply_error(fuse_req_t req, const Error& error);

  FuseChannel& channel_;
  client::Client& client_;
  PageInvalidator& pages_;
  Log& log_;
  const std::size_t most_parked_;
  std::atomic<bool> keep_names_{true};
  std::atomic<std::uint64_t> served_{0};
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Call>> waiting_ GUARDED_BY(mutex_);
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace conclave::fuse_fs
