#include "cli/request_text.h"

#include "base/config.h"
#include "vault/fields.h"
#include "vault/proof_message.h"
#include "vault/words.h"

namespace conclave::cli {
namespace {

std::string line(std::string_view label, const std::string& value) {
  std::string out = "  " + std::string(label);
  out.resize(14, ' ');
  return out + value + "\n";
}

}  // namespace

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "nobody" : out;
}

Result<CheckedRequest> check_request(vault::v1::RequestView view, const vault::RosterChain& roster) {
  vault::Case a_case = TRY(vault::open_case(view_of(view.policy()), view_of(view.header()), view_of(view.share_table()),
                                            view_of(view.request()), roster, vault::proofs_in(view.proofs()), view_of(view.claims())));
  if (string_of(a_case.rd) != view.rd() || vault::short_id(a_case.rd) != view.id()) {
    return Error(Errc::kKeyRejected, "the vault shows another request than it names");
  }
  std::vector<vault::Approval> approvals;
  for (const std::string& bytes : view.approvals()) approvals.push_back(TRY(vault::parse_approval(view_of(bytes))));
  std::vector<vault::Denial> denials;
  for (const std::string& bytes : view.denials()) denials.push_back(TRY(vault::parse_denial(view_of(bytes))));
  vault::Tally tally = vault::count_votes(a_case, approvals, denials, roster);
  return CheckedRequest{std::move(view), std::move(a_case), std::move(tally)};
}

Status check_named(const CheckedRequest& request, std::string_view id) {
  const std::string name = to_hex(request.a_case.rd);
  if (id.size() < request.view.id().size()) {
    return Error(Errc::kInvalid, "give all " + std::to_string(request.view.id().size()) + " digits of the request, as `conclave requests` shows it");
  }
  if (!name.starts_with(id)) return Error(Errc::kKeyRejected, "asked for request " + std::string(id) + ", the vault shows " + name);
  return {};
}

Status check_whole_id(std::string_view id) {
  const bool whole = id.size() == 2 * sizeof(Hash) && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (whole) return {};
  return Error(Errc::kInvalid, "without a person who compares the six words a request is named by all of its 64 digits: the \"id\" of "
                               "`conclave requests --json`, or \"whole id\" of `conclave show`");
}

std::string_view state_text(vault::v1::State state) {
  switch (state) {
    case vault::v1::FILED:
    case vault::v1::PENDING: return "pending";
    case vault::v1::APPROVED: return "approved";
    case vault::v1::RELEASED: return "released";
    case vault::v1::OPEN: return "open";
    case vault::v1::CLOSED: return "closed";
    case vault::v1::DENIED: return "denied";
    case vault::v1::TIMED_OUT: return "timed out";
    case vault::v1::CANCELLED: return "cancelled";
    case vault::v1::REVOKED: return "revoked";
    default: return "expired";
  }
}

std::string votes_text(const vault::Tally& tally) {
  std::string out;
  for (const vault::GroupCount& group : tally.groups) {
    out += (out.empty() ? "" : ", ") + std::to_string(group.have) + " of " + std::to_string(group.need);
    if (tally.groups.size() > 1) out += " " + group.name;
    if (group.have >= group.need && group.shares < group.need) {
      out += " (" + std::to_string(group.need - group.shares) + " more shares to follow)";
    }
  }
  return out;
}

std::string claim_text(const std::optional<vault::Claims>& claims, std::string vault::Claims::*which) {
  if (!claims) return "(not shown to you)";
  return ((*claims).*which).empty() ? "-" : (*claims).*which;
}

std::string full_text(const CheckedRequest& request, WallTime now) {
  const vault::Request& r = request.a_case.request;
  const vault::SecretHeader& header = request.a_case.header;
  std::string out = "Request " + request.view.id() + ": " + std::string(state_text(request.view.state())) + "\n";
  out += line("secret", header.path + ", version " + std::to_string(header.core.version));
  if (request.view.newest() > header.core.version) {
    out += line("", "an older one: version " + std::to_string(request.view.newest()) + " is current (the server's word, not signed)");
  }
  const std::string now_at = vault::plain_text(request.view.path_now(), vault::kMaxPathBytes);
  if (!now_at.empty() && now_at != header.path) out += line("", "now at " + now_at + " (the server's word, not signed)");
  out += line("written by", header.author.person + ", " + vault::time_text(header.written));
  out += line("asked by", r.requester.person);
  out += line("claims", r.claims ? "what the requester says; nobody can check these three" : "not shown to you");
  if (r.claims) {
    out += line("  from", r.claims->host + ", uid " + std::to_string(r.claims->uid));
    out += line("  program", claim_text(r.claims, &vault::Claims::program));
    out += line("  reason", claim_text(r.claims, &vault::Claims::reason));
  }
  out += line("for", to_text(r.grant) + ", " + std::to_string(r.openings) + (r.openings == 1 ? " opening" : " openings"));
  const bool over = r.expires < now;
  out += line("filed", vault::time_text(r.filed) + (over ? ", expired " : ", expires ") + vault::time_text(r.expires));
  const bool after = request.a_case.policy.disclose == vault::Disclose::kAfterQuorum;
  out += line("policy", vault::quorum_text(request.a_case.policy) + (after ? "; shares go out after the quorum" : ""));
  out += line("approved by", joined(request.tally.approved) + " (" + votes_text(request.tally) + ")");
  if (!request.tally.denied.empty()) out += line("denied by", joined(request.tally.denied));
  out += line("words", vault::six_words(request.a_case.rd));
  out += line("whole id", to_hex(request.a_case.rd));
  return out;
}

}  // namespace conclave::cli
