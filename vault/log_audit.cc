#include "vault/log_audit.h"

#include <algorithm>

#include "base/certificate.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::chrono::seconds kSkew = kCertificateSkew;   // between a signer's clock and the vault's

Error wrong(std::string why) { return {Errc::kCorrupt, std::move(why)}; }

bool within_skew(WallTime a, WallTime b) { return a.ns <= (b + kSkew).ns && b.ns <= (a + kSkew).ns; }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status check_words(const LogLeaf& leaf, const std::string& person, const std::string& note) {
  if (leaf.person != person) return wrong("it names " + leaf.person + " for what " + person + " signed");
  if (leaf.note != plain_text(note, kMaxLeafNoteBytes)) return wrong("its note is not that of what it holds");
  return {};
}

}  // namespace

std::string note_of(const RosterVersion& roster) { return "version " + std::to_string(roster.version); }
std::string note_of(const Policy& policy) { return policy.path + ": " + quorum_text(policy); }
std::string note_of(const SecretHeader& header) { return header.path + " version " + std::to_string(header.core.version); }

Status LogAudit::take(ByteView entry) {
  const LogLeaf leaf = TRY(parse_leaf(entry));
  const Status status = check(leaf);
  if (!status) {
    const std::string which = "entry " + std::to_string(tree_.size()) + " of the log (" + line_of(leaf) + ")";
    return Error(Errc::kCorrupt, which + ": " + status.error().message);
  }
  tree_.append(leaf_hash(entry));
  return {};
}

Status LogAudit::check(const LogLeaf& leaf) {
  if (leaf.kind == LeafKind::kRoster) return roster(leaf);
  if (!chain_) return wrong("no roster stands before it");
  switch (leaf.kind) {
    case LeafKind::kPolicy: return policy(leaf);
    case LeafKind::kPut: return put(leaf);
    case LeafKind::kRequest: return request(leaf);
    default: return of_request(leaf);
  }
}

Status LogAudit::roster(const LogLeaf& leaf) {
  const Bytes bytes = TRY(rosters_(chain_ ? chain_->current().version + 1 : 1));
  const RosterVersion next = TRY(parse_roster(bytes));
  if (next.hash() != leaf.subject || !leaf.content.empty()) return wrong("the roster beside the log is another one");
  if (next.log_size > tree_.size() || (next.log_size > 0 && next.log_root != tree_.root(next.log_size))) {
    return wrong("its signers saw another log");
  }
  if (chain_ && next.log_size < sealed_to_) return wrong("its signers had not seen the newest policy or secret");
  TRY(check_words(leaf, first_signer(next, next.signatures), note_of(next)));
  if (!chain_) {
    chain_ = TRY(RosterChain::begin(bytes, pinned_));
    return {};
  }
  TRY(check_put(chain_->current(), next, leaf.at));
  return chain_->append(bytes);
}

Status LogAudit::policy(const LogLeaf& leaf) {
  Policy next = TRY(parse_policy(leaf.content));
  if (next.hash() != leaf.subject) return wrong("it holds another policy than it names");
  const auto current = policies_.find(next.directory);
  TRY(vault::check_put(next, current == policies_.end() ? nullptr : current->second.get(), *chain_, leaf.at));
  TRY(check_words(leaf, first_signer(chain_->current(), next.signatures), note_of(next)));
  policies_[next.directory] = std::make_shared<const Policy>(std::move(next));
  sealed_to_ = tree_.size() + 1;
  return {};
}

Status LogAudit::put(const LogLeaf& leaf) {
  LoggedPut put = TRY(parse_put(leaf.content));
  const SecretHeader& header = put.header;
  if (put.table.header != leaf.subject) return wrong("it holds another version than it names");
  TRY(check_words(leaf, header.author.person, note_of(header)));
  const auto in_force = policies_.find(header.directory);
  if (in_force == policies_.end() || in_force->second->hash() != put.table.policy) return wrong("the policy in force is another");
  if (header.roster_version != chain_->current().version || put.table.roster_version != header.roster_version) {
    return wrong("it was sealed under a roster that did not hold");
  }
  if (!within_skew(header.written, leaf.at)) return wrong("it was written at another time");
  TRY(check_header(header, *chain_));
  TRY(verify_signature(put.table, header));
  for (const auto& [directory, other] : policies_) TRY(check_not_nearer(*other, *in_force->second, header.path));
  std::uint64_t before = 0;
  if (const auto newest = newest_.find(header.core.secret); newest != newest_.end()) {
    const Version& version = versions_.at(newest->second);
    before = version.header.core.version;
    TRY(check_moved_inwards(*version.policy, version.header.path, *in_force->second));
  }
  if (header.core.version != before + 1) return wrong("version " + std::to_string(before) + " was the newest");
  newest_[header.core.secret] = leaf.subject;
  sealed_to_ = tree_.size() + 1;
  versions_.emplace(leaf.subject, Version{header, put.table.hash(), in_force->second});
  return {};
}

