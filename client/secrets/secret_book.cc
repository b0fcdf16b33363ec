#include "client/secrets/secret_book.h"

#include <utility>

namespace conclave::client {
namespace {

Errc verdict_of(vault::v1::State state) { return state == vault::v1::TIMED_OUT ? Errc::kTimedOut : Errc::kAccess; }

}  // namespace

SecretBook::Found SecretBook::look(const SecretKey& key, std::uint64_t version, MonoTime now, bool may_file) {
  const std::lock_guard lock(mutex_);
  if (const auto at = grants_.find(key); at != grants_.end()) {
    Grant& grant = *at->second;
    const std::lock_guard inner(grant.mutex);
    if (!grant.over && grant.version == version && now < grant.expires && grant.openings_left > 0) {
      --grant.openings_left;
      ++grant.open_now;
      return {.stand = Stand::kGranted, .grant = at->second};
    }
  }
  auto at = asked_.find(key);
  const bool stale = at != asked_.end() && at->second.version != version &&
                     at->second.phase != Asked::Phase::kFiling && at->second.phase != Asked::Phase::kClaiming;
  if (stale) {
    for (const ParkKey waiting : at->second.keys) parking_.deliver(waiting);
    asked_.erase(at);
    at = asked_.end();
  }
  if (at == asked_.end()) {
    if (may_file) asked_[key].version = version;
    return {.stand = Stand::kMine};
  }
  Asked& asked = at->second;
  switch (asked.phase) {
    case Asked::Phase::kApproved:
      asked.phase = Asked::Phase::kClaiming;
      return {.stand = Stand::kClaim, .request = asked.request};
    case Asked::Phase::kEnded: return {.stand = Stand::kEnded, .verdict = asked.verdict};
    default: break;
  }
  const ParkKey waiting = parking_.expect();
  asked.keys.push_back(waiting);
  return {.stand = Stand::kWait, .key = waiting, .request = asked.request};
}

std::optional<std::uint64_t> SecretBook::chosen(const SecretKey& key, MonoTime now) const {
  const std::lock_guard lock(mutex_);
  if (const auto asked = asked_.find(key); asked != asked_.end() && asked->second.phase != Asked::Phase::kEnded) {
    return asked->second.chosen ? std::optional(asked->second.version) : std::nullopt;
  }
  const auto at = grants_.find(key);
  if (at == grants_.end() || !at->second->chosen) return std::nullopt;
  const Grant& grant = *at->second;
  const std::lock_guard inner(at->second->mutex);
  const bool serves = !grant.over && now < grant.expires && grant.openings_left > 0;
  return serves ? std::optional(grant.version) : std::nullopt;
}

void SecretBook::forget_verdict(const SecretKey& key) {
  const std::lock_guard lock(mutex_);
  const auto at = asked_.find(key);
  if (at != asked_.end() && at->second.phase == Asked::Phase::kEnded) asked_.erase(at);
}

void SecretBook::filed(const SecretKey& key, FiledRequest request, LoginPtr login, bool chosen) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    Asked& asked = asked_[key];
    asked.version = request.secret.header.core.version;
    asked.request = std::make_shared<const FiledRequest>(std::move(request));
    asked.login = std::move(login);
    asked.chosen = chosen;
    asked.phase = Asked::Phase::kPending;
    asked.state = vault::v1::PENDING;
    wakes = take_wakes(asked);
  }
  wake(wakes);
}

void SecretBook::not_filed(const SecretKey& key) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const auto at = asked_.find(key);
    if (at == asked_.end()) return;
    wakes = take_wakes(at->second);
    asked_.erase(at);
  }
  wake(wakes);
}

GrantPtr SecretBook::granted(const SecretKey& key, const std::shared_ptr<const FiledRequest>& of, SecretBytes plaintext,
                             MonoTime now) {
  auto grant = std::make_shared<Grant>();
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const auto at = asked_.find(key);
    if (at == asked_.end() || at->second.request != of) return nullptr;
    Asked& asked = at->second;
    const vault::Request& request = of->request;
    grant->expires = now + request.grant;
    grant->version = asked.version;
    grant->chosen = asked.chosen;
    grant->request = asked.request;
    grant->login = asked.login;
    {
      const std::lock_guard inner(grant->mutex);
      grant->plaintext = std::move(plaintext);
      grant->openings_left = request.openings - 1;
      grant->open_now = 1;
    }
    if (const auto old = grants_.find(key); old != grants_.end()) {
      const std::lock_guard inner(old->second->mutex);
      end(*old->second);
    }
    grants_[key] = grant;
    wakes = take_wakes(asked);
    asked_.erase(at);
  }
  wake(wakes);
  return grant;
}

void SecretBook::not_claimed(const SecretKey& key, Errc why, MonoTime now) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    const auto at = asked_.find(key);
    if (at == asked_.end()) return;
    Asked& asked = at->second;
    const bool try_again = may_pass(why);
    asked.phase = try_again ? Asked::Phase::kApproved : Asked::Phase::kEnded;
    asked.verdict = why;
    asked.ended = now;
    wakes = take_wakes(asked);
  }
  wake(wakes);
}

