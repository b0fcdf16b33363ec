// A request as a person sees it before deciding: everything in it was verified first, and what is only a server's word
// says so.
#pragma once

#include <string>

#include "conclave/vault/v1/vault.pb.h"
#include "vault/release.h"

namespace conclave::cli {

// A request with its case checked against the roster and its votes counted.
struct CheckedRequest {
  vault::v1::RequestView view;
  vault::Case a_case;
  vault::Tally tally;
};
// kKeyRejected if the vault names it otherwise than its hash does.
Result<CheckedRequest> check_request(vault::v1::RequestView view, const vault::RosterChain& roster);
// For who asked by name: what came must be what `id` names, or the vault could have another request voted on. `id` is at
// least the short form (kInvalid): fewer digits would name too many. kKeyRejected.
Status check_named(const CheckedRequest& request, std::string_view id);

// For who votes without a person at a terminal: kInvalid unless it is the whole name. Short ones can be made to collide.
Status check_whole_id(std::string_view id);

std::string joined(const std::vector<std::string>& names);   // "alice, bob"; "nobody"
std::string_view state_text(vault::v1::State state);   // "pending"
// One of the requester's claims as a word on a screen; "-" for an empty one.
std::string claim_text(const std::optional<vault::Claims>& claims, std::string vault::Claims::*which);
// "1 of 2"; groups joined by ", ".
std::string votes_text(const vault::Tally& tally);
// Many lines: path, version, reason, who, where, program, times, votes, six words.
std::string full_text(const CheckedRequest& request, WallTime now);

}  // namespace conclave::cli