Status LogAudit::request(const LogLeaf& leaf) {
  Ballot ballot;
  ballot.request = TRY(parse_request(leaf.content));
  const Request& request = ballot.request;
  if (request.rd() != leaf.subject || ballots_.contains(leaf.subject)) return wrong("it holds another request than it names");
  const auto version = versions_.find(request.header);
  if (version == versions_.end() || version->second.table != request.table) return wrong("no such version was put");
  ballot.version = &version->second;
  const SecretHeader& header = version->second.header;
  TRY(check_still_opens(version->second, request.header));
  TRY(check_words(leaf, request.requester.person, header.path));
  TRY(check_requester(request, *chain_));
  TRY(check_request_limits(request, *version->second.policy));
  if (!within_skew(request.filed, leaf.at)) return wrong("it was filed at another time");
  const bool same_log = request.log_size <= tree_.size() && (request.log_size == 0 || request.log_root == tree_.root(request.log_size));
  if (!same_log) return wrong("its requester saw another log");
  ballots_.emplace(leaf.subject, std::move(ballot));
  return {};
}

// As Secrets::check_still_opens, at that place of the log.
Status LogAudit::check_still_opens(const Version& version, const Hash& header) const {
  const Hash& newest = newest_.at(version.header.core.secret);
  if (newest == header) return {};
  const Policy& policy = *version.policy;
  const bool same = policies_.at(policy.directory)->hash() == policy.hash() && versions_.at(newest).policy->directory == policy.directory;
  if (!same) return wrong("the version was replaced before, and its policy as well");
  for (const auto& [directory, other] : policies_) TRY(check_not_nearer(*other, policy, version.header.path));
  return {};
}

Status LogAudit::of_request(const LogLeaf& leaf) {
  const auto found = ballots_.find(leaf.subject);
  if (found == ballots_.end()) return wrong("no such request was made");
  Ballot& ballot = found->second;
  if (leaf.note != plain_text(ballot.version->header.path, kMaxLeafNoteBytes)) return wrong("its note is not the secret's path");
  switch (leaf.kind) {
    case LeafKind::kApprove:
    case LeafKind::kDisclose: return approve(leaf, ballot);
    case LeafKind::kDeny: return deny(leaf, ballot);
    case LeafKind::kRelease: return release(leaf, ballot);
    case LeafKind::kOpen:
    case LeafKind::kClose:
    case LeafKind::kExpire:
    case LeafKind::kCancel: return record(leaf, ballot);
    case LeafKind::kTimeOut: return time_out(leaf, ballot);
    default: return wrong("nothing of this kind is written yet");
  }
}

// The vault counts votes by the roster that it has then: who lost standing since their vote does not count.
Tally LogAudit::count(const Ballot& ballot) const {
  const Hash rd = ballot.request.rd();
  const Asked asked{*ballot.version->policy, ballot.request, rd};
  std::vector<Yes> yes;
  for (const Approval& approval : ballot.approvals) {
    if (const auto person = check_vote(approval, asked, *chain_)) yes.push_back({(*person)->name, approval.part});
  }
  std::vector<std::string> no;
  for (const Denial& denial : ballot.denials) {
    if (const auto person = check_vote(denial, asked, *chain_)) no.push_back((*person)->name);
  }
  return tally_of(asked.policy, yes, no);
}

// Votes are taken while nothing is decided and time is left.
Status LogAudit::check_waits(const LogLeaf& leaf, const Ballot& ballot) const {
  const bool over = leaf.at.ns > (ballot.request.expires + kSkew).ns;
  return ballot.stage != Stage::kWaiting || over ? wrong("the request was decided or over") : Status();
}

void LogAudit::decide(Ballot& ballot) const {
  const Tally tally = count(ballot);
  if (tally.can_release()) ballot.stage = Stage::kApproved;
  if (tally.decision == Decision::kDenied) ballot.stage = Stage::kDenied;
  ballot.approved = ballot.stage == Stage::kApproved;
}

