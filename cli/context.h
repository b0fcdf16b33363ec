// What a command runs with: the seams, and how it finds its cluster and who it acts as. Made once, in conclave.cc.
//
// The cluster is found by --dir, CONCLAVE_DIR, or the configuration of the identity; the identity by --as, CONCLAVE_AS,
// or as the only one below CONCLAVE_HOME (default ~/.conclave), or the one named after the Unix user.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/cluster_file.h"
#include "base/curl_transport.h"
#include "base/files.h"
#include "base/random.h"
#include "base/waiter.h"
#include "cli/cluster_folder.h"
#include "cli/command_line.h"
#include "cli/identity_folder.h"

namespace conclave::cli {

class Context {
 public:
  Context(Clock& clock, Random& random, Files& files, Waiter& waiter)
      : clock_(clock), random_(random), files_(files), waiter_(waiter) {}

  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  Files& files() { return files_; }
  Waiter& waiter() { return waiter_; }

  // Adds --dir (and --as) to a command; the values stay here.
  void accept_dir(CommandLine& line);
  void accept_identity(CommandLine& line);  // both
  void set_dir(std::string dir) { dir_ = std::move(dir); }
  void set_identity(std::string name) { as_ = std::move(name); }

  // The folder of a cluster on this machine: --dir, CONCLAVE_DIR, or where the identity's cluster lies. kNotFound says
  // how to give one. It need not exist.
  Result<ClusterFolder> cluster_folder();
  // cluster.toml of that folder, or else the copy that the identity keeps: enough to talk to the servers from a
  // machine that runs none of them.
  Result<ClusterFile> cluster();

  [[nodiscard]] std::string home() const;  // CONCLAVE_HOME
  // Which identity: kNotFound, kInvalid (several, and none was chosen) with what to do.
  Result<IdentityFolder> identity();
  [[nodiscard]] bool identity_was_chosen() const;  // by --as or CONCLAVE_AS

  // A token as given on the command line, which all can see; or the content of FILE for "@FILE", or standard input for
  // "-". kNotFound, kAccess, kMessageTooBig (64 KiB).
  Result<std::string> token_text(const std::string& given);

  // A transport that shows the machine's host certificate (D/mount). kNotFound, kAccess.
  Result<std::unique_ptr<Transport>> transport_as_host(const ClusterFolder& folder);
  // A transport that shows `own`: a person's login or a guest's certificate.
  std::unique_ptr<Transport> transport_as(const ClusterFile& cluster, CertifiedKey own);

  // The exit code for how a command ended; says an error on standard error as "conclave COMMAND: …".
  static int finish(const std::string& command, const Status& status);

 private:
  Clock& clock_;
  Random& random_;
  Files& files_;
  Waiter& waiter_;
  std::string dir_;  // --dir
  std::string as_;   // --as
};

// An environment variable, or empty.
std::string environment(const char* name);
// The name of the Unix user who runs this, as a person's name: [a-z0-9._-], "user" if nothing is left of it.
std::string unix_user();
// This machine's name, in the letters that a certificate's subject may have: "host" if nothing is left of it.
std::string machine_name();

}  // namespace conclave::cli
