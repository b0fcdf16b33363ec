#include "cli/server_mains.h"

#include <iostream>

#ifdef CONCLAVE_HAS_DIRSERVER
#include "dirserver/dir_main.h"
#endif
#ifdef CONCLAVE_HAS_LOCKSERVER
#include "lockserver/lock_main.h"
#endif
#ifdef CONCLAVE_HAS_FILESERVER
#include "fileserver/file_main.h"
#endif
#ifdef CONCLAVE_HAS_VAULT
#include "vault/vault_main.h"
#endif
#ifdef CONCLAVE_HAS_FUSE
#include "fuse/fuse_main.h"
#endif

namespace conclave::cli {
namespace {

[[maybe_unused]] int not_built(const char* part) {
  std::cerr << "conclave: this program was built without " << part << "\n";
  return kFailed;
}

}  // namespace

int serve_names([[maybe_unused]] const Arguments& args) {
#ifdef CONCLAVE_HAS_DIRSERVER
  return dir::run_dirserver(args);
#else
  return not_built("the directory server");
#endif
}

int serve_locks([[maybe_unused]] const Arguments& args) {
#ifdef CONCLAVE_HAS_LOCKSERVER
  return lock::run_lockserver(args);
#else
  return not_built("the lock server");
#endif
}

int serve_files([[maybe_unused]] const Arguments& args) {
#ifdef CONCLAVE_HAS_FILESERVER
  return file::run_fileserver(args);
#else
  return not_built("the file server");
#endif
}

int serve_vault([[maybe_unused]] const Arguments& args) {
#ifdef CONCLAVE_HAS_VAULT
  return vault::run_vault(args);
#else
  return not_built("the vault");
#endif
}

int serve_mount([[maybe_unused]] const Arguments& args) {
#ifdef CONCLAVE_HAS_FUSE
  return fuse_fs::run_mount(args);
#else
  return not_built("the mount");
#endif
}

}  // namespace conclave::cli