void SecretBook::decided(const Hash& rd, vault::v1::State state, MonoTime now) {
  Wakes wakes;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, asked] : asked_) {
      if (!asked.request || asked.request->request.rd() != rd || asked.phase != Asked::Phase::kPending) continue;
      if (state == vault::v1::FILED || state == vault::v1::PENDING) return;
      asked.state = state;
      const bool approved = state == vault::v1::APPROVED || state == vault::v1::RELEASED;
      asked.phase = approved ? Asked::Phase::kApproved : Asked::Phase::kEnded;
      asked.verdict = verdict_of(state);
      asked.ended = now;
      wakes = take_wakes(asked);
      break;
    }
  }
  wake(wakes);
}

void SecretBook::on_change(const SecretKey& key, std::function<void()> wake_up) {
  const std::lock_guard lock(mutex_);
  if (const auto at = asked_.find(key); at != asked_.end()) at->second.wakes.push_back(std::move(wake_up));
}

void SecretBook::give_back(const GrantPtr& grant) {
  const std::lock_guard lock(grant->mutex);
  ++grant->openings_left;
  --grant->open_now;
}

void SecretBook::closed(const GrantPtr& grant) {
  const std::lock_guard lock(grant->mutex);
  --grant->open_now;
}

GrantPtr SecretBook::grant_of(std::uint32_t uid, InodeId inode, MonoTime now) const {
  const std::lock_guard lock(mutex_);
  for (auto at = grants_.lower_bound({uid, inode, ""}); at != grants_.end(); ++at) {
    if (at->first.uid != uid || at->first.inode != inode) break;
    const std::lock_guard inner(at->second->mutex);
    if (!at->second->over && now < at->second->expires) return at->second;
  }
  return nullptr;
}

std::vector<GrantPtr> SecretBook::expire(MonoTime now, WallTime wall) {
  std::vector<GrantPtr> ended;
  std::vector<Wakes> wakes;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(grants_, [&](const auto& entry) {
      Grant& grant = *entry.second;
      const std::lock_guard inner(grant.mutex);
      const bool used_up = grant.openings_left == 0 && grant.open_now == 0;
      if (now < grant.expires && !used_up && !grant.over) return false;
      if (end(grant)) ended.push_back(entry.second);
      return true;
    });
    for (auto at = asked_.begin(); at != asked_.end();) {
      Asked& asked = at->second;
      if (asked.phase == Asked::Phase::kPending && asked.request->request.expires < wall) {
        asked.phase = Asked::Phase::kEnded;  // the vault says the same, if it can be heard
        asked.verdict = Errc::kTimedOut;
        asked.state = vault::v1::TIMED_OUT;
        asked.ended = now;
        wakes.push_back(take_wakes(asked));
      }
      const bool forgotten = asked.phase == Asked::Phase::kEnded && asked.ended + kVerdictLingers < now;
      at = forgotten ? asked_.erase(at) : std::next(at);
    }
  }
  for (const Wakes& some : wakes) wake(some);
  return ended;
}

SecretBook::Left SecretBook::leave(std::uint32_t uid, const std::string& staying) {
  Left left;
  std::vector<Wakes> wakes;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(grants_, [&](const auto& entry) {
      if (entry.first.uid != uid) return false;
      const std::lock_guard inner(entry.second->mutex);
      if (end(*entry.second)) left.grants.push_back(entry.second);
      return true;
    });
    for (auto at = asked_.begin(); at != asked_.end();) {
      Asked& asked = at->second;
      if (at->first.uid != uid || at->first.person == staying) {
        ++at;
        continue;
      }
      if (asked.request && asked.phase != Asked::Phase::kEnded) left.requests.emplace_back(asked.request, asked.login);
      wakes.push_back(take_wakes(asked));
      at = asked_.erase(at);
    }
  }
  for (const Wakes& some : wakes) wake(some);
  return left;
}

void SecretBook::end_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, grant] : grants_) {
    const std::lock_guard inner(grant->mutex);
    end(*grant);
  }
  grants_.clear();
}

std::vector<SecretBook::Listed> SecretBook::list() const {
  std::vector<Listed> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, asked] : asked_) {
    if (asked.request) out.push_back({key, asked.request, asked.state});
  }
  return out;
}

// True if it was live.
bool SecretBook::end(Grant& grant) {
  grant.plaintext.clear();
  return !std::exchange(grant.over, true);
}

SecretBook::Wakes SecretBook::take_wakes(Asked& asked) {
  return {std::exchange(asked.keys, {}), std::exchange(asked.wakes, {})};
}

void SecretBook::wake(const Wakes& wakes) {
  for (const ParkKey key : wakes.first) parking_.deliver(key);
  for (const auto& wake_up : wakes.second) wake_up();
}

}  // namespace conclave::client
