// Rule: the requests and grants of one mount, by uid, inode and the person whose login the uid had. One request per key however many programs
// wait; a grant is a plaintext with a time limit and a number of openings. Takes `now`, calls nobody but Parking.
// Thread-safe; blocks nowhere.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "client/secrets/login_table.h"
#include "client/secrets/secret_vault.h"
#include "client/session/parking.h"

namespace conclave::client {

struct SecretKey {
  std::uint32_t uid = 0;
  InodeId inode{};
  std::string person;  // the next login of a uid has no part in what the one before asked for
  friend auto operator<=>(const SecretKey&, const SecretKey&) = default;
};

// An opened secret. The plaintext is wiped when the grant ends, whoever still holds the pointer.
struct Grant {
  MonoTime expires;                    // as the next three: set before others see it
  std::uint64_t version = 0;
  bool chosen = false;                 // that version was asked for, not the newest
  std::shared_ptr<const FiledRequest> request;
  LoginPtr login;
  std::mutex mutex;
  SecretBytes plaintext GUARDED_BY(mutex);
  bool over GUARDED_BY(mutex) = false;
  std::uint32_t openings_left GUARDED_BY(mutex) = 0;
  std::uint32_t open_now GUARDED_BY(mutex) = 0;
};
using GrantPtr = std::shared_ptr<Grant>;

class SecretBook {
 public:
  // How long the end of a request is told to those who ask: its waiting opens and those just behind them.
  static constexpr auto kVerdictLingers = std::chrono::seconds(2);

  explicit SecretBook(Parking& parking) : parking_(parking) {}

  // What an open finds.
  enum class Stand : std::uint8_t {
    kGranted,    // grant: one opening was taken
    kMine,       // nobody has asked: the caller files, and must call filed() or not_filed()
    kWait,       // key: park under it
    kClaim,      // approved: the caller claims, and must call granted() or not_claimed()
    kEnded,      // verdict
  };
  struct Found {
    Stand stand = Stand::kMine;
    GrantPtr grant;
    ParkKey key = 0;
    std::shared_ptr<const FiledRequest> request;
    Errc verdict = Errc::kAccess;
  };
  // `version`: the newest, or what was chosen; a grant or a request of another one does not serve. With `may_file` false, kMine
  // is not taken: it is only told.
  Found look(const SecretKey& key, std::uint64_t version, MonoTime now, bool may_file);

  // The version that was asked for by its number, while its request or grant lives: opens are of that one.
  [[nodiscard]] std::optional<std::uint64_t> chosen(const SecretKey& key, MonoTime now) const;

  // Who asks anew, explicitly, is not told how the last request ended.
  void forget_verdict(const SecretKey& key);

  void filed(const SecretKey& key, FiledRequest request, LoginPtr login, bool chosen);
  void not_filed(const SecretKey& key);
  // The claimed plaintext becomes a grant with one opening taken. Null: the uid has logged out meanwhile.
  GrantPtr granted(const SecretKey& key, const std::shared_ptr<const FiledRequest>& request, SecretBytes plaintext, MonoTime now);
  void not_claimed(const SecretKey& key, Errc why, MonoTime now);
  // From the vault's stream or from asking: what became of a request. Wakes who waits.
  void decided(const Hash& rd, vault::v1::State state, MonoTime now);
  // When the one who waits is woken: poll(2).
  void on_change(const SecretKey& key, std::function<void()> wake);

  // An open that was not taken, and a close.
  void give_back(const GrantPtr& grant);
  void closed(const GrantPtr& grant);

  // The uid's live grant, without taking an opening; null if there is none.
  [[nodiscard]] GrantPtr grant_of(std::uint32_t uid, InodeId inode, MonoTime now) const;
  // Ends what is past its time and forgets verdicts. Returns the grants that ended: the log is to be told.
  std::vector<GrantPtr> expire(MonoTime now, WallTime wall);
  // The uid's login has ended or was replaced by one of `staying` (empty: by none): its grants are wiped, requests of
  // other persons dropped and who waits for them woken. Returns both: the vault is to be told.
  struct Left {
    std::vector<GrantPtr> grants;
    std::vector<std::pair<std::shared_ptr<const FiledRequest>, LoginPtr>> requests;  // those that were still open
  };
  Left leave(std::uint32_t uid, const std::string& staying);
  // The mount ends: grants are wiped.
  void end_all();

  // What waits, for status and for asking the vault again.
  struct Listed {
    SecretKey key;
    std::shared_ptr<const FiledRequest> request;
    vault::v1::State state = vault::v1::PENDING;
  };
  [[nodiscard]] std::vector<Listed> list() const;

 private:
  struct Asked {
    enum class Phase : std::uint8_t { kFiling, kPending, kApproved, kClaiming, kEnded } phase = Phase::kFiling;
    std::shared_ptr<const FiledRequest> request;   // null while kFiling
    LoginPtr login;
    std::uint64_t version = 0;
    bool chosen = false;
    vault::v1::State state = vault::v1::FILED;
    Errc verdict = Errc::kAccess;
    MonoTime ended;
    std::vector<ParkKey> keys;
    std::vector<std::function<void()>> wakes;
  };
  using Wakes = std::pair<std::vector<ParkKey>, std::vector<std::function<void()>>>;
  static Wakes take_wakes(Asked& asked);
  void wake(const Wakes& wakes);
  static bool end(Grant& grant) REQUIRES(grant.mutex);

  Parking& parking_;
  mutable std::mutex mutex_;
  std::map<SecretKey, Asked> asked_ GUARDED_BY(mutex_);
  std::map<SecretKey, GrantPtr> grants_ GUARDED_BY(mutex_);  // before a Grant's mutex
};

}  // namespace conclave::client
