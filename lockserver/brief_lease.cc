#include "lockserver/brief_lease.h"

#include <utility>

namespace conclave::lock {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);  // a recall takes about one

}  // namespace

Result<BriefLease> BriefLease::take(LockClient& client, Clock& clock, SessionId session, InodeId inode, LeaseMode mode,
                                    const std::string& ticket, Duration patience) {
  v1::AcquireRequest request;
  request.set_session(raw(session));
  v1::Want* const want = request.add_wants();
  want->set_inode(raw(inode));
  want->set_mode(mode_of(mode));
  want->set_ticket(ticket);
  const MonoTime give_up = clock.now() + patience;
  for (;;) {
    const auto answer = TRY(client.acquire(request));
    if (answer.grants_size() != 1) return Error(Errc::kInternal, "the lock server answered another question");
    const v1::Grant& grant = answer.grants(0);
    if (!grant.errc().empty()) return Error(errc_of_name(grant.errc()), "no lease on inode " + std::to_string(raw(inode)));
    if (!grant.pending()) return BriefLease(client, session, inode, grant.seq(), grant.token());
    if (clock.now() >= give_up) {
      return Error(Errc::kUnavailable, "inode " + std::to_string(raw(inode)) + " is held by a mount that does not give it back");
    }
    clock.sleep_until(clock.now() + kPoll);
  }
}

BriefLease::BriefLease(BriefLease&& other) noexcept
    : client_(std::exchange(other.client_, nullptr)),
      session_(other.session_),
      inode_(other.inode_),
      seq_(other.seq_),
      token_(std::move(other.token_)) {}

BriefLease::~BriefLease() {
  if (client_ == nullptr) return;
  v1::ReturnRequest request;
  request.set_session(raw(session_));
  v1::ReturnRequest::One* const one = request.add_returns();
  one->set_inode(raw(inode_));
  one->set_seq(seq_);
  static_cast<void>(client_->give_back(request));  // it ends with the session otherwise
}

}  // namespace conclave::lock
