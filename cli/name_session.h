// A command's own session with the names of a cluster, without a mount: as the person whose certificate the transport
// shows. The session closes when this is destroyed.
#pragma once

#include <memory>

#include "cli/context.h"
#include "dirserver/dir_client.h"
#include "lockserver/brief_lease.h"

namespace conclave::cli {

class NameSession {
 public:
  static Result<std::unique_ptr<NameSession>> open(Context& context, Transport& transport, const ClusterFile& cluster,
                                                   const std::string& label);
  ~NameSession();
  NameSession(const NameSession&) = delete;

  // The inode of an absolute path of the cluster; no symbolic link is followed. kNotFound names the part that is missing.
  Result<dir::v1::Entry> find(const std::string& path);
  // The same for a folder, made if its parent is there. kNotDirectory.
  Result<dir::v1::Entry> find_or_make_folder(const std::string& path, std::uint32_t mode);
  dir::DirClient& names() { return dir_; }

 private:
  NameSession(Context& context, Transport& transport, const ClusterFile& cluster, dir::DirClient::Session session);
  Result<dir::v1::Entry> step(InodeId parent, const std::string& ticket, const std::string& name, const std::string& whole);

  Clock& clock_;
  lock::LockClient lock_;
  const SessionId session_;
  dir::DirClient dir_;
};

}  // namespace conclave::cli