Status LogAudit::approve(const LogLeaf& leaf, Ballot& ballot) {
  const Approval approval = TRY(parse_approval(leaf.content));
  const Policy& policy = *ballot.version->policy;
  const Person* person = TRY(check_vote(approval, {policy, ballot.request, leaf.subject}, *chain_));
  if (approval.share) return wrong("a share stands in the log");
  if (leaf.person != person->name) return wrong("it names " + leaf.person + " for the vote of " + person->name);
  if ((approval.part == Part::kShare) != (leaf.kind == LeafKind::kDisclose)) return wrong("a vote is no share");
  TRY(check_waits(leaf, ballot));
  if (approval.at.ns > (leaf.at + kSkew).ns) return wrong("the vote is of a later time");
  const Tally tally = count(ballot);
  if (leaf.kind == LeafKind::kDisclose ? !share_is_due(policy, tally, person->name)
                                       : contains(tally.approved, person->name) || contains(tally.denied, person->name)) {
    return wrong(leaf.kind == LeafKind::kDisclose ? "its share was not due" : person->name + " had voted already");
  }
  ballot.approvals.push_back(approval);
  if (approval.part != Part::kVote) ballot.gave_share.insert(person->name);
  decide(ballot);
  return {};
}

Status LogAudit::deny(const LogLeaf& leaf, Ballot& ballot) {
  const Denial denial = TRY(parse_denial(leaf.content));
  const Policy& policy = *ballot.version->policy;
  const Person* person = TRY(check_vote(denial, {policy, ballot.request, leaf.subject}, *chain_));
  if (leaf.person != person->name) return wrong("it names " + leaf.person + " for the vote of " + person->name);
  TRY(check_waits(leaf, ballot));
  if (contains(count(ballot).denied, person->name)) return wrong(person->name + " had denied it already");
  ballot.denials.push_back(denial);
  decide(ballot);
  return {};
}

Status LogAudit::release(const LogLeaf& leaf, Ballot& ballot) {
  if (ballot.stage == Stage::kReleased || ballot.stage == Stage::kEnded) return wrong("the request was released or over before");
  if (ballot.stage != Stage::kApproved || !count(ballot).can_release()) {
    return wrong("released without a quorum: the votes before it are not enough");
  }
  if (leaf.content.size() != sizeof(Hash) || !leaf.person.empty()) return wrong("a release holds a hash, and nobody signs it");
  if (leaf.at.ns > (ballot.request.expires + kSkew).ns) return wrong("the request was over");
  TRY(check_still_opens(*ballot.version, ballot.request.header));
  ballot.stage = Stage::kReleased;
  ++releases_;
  return {};
}

Status LogAudit::record(const LogLeaf& leaf, Ballot& ballot) {
  const Record record = TRY(parse_record(leaf.content));
  TRY(check_record(record, ballot.request));
  if (leaf.person != ballot.request.requester.person) return wrong("it names another person than the requester");
  const bool cancels = record.happening == Happening::kCancelled;
  const LeafKind kind = cancels ? LeafKind::kCancel
                        : record.happening == Happening::kOpened ? LeafKind::kOpen
                        : record.happening == Happening::kClosed ? LeafKind::kClose : LeafKind::kExpire;
  if (kind != leaf.kind) return wrong("it holds a record of another kind");
  const bool waits = ballot.stage == Stage::kWaiting || ballot.stage == Stage::kApproved;
  if (cancels ? !waits : ballot.stage != Stage::kReleased) return wrong("the request was not released, or was over");
  if (kind != LeafKind::kOpen) {
    ballot.stage = Stage::kEnded;
  } else if (++ballot.openings > ballot.request.openings) {
    return wrong("opened more often than it may be");
  }
  return {};
}

Status LogAudit::time_out(const LogLeaf& leaf, Ballot& ballot) {
  if (!leaf.content.empty() || !leaf.person.empty()) return wrong("nobody signs that time is over");
  const bool waits = ballot.stage == Stage::kWaiting || ballot.stage == Stage::kApproved;
  if (!waits || leaf.at.ns < ballot.request.expires.ns) return wrong("the request was not over, or had ended before");
  ballot.stage = Stage::kEnded;
  return {};
}

std::vector<LogAudit::Secret> LogAudit::secrets() const {
  std::map<Hash, std::vector<SharesOut>> out_of;   // by the header's hash
  for (const auto& [rd, ballot] : ballots_) {
    out_of[ballot.request.header].push_back({ballot.gave_share, ballot.request.requester.person, ballot.approved});
  }
  std::vector<Secret> out;
  for (const auto& [secret, newest] : newest_) {
    const Version& version = versions_.at(newest);
    out.push_back({version.header.path, version.header.author.person, quorum_text(*version.policy), version.header.core.version,
                   version.header.written, version.policy->disclose == Disclose::kAfterQuorum,
                   exposed_by(*version.policy, out_of[newest])});
  }
  std::sort(out.begin(), out.end(), [](const Secret& a, const Secret& b) { return a.path < b.path; });
  return out;
}

}  // namespace conclave::vault
