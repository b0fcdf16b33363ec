#include "lockserver/lock_queue.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace conclave::lock {

Result<bool> LockQueue::set(const LockWant& wanted, std::vector<LockAnswered>& answers) {
  LockWant want = wanted;
  if (want.kind == LockKind::kFlock) want.range = kWholeFile;
  if (want.range.start > want.range.end) return Error(Errc::kInvalid, "a lock's range ends before it begins");
  const Key key{want.inode, want.kind};
  if (want.type == LockType::kUnlock && !files_.contains(key)) return true;
  File& file = files_[key];
  const bool waits = want.wait != 0 && std::ranges::any_of(file.waiting, [&](const LockWant& other) {
    return other.owner.session == want.owner.session && other.wait == want.wait;
  });
  if (waits) return false;
  if (want.type != LockType::kUnlock && load_of(want.owner.session) >= most_per_session_) {
    erase_if_unused(key);
    return Error(Errc::kNoLocks, "the session has as many locks as it may");
  }
  // A conversion gives up the old lock before it asks for the new one (flock(2)).
  const bool converts = want.kind == LockKind::kFlock && want.type != LockType::kUnlock &&
                        std::ranges::any_of(file.held.all(), [&](const HeldRange& held) {
                          return held.owner == want.owner && held.type != want.type;
                        });
  if (converts) {
    change(file, want, LockType::kUnlock);
    serve(file, answers);
  }
  const bool free = !file.held.conflict(want.owner, want.range, want.type);
  Result<bool> result = free;
  if (free) {
    change(file, want, want.type);
  } else if (want.wait == 0) {
    result = Error(Errc::kWouldBlock, "somebody else has the lock");
  } else if (want.kind == LockKind::kPosix && would_deadlock(want)) {
    result = Error(Errc::kDeadlock, "waiting for this lock would never end");
  } else {
    want.place = ++last_place_;
    file.waiting.push_back(want);
    ++load_[want.owner.session];
  }
  serve(file, answers);
  erase_if_unused(key);
  return result;
}

void LockQueue::change(File& file, const LockWant& want, LockType type) {
  const std::size_t before = file.held.all().size();
  file.held.set(want.owner, want.range, type, want.pid);
  load_[want.owner.session] += file.held.all().size() - before;
}

// Each waiter that fits what is held now, in the order they came; and again, because a grant may take away as well:
// a shared lock over a part of the same owner's exclusive one.
void LockQueue::serve(File& file, std::vector<LockAnswered>& answers) {
  if (held_back_) return;
  const auto grant_if_free = [&](const LockWant& want) {
    if (file.held.conflict(want.owner, want.range, want.type)) return false;
    change(file, want, want.type);
    --load_[want.owner.session];
    answers.push_back({want.owner.session, want.wait, std::nullopt});
    return true;
  };
  while (std::erase_if(file.waiting, grant_if_free) != 0) {
  }
}

void LockQueue::serve_all(std::vector<LockAnswered>& answers) {
  held_back_ = false;
  for (auto& [key, file] : files_) serve(file, answers);
}

// A wait that was queued when its session said so keeps its place; one whose answer was lost comes after all others.
Status LockQueue::reclaim(const LockWant& wanted) {
  LockWant want = wanted;
  if (want.kind == LockKind::kFlock) want.range = kWholeFile;
  if (want.range.start > want.range.end) return Error(Errc::kInvalid, "a lock's range ends before it begins");
  if (load_of(want.owner.session) >= most_per_session_) return Error(Errc::kNoLocks, "the session has as many locks as it may");
  const Key key{want.inode, want.kind};
  File& file = files_[key];
  Status result;
  if (want.wait != 0 && place_of(want) != 0) return {};
  if (want.wait != 0) {
    if (want.place == 0) want.place = ++last_place_;
    const auto before = std::ranges::upper_bound(file.waiting, want.place, {}, &LockWant::place);
    file.waiting.insert(before, want);
    ++load_[want.owner.session];
  } else if (file.held.conflict(want.owner, want.range, want.type)) {
    result = Error(Errc::kWouldBlock, "somebody else has claimed the lock");
  } else {
    change(file, want, want.type);
  }
  erase_if_unused(key);
  return result;
}

