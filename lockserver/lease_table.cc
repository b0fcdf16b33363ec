#include "lockserver/lease_table.h"

#include <algorithm>

#include "base/check.h"

namespace conclave::lock {

bool compatible(LeaseMode a, LeaseMode b) {
  const auto appends = [](LeaseMode mode) { return mode == LeaseMode::kShared || mode == LeaseMode::kSharedRead; };
  return (a == b && (a == LeaseMode::kRead || a == LeaseMode::kDirRead)) || (appends(a) && appends(b));
}

bool covers(LeaseMode held, LeaseMode wanted) {
  return held == wanted || (held == LeaseMode::kWrite && wanted == LeaseMode::kRead) ||
         (held == LeaseMode::kShared && wanted == LeaseMode::kSharedRead) ||
         (held == LeaseMode::kDirWrite && wanted == LeaseMode::kDirRead);
}

LeaseMode keep_beside(LeaseMode held, LeaseMode wanted) {
  const bool shares = wanted == LeaseMode::kRead || wanted == LeaseMode::kDirRead;
  return shares && held != wanted && covers(held, wanted) ? wanted : LeaseMode::kNone;
}

LeaseTable::Holder* LeaseTable::find(Object& object, SessionId session) {
  const auto found = std::ranges::find(object.holders, session, &Holder::session);
  return found == object.holders.end() ? nullptr : &*found;
}

// Would it fit beside what others hold?
bool LeaseTable::fits(const Object& object, SessionId session, LeaseMode mode) {
  return std::ranges::all_of(object.holders, [&](const Holder& holder) {
    return holder.session == session || compatible(holder.mode, mode);
  });
}

GrantedLease LeaseTable::grant(InodeId inode, Object& object, SessionId session, LeaseMode mode) {
  Holder* holder = find(object, session);
  if (holder == nullptr) {
    holder = &object.holders.emplace_back();
    ++held_;
    ++counts_[session];
  }
  *holder = Holder{.session = session, .seq = next_seq_++, .mode = mode};
  return {session, inode, mode, holder->seq};
}

std::optional<GrantedLease> LeaseTable::acquire(SessionId session, InodeId inode, LeaseMode mode, MonoTime now,
                                                LeaseEffects& effects) {
  if (auto granted = acquire_if_free(session, inode, mode)) return granted;
  Object& object = objects_[inode];
  if (!object.waiters) object.waiters = std::make_unique<std::deque<Waiter>>();
  const bool waits = std::ranges::any_of(*object.waiters, [&](const Waiter& waiter) {
    return waiter.session == session && waiter.mode == mode;
  });
  if (waits) return std::nullopt;
  object.waiters->push_back({session, mode});
  ++waiting_;
  serve(inode, object, now, effects);
  return std::nullopt;
}

std::optional<GrantedLease> LeaseTable::acquire_if_free(SessionId session, InodeId inode, LeaseMode mode) {
  const auto at = objects_.find(inode);
  if (at == objects_.end()) return grant(inode, objects_[inode], session, mode);
  Object& object = at->second;
  if (const Holder* holder = find(object, session); holder != nullptr && covers(holder->mode, mode)) {
    return GrantedLease{session, inode, holder->mode, holder->seq};
  }
  if (object.waiters || !fits(object, session, mode)) return std::nullopt;
  return grant(inode, object, session, mode);
}

// Grants to waiters from the front as long as they fit; then recalls what stands in the way of the first that does not.
void LeaseTable::serve(InodeId inode, Object& object, MonoTime now, LeaseEffects& effects) {
  while (object.waiters && !object.waiters->empty()) {
    const Waiter waiter = object.waiters->front();
    const Holder* own = find(object, waiter.session);
    const bool has_it = own != nullptr && covers(own->mode, waiter.mode);
    if (!has_it && !fits(object, waiter.session, waiter.mode)) {
      recall_for(inode, object, waiter, now, effects);
      break;
    }
    object.waiters->pop_front();
    --waiting_;
    if (!has_it) effects.granted.push_back(grant(inode, object, waiter.session, waiter.mode));
  }
  if (object.waiters && object.waiters->empty()) object.waiters.reset();
}

void LeaseTable::recall_for(InodeId inode, Object& object, const Waiter& waiter, MonoTime now, LeaseEffects& effects) {
  for (Holder& holder : object.holders) {
    if (holder.session == waiter.session || compatible(holder.mode, waiter.mode)) continue;
    const LeaseMode keep = keep_beside(holder.mode, waiter.mode);
    if (holder.recalled && (holder.keep == keep || holder.keep == LeaseMode::kNone)) continue;
    holder.recalled = true;
    holder.keep = keep;
    holder.recalled_at = now;
    recalled_.insert(inode);
    effects.recalled.push_back({holder.session, inode, holder.seq, keep});
  }
}

std::optional<GrantedLease> LeaseTable::give_back(SessionId session, InodeId inode, std::uint64_t seq, LeaseMode keep,
                                                  bool open, MonoTime now, LeaseEffects& effects) {
  const auto at = objects_.find(inode);
  if (at == objects_.end()) return std::nullopt;
  Object& object = at->second;
  Holder* const holder = find(object, session);
  if (holder == nullptr) return std::nullopt;
  if (holder->returned_seq == seq && holder->mode == keep) return GrantedLease{session, inode, keep, holder->seq};
  if (holder->seq != seq) return std::nullopt;
  set_open(object, session, open);
  std::optional<GrantedLease> kept;
  if (keep != LeaseMode::kNone && keep_beside(holder->mode, keep) == keep) {
    kept = grant(inode, object, session, keep);
    find(object, session)->returned_seq = seq;
  } else {
    end_hold(inode, object, session);
  }
  serve(inode, object, now, effects);
  erase_if_unused(at);
  return kept;
}

std::optional<GrantedLease> LeaseTable::reclaim(SessionId session, InodeId inode, LeaseMode mode, std::uint64_t old_seq,
                                                std::vector<SessionId>& liars) {
  const auto [at, is_new] = objects_.try_emplace(inode);
  Object& object = at->second;
  if (const Holder* own = find(object, session)) {
    if (own->returned_seq == old_seq) return GrantedLease{session, inode, own->mode, own->seq};
    return std::nullopt;
  }
  if (!fits(object, session, mode)) {
    for (const Holder& other : object.holders) {
      if (!compatible(other.mode, mode) && other.returned_seq < old_seq) liars.push_back(other.session);
    }
    return std::nullopt;
  }
  const GrantedLease granted = grant(inode, object, session, mode);
  find(object, session)->returned_seq = old_seq;
  return granted;
}

void LeaseTable::note_open(SessionId session, InodeId inode) { set_open(objects_[inode], session, true); }

void LeaseTable::end_hold(InodeId inode, Object& object, SessionId session) {
  const auto removed = std::erase_if(object.holders, [&](const Holder& holder) { return holder.session == session; });
  if (removed == 0) return;
  --held_;
  const auto count = counts_.find(session);
  if (--count->second == 0) counts_.erase(count);
  if (object.holders.empty()) recalled_.erase(inode);
}

void LeaseTable::set_open(Object& object, SessionId session, bool open) {
  if (!open && !object.open_at) return;
  if (!object.open_at) object.open_at = std::make_unique<std::vector<SessionId>>();
  std::erase(*object.open_at, session);
  if (open) object.open_at->push_back(session);
  if (object.open_at->empty()) object.open_at.reset();
}

void LeaseTable::note_closed(SessionId session, InodeId inode) {
  const auto at = objects_.find(inode);
  if (at == objects_.end()) return;
  set_open(at->second, session, false);
  erase_if_unused(at);
}

void LeaseTable::erase_if_unused(Objects::iterator at) {
  const Object& object = at->second;
  if (object.holders.empty() && !object.waiters && !object.open_at) objects_.erase(at);
}

void LeaseTable::leave_queue(InodeId inode, Object& object, SessionId session, MonoTime now, LeaseEffects& effects) {
  if (!object.waiters) return;
  waiting_ -= std::erase_if(*object.waiters, [&](const Waiter& waiter) { return waiter.session == session; });
  serve(inode, object, now, effects);
}

// These two look at every object: sessions end rarely, and an index by session would cost more than the leases.
void LeaseTable::stop_waiting(SessionId session, MonoTime now, LeaseEffects& effects) {
  for (auto at = objects_.begin(); at != objects_.end();) {
    const auto here = at++;
    leave_queue(here->first, here->second, session, now, effects);
    erase_if_unused(here);
  }
}

void LeaseTable::drop(SessionId session, MonoTime now, LeaseEffects& effects) {
  for (auto at = objects_.begin(); at != objects_.end();) {
    const auto here = at++;
    Object& object = here->second;
    set_open(object, session, false);
    end_hold(here->first, object, session);
    leave_queue(here->first, object, session, now, effects);
    erase_if_unused(here);
  }
}

std::vector<RecalledLease> LeaseTable::overdue(MonoTime now) {
  std::vector<RecalledLease> out;
  for (auto at = recalled_.begin(); at != recalled_.end();) {
    const InodeId inode = *at;
    bool any = false;
    for (Holder& holder : objects_.at(inode).holders) {
      if (!holder.recalled) continue;
      any = true;
      if (now - holder.recalled_at < patience_) continue;
      holder.recalled_at = now;
      out.push_back({holder.session, inode, holder.seq, holder.keep});
    }
    at = any ? std::next(at) : recalled_.erase(at);
  }
  return out;
}

bool LeaseTable::in_use(InodeId inode) const {
  const auto at = objects_.find(inode);
  return at != objects_.end() && (!at->second.holders.empty() || at->second.open_at);
}

std::size_t LeaseTable::held_by(SessionId session) const {
  const auto found = counts_.find(session);
  return found == counts_.end() ? 0 : found->second;
}

void LeaseTable::check() const {
  std::size_t held = 0;
  std::size_t waiting = 0;
  for (const auto& [inode, object] : objects_) {
    for (std::size_t i = 0; i < object.holders.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        CHECK(object.holders[i].session != object.holders[j].session);
        CHECK(compatible(object.holders[i].mode, object.holders[j].mode));
      }
      CHECK(!object.holders[i].recalled || recalled_.contains(inode));
    }
    held += object.holders.size();
    if (!object.waiters) continue;
    waiting += object.waiters->size();
    // Whoever stands in the way of the first in line has been asked to go.
    const Waiter& first = object.waiters->front();
    CHECK(!fits(object, first.session, first.mode));
    for (const Holder& holder : object.holders) {
      CHECK(holder.session == first.session || compatible(holder.mode, first.mode) || holder.recalled);
    }
  }
  CHECK(held == held_);
  CHECK(waiting == waiting_);
}

}  // namespace conclave::lock
