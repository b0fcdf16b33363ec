// Requests at the vault: filed, voted on, released, ended. What a request is, is derived from what was signed and lies
// in the database; nothing is decided that one synced transaction does not hold together with its leaf in the log.
// Handlers of VaultService, called with the turn held (vault_state.h). Its events go to the session that filed the request.
#pragma once

#include <map>

#include "base/daemon.h"
#include "base/router.h"
#include "conclave/vault/v1/vault.pb.h"
#include "vault/release.h"
#include "vault/request_rate.h"
#include "vault/secrets.h"

namespace conclave::vault {

class RequestBook final : public Duty {
 public:
  RequestBook(VaultState& state, Accounts& accounts, Secrets& secrets, EventHub& events, Clock& clock);

  // A request for the current version of a secret, or knowingly for an older one, of which kAccess: another policy is in force
  // now. The same again is answered as it stands. kStale (a newer version is current, or another request that waits has its
  // digits), kOverloaded (kMaxPendingRequestsPerUser wait already, or too many came at once), kKeyRevoked, kInvalid (it names more
  // of the log than there is), and as open_case and check_filing.
  Result<v1::RequestView> file(const CallContext& context, const v1::FileRequestRequest& request);
  // By rd or its first digits. kNotFound; kInvalid when several fit. Views have no share, and claims for who may see them.
  Result<v1::RequestView> get(const CallContext& context, const v1::GetRequestRequest& request);
  Result<v1::ListRequestsResponse> list(const CallContext& context, const v1::ListRequestsRequest& request);
  // Votes, and the shares that follow them; the same again is answered as it stands. Who approved may still deny. kWouldBlock: a
  // share that is not due. kTimedOut, kExists (this person has voted,
  // or the request is decided), and as check_approval.
  Result<v1::RequestView> approve(const CallContext& context, const v1::ApproveRequest& request);
  Result<v1::RequestView> deny(const CallContext& context, const v1::DenyRequest& request);
  Result<v1::RequestView> cancel(const CallContext& context, const v1::CancelRequest& request);
  // `inner` for an approved request, with its leaf, checkpoint and proof: one synced transaction, and the same bytes
  // whenever it is asked again. kWouldBlock while votes are missing, kAccess denied, kTimedOut.
  Result<v1::ReleaseResponse> release(const CallContext& context, const v1::ReleaseRequest& request);
  // What the requester's machine says of an opening: opened, as often as the request may be; then closed or expired, once.
  // The same again is done already. kInvalid (not released, opened too often), kExists (over).
  Result<v1::RecordResponse> record(const CallContext& context, const v1::RecordRequest& request);
  // What becomes of the requests that this certificate has filed for a session, from now on and after what was seen. A hint:
  // who was not listening asks. kStale: ask after 0.
  Status events(const CallContext& context, const v1::EventsRequest& request, EventHub::Sink sink);

  Result<std::uint64_t> pending();
  // Secrets whose newest version's shares went out to requests without a quorum, and are enough together (release.h).
  Result<std::uint64_t> exposed();

  // Ends what nobody decided in time. Takes the turn.
  MonoTime next_tick() override { return next_tick_; }
  void tick(MonoTime now) override;

 private:
  struct Row {
    Hash rd{};
    v1::State state = v1::FILED;
    Bytes request;
    Hash header{};
    SessionId session{};   // the stream of who filed it
    std::string path_now;
    WallTime filed, expires;
    Bytes claims;
  };
  struct Votes {
    std::vector<Approval> approvals;
    std::vector<std::uint64_t> approval_leaves;   // where they stand in the log
    std::vector<Denial> denials;
  };
  struct Loaded {
    Row row;
    StoredSecret secret;
    Case a_case;
  };
  Result<Row> find(const Hash& rd);
  Result<Loaded> load(const Hash& rd);
  Result<Votes> votes_of(const Hash& rd);
  Result<v1::RequestView> view_of_row(const Row& row, const Peer& peer);
  bool may_see_claims(const Peer& peer, const Row& row, const Policy& policy);
  Status check_short_id_free(const Hash& rd);
  struct Voted {
    std::string person;
    LeafKind kind = LeafKind::kApprove;
    Bytes bytes, logged;   // with the share, and without
  };
  Status vote(const Voted& voted, const Loaded& loaded);
  Status check_may_vote(const Voted& voted, const Loaded& loaded);
  Result<Tally> count(const Loaded& loaded);
  Status set_state(const Hash& rd, v1::State state);     // inside change()
  void tell(const Row& row, v1::State state, std::size_t approvals);
  Result<v1::ReleaseResponse> release_approved(const Loaded& loaded);
  Status time_out(const Row& row);

  VaultState& state_;
  Accounts& accounts_;
  Secrets& secrets_;
  EventHub& events_;
  Clock& clock_;
  MonoTime next_tick_;
  RequestRate rate_;
  std::map<SessionId, MonoTime> listeners_;   // streams, and when they were opened
};

}  // namespace conclave::vault
