#include "client/secrets/secret_places.h"

#include "vault/fields.h"

namespace conclave::client {
namespace {

Error unknown_path() { return {Errc::kStale, "the secret's path is not known here; look it up again"}; }

std::string path_of(const InodeTable& inodes, InodeId folder) {
  if (folder == kRootInode) return "/";
  const auto seen = inodes.seen(folder);
  return seen ? vault::plain_text(seen->path, vault::kMaxPathBytes) : "";
}

}  // namespace

Status SecretPlaces::check_path(const vault::Policy& policy, InodeId folder) const {
  const std::string path = path_of(inodes_, folder);
  if (path.empty()) return unknown_path();
  if (policy.path == path) return {};
  return Error(Errc::kAccess, "the policy of " + policy.path + " does not hold for " + path + "; an admin sets one with `conclave policy set`");
}

Result<vault::Policy> SecretPlaces::above(InodeId folder) const {
  for (;;) {
    auto policy = vault_.policy(folder);
    if (policy) {
      TRY(check_path(*policy, folder));
      return policy;
    }
    if (policy.error().code != Errc::kNotFound) return policy;
    if (folder == kRootInode) return Error(Errc::kNotFound, "no folder on the way has a policy");
    const auto seen = inodes_.seen(folder);
    if (!seen) return unknown_path();
    folder = seen->parent;
  }
}

Result<SecretPlaces::Place> SecretPlaces::of(InodeId secret) const {
  const auto seen = inodes_.seen(secret);
  if (!seen || seen->path.empty()) return unknown_path();
  return place_in(seen->parent, seen->path);
}

Status SecretPlaces::check_new(InodeId folder, const std::string& name) const {
  const std::string path = path_of(inodes_, folder);
  if (path.empty()) return unknown_path();
  TRY(place_in(folder, path + "/" + name));
  return {};
}

Result<SecretPlaces::Place> SecretPlaces::place_in(InodeId folder, const std::string& path) const {
  auto policy = above(folder);
  if (!policy && policy.error().code == Errc::kNotFound) {
    return Error(Errc::kAccess, "no policy covers " + path + "; an admin sets one with `conclave policy set`");
  }
  Place place{TRY(std::move(policy)), path};
  if (place.policy.directory == folder) return place;
  for (const vault::Policy& other : TRY(vault_.policies())) TRY(vault::check_not_nearer(other, place.policy, place.path));
  return place;
}

Status SecretPlaces::check_sealed_here(InodeId secret, const vault::Policy& sealed_under) const {
  for (InodeId at = secret; at != kRootInode;) {
    const auto seen = inodes_.seen(at);
    if (!seen) return unknown_path();
    at = seen->parent;
    if (at == sealed_under.directory && path_of(inodes_, at) == sealed_under.path) return {};
  }
  return Error(Errc::kCrossDevice, "this secret was sealed under the policy of " + sealed_under.path + " and does not lie below it");
}

Status SecretPlaces::check_rename(const InodePtr& from, const InodePtr& to, const InodePtr& moved) const {
  bool is_folder = false;
  {
    const std::lock_guard lock(moved->mutex);
    is_folder = moved->attributes.is_dir();
  }
  if (is_folder) TRY(check_no_policy_in(moved));
  if (from == to) return {};
  const auto before = above(from->id);
  const auto after = above(to->id);
  for (const auto* side : {&before, &after}) {
    if (!*side && side->error().code != Errc::kNotFound) return side->error();
  }
  const bool same = before.has_value() == after.has_value() && (!before || before->directory == after->directory);
  return same ? Status() : Error(Errc::kCrossDevice, "a secret stays under the policy that it was written under");
}

Status SecretPlaces::check_no_policy_in(const InodePtr& folder) const {
  const std::string path = path_of(inodes_, folder->id);
  if (path.empty()) return unknown_path();
  for (const vault::Policy& policy : TRY(vault_.policies())) {
    const bool inside = policy.path == path || policy.path.starts_with(path + "/");
    if (inside) return Error(Errc::kBusy, "the policy of " + policy.path + " names that path: the folder stays where it is");
  }
  return {};
}

}  // namespace conclave::client
