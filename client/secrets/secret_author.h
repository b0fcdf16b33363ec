// Writing secrets: a draft for each inode that is open for writing, and sealing it. A version is sealed before a byte
// leaves this machine; its payload is durable at the file servers before the vault makes it current.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "base/guarded.h"
#include "client/secrets/login_table.h"
#include "client/secrets/secret_draft.h"
#include "client/secrets/secret_places.h"
#include "client/tree/leased_inodes.h"

namespace conclave::client {

// A draft with whom it is written for. Shared by the descriptors that write one inode.
struct OpenDraft {
  explicit OpenDraft(bool begun) : draft(begun) {}
  std::mutex mutex;
  SecretDraft draft GUARDED_BY(mutex);
  bool sealing GUARDED_BY(mutex) = false;
};
using OpenDraftPtr = std::shared_ptr<OpenDraft>;

class SecretAuthor {
 public:
  struct Parts {
    const Servers& servers;
    LeasedInodes& inodes;
    InodeTable& table;
    ChunkIo& chunks;
    SecretVault& vault;
    const SecretPlaces& places;
    LoginTable& logins;
    Clock& clock;
    Waiter& waiter;
  };
  explicit SecretAuthor(Parts parts) : parts_(parts) {}

  // Login and role: kNoKey, kKeyExpired, kAccess.
  Status check_author(const Caller& caller);
  // Checked here, so that only a crash can fail the close: login and role (kNoKey, kKeyExpired, kAccess), a policy
  // (kAccess), the vault (kUnavailable). `truncated`: O_TRUNC, or the inode has no version.
  Result<OpenDraftPtr> open(const Caller& caller, const InodePtr& inode, bool truncated);
  Result<std::size_t> write(OpenDraft& draft, const WriteRequest& request, bool append);
  // truncate(2): of every draft of the inode. kNotSupported when nobody is writing it and size is not 0.
  Status resize(const Caller& caller, const InodePtr& inode, std::uint64_t size);
  // Seals if it must (SecretDraft::needs_seal) and makes the version current. kPending; kStale when others were quicker
  // kAttempts times; the errors of open(), D and F. The draft is kept on every error.
  Status seal(std::uint32_t uid, const InodePtr& inode, OpenDraft& draft, bool last_close);
  // The size of the inode's draft, if it is being written here.
  [[nodiscard]] std::optional<std::uint64_t> draft_size(InodeId inode) const;

 private:
  static constexpr int kAttempts = 4;
  Status seal_once(std::uint32_t uid, const InodePtr& inode, const SecretBytes& content);
  Result<std::string> permit_to_put(std::uint32_t uid, InodeId secret, const Hash& version);
  Status store_payload(Inode& inode, const Held& held, std::uint64_t version, ByteView payload);

  const Parts parts_;
  mutable std::mutex mutex_;
  std::map<InodeId, std::weak_ptr<OpenDraft>> drafts_ GUARDED_BY(mutex_);
};

// Where version v of a secret lies in its inode: the whole chunk v.
inline std::uint64_t payload_offset(std::uint64_t version) { return version * kChunkBytes; }

}  // namespace conclave::client