std::uint64_t LockQueue::place_of(const LockWant& want) const {
  const auto found = files_.find({want.inode, want.kind});
  if (found == files_.end()) return 0;
  for (const LockWant& waiting : found->second.waiting) {
    if (waiting.owner.session == want.owner.session && waiting.wait == want.wait) return waiting.place;
  }
  return 0;
}

// Follows "is in the way of" from the request; every owner is visited once.
bool LockQueue::would_deadlock(const LockWant& want) const {
  std::set<LockOwner> seen;
  std::vector<const LockWant*> todo{&want};
  while (!todo.empty()) {
    const LockWant& at = *todo.back();
    todo.pop_back();
    for (const LockOwner& blocker : files_.at({at.inode, at.kind}).held.blockers(at.owner, at.range, at.type)) {
      if (blocker == want.owner) return true;
      if (!seen.insert(blocker).second) continue;
      for (const auto& [key, file] : files_) {
        if (key.second != LockKind::kPosix) continue;
        for (const LockWant& waiting : file.waiting) {
          if (waiting.owner == blocker) todo.push_back(&waiting);
        }
      }
    }
  }
  return false;
}

std::optional<HeldRange> LockQueue::test(const LockWant& want) const {
  const auto found = files_.find({want.inode, want.kind});
  if (found == files_.end()) return std::nullopt;
  return found->second.held.conflict(want.owner, want.kind == LockKind::kFlock ? kWholeFile : want.range, want.type);
}

bool LockQueue::cancel(SessionId session, std::uint64_t wait) {
  for (auto& [key, file] : files_) {
    const auto cancelled = std::erase_if(file.waiting, [&](const LockWant& want) {
      return want.owner.session == session && want.wait == wait;
    });
    if (cancelled == 0) continue;
    load_[session] -= cancelled;
    erase_if_unused(Key(key));
    return true;
  }
  return false;
}

void LockQueue::stop_waiting(SessionId session) {
  for (auto at = files_.begin(); at != files_.end();) {
    const auto here = at++;
    load_[session] -=
        std::erase_if(here->second.waiting, [&](const LockWant& want) { return want.owner.session == session; });
    erase_if_unused(Key(here->first));
  }
}

void LockQueue::drop(SessionId session, std::vector<LockAnswered>& answers) {
  for (auto at = files_.begin(); at != files_.end();) {
    const auto here = at++;
    File& file = here->second;
    std::erase_if(file.waiting, [&](const LockWant& want) { return want.owner.session == session; });
    file.held.drop(session);
    serve(file, answers);
    erase_if_unused(Key(here->first));
  }
  load_.erase(session);
}

void LockQueue::erase_if_unused(const Key& key) {
  const auto found = files_.find(key);
  if (found->second.held.empty() && found->second.waiting.empty()) files_.erase(found);
}

std::size_t LockQueue::load_of(SessionId session) const {
  const auto found = load_.find(session);
  return found == load_.end() ? 0 : found->second;
}

std::size_t LockQueue::waiting() const {
  std::size_t count = 0;
  for (const auto& [key, file] : files_) count += file.waiting.size();
  return count;
}

void LockQueue::check() const {
  std::map<SessionId, std::size_t> load;
  for (const auto& [key, file] : files_) {
    for (const HeldRange& held : file.held.all()) {
      CHECK(held.range.start <= held.range.end);
      CHECK(!file.held.conflict(held.owner, held.range, held.type));
      ++load[held.owner.session];
    }
    for (const LockWant& want : file.waiting) {
      CHECK(held_back_ || file.held.conflict(want.owner, want.range, want.type));
      ++load[want.owner.session];
    }
    CHECK(!file.held.empty() || !file.waiting.empty());
  }
  for (const auto& [session, count] : load_) CHECK(load[session] == count);
}

}  // namespace conclave::lock
