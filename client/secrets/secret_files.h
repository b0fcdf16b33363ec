// The secret class: open(2) waits for the vote. Fills its row of the table of classes, takes the control messages and
// the vault's events, and ends grants in time.
#pragma once

#include <atomic>
#include <string>

#include "base/daemon.h"
#include "base/log.h"
#include "client/secrets/secret_author.h"
#include "client/secrets/secret_book.h"
#include "client/tree/names.h"

namespace conclave::client {

class SecretFiles final : public Duty {
 public:
  struct Parts {
    const ClientSession& session;
    LeaseCache& leases;
    LeasedInodes& inodes;
    InodeTable& table;
    ChunkIo& chunks;
    Names& names;
    SecretVault& vault;
    const SecretPlaces& places;
    SecretBook& book;
    SecretAuthor& author;
    LoginTable& logins;
    Files& proc;             // for /proc of the programs that ask
    std::string host;        // shown to approvers
    std::string mount;       // where this is mounted: cut off the paths that programs give
    Parking& parking;
    Clock& clock;
    Log& log;
  };
  explicit SecretFiles(Parts parts);

  FileClass row();
  // Opens wait until it is known whether the page-cache guard holds on this kernel; if not, every one is refused.
  void guard_tested(bool holds);

  // Control files: a login as vault/login_handover.h writes it, any message, "PATH NUL REASON", after which
  // another NUL and a version may stand.
  Status take_login(const Caller& caller, std::string_view message);
  Status take_logout(const Caller& caller, std::string_view message);
  Status take_request(const Caller& caller, std::string_view message);
  // What this mount has asked for the caller: lines "ID STATE PATH"; root sees all.
  Result<std::string> requests(const Caller& caller) const;

  // One thread of main until stop(): the vault's events for this session.
  void run_events();
  void stop();

  // Once a second: expiries; every fifth, pending requests are asked for: an event may have been lost with its stream.
  MonoTime next_tick() override { return next_tick_; }
  void tick(MonoTime now) override;

 private:
  struct OpenSecret;
  Result<AttrAnswer> attributes(const Caller& caller, const InodePtr& inode);
  Result<OpenAnswer> open(const Caller& caller, OpenFile& file);
  enum class Ask : std::uint8_t { kNever, kAsPolicySays, kAlways };   // may a request be filed?
  struct Wanted {                        // by `conclave request`
    std::string reason;
    std::uint64_t version = 0;           // 0: the newest
  };
  Result<GrantPtr> obtain(const Caller& caller, const InodePtr& inode, Ask ask, const Wanted& wanted);
  Status file_request(const SecretKey& key, const Caller& caller, const LoginPtr& login, SecretOnFile secret, const Wanted* wanted);
  Result<GrantPtr> claim(const SecretKey& key, const InodePtr& inode, const std::shared_ptr<const FiledRequest>& request);
  Result<ReadAnswer> read(const Caller& caller, OpenFile& file, const ReadRequest& request);
  [[nodiscard]] Status check_guard() const;
  Result<unsigned> poll(const Caller& caller, OpenFile& file, const PollRequest& request);
  Status flush(OpenFile& file);
  void release(OpenFile& file, bool taken);
  void store_at_last_close(std::uint32_t uid, const InodePtr& inode, const OpenDraftPtr& draft);
  Result<InodePtr> walk(const Caller& caller, const std::string& path);
  void tell_left(const SecretBook::Left& left);
  void tell_ended(const std::vector<GrantPtr>& grants);

  Parts parts_;
  enum class Guard : std::uint8_t { kUntested, kHolds, kFails };
  std::atomic<Guard> guard_ = Guard::kUntested;
  const ParkKey tested_;                // delivered once it is known
  std::atomic<bool> stopping_ = false;
  std::uint64_t events_seen_ = 0;       // by the events thread only
  MonoTime next_tick_;
  unsigned ticks_ = 0;
};

}  // namespace conclave::client
