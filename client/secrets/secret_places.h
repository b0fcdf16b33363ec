// Where secrets lie, by folders' policies. A policy names its folder's path, signed by admins: it holds for that folder at
// that path, whatever inode D leads there. A secret stays under the policy's folder it was written in.
#pragma once

#include <string>

#include "client/secrets/secret_vault.h"
#include "client/tree/inode_table.h"

namespace conclave::client {

class SecretPlaces {
 public:
  SecretPlaces(const InodeTable& inodes, SecretVault& vault) : inodes_(inodes), vault_(vault) {}

  struct Place {
    vault::Policy policy;
    std::string path;       // of the secret
  };
  // The policy of the nearest folder above that has one. kAccess: none has, it is another path's, or a policy names a path
  // that is nearer; kStale: the path is not known here. Asks the vault once for each folder on the way up.
  Result<Place> of(InodeId secret) const;
  // The same for a name that is to become one in `folder`.
  Status check_new(InodeId folder, const std::string& name) const;

  // For a reader: the secret lies below the folder of the policy it was sealed under, at the path that policy names. Asks
  // nobody. kCrossDevice: it was moved out of it, or D leads to another secret than the path says.
  Status check_sealed_here(InodeId secret, const vault::Policy& sealed_under) const;

  // For rename(2). kCrossDevice: the folders' policies are others. kBusy: a folder that has a policy, at or below it.
  Status check_rename(const InodePtr& from, const InodePtr& to, const InodePtr& moved) const;

 private:
  Result<Place> place_in(InodeId folder, const std::string& path) const;
  Result<vault::Policy> above(InodeId folder) const;            // its own, or the nearest above
  Status check_path(const vault::Policy& policy, InodeId folder) const;
  Status check_no_policy_in(const InodePtr& folder) const;

  const InodeTable& inodes_;
  SecretVault& vault_;
};

}  // namespace conclave::client
