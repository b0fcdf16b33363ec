#include "base/slot_table.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave {

Result<SlotTable::Begun> SlotTable::begin(const OpId& id) {
  Slot& slot = *TRY(slot_for(id));
  if (slot.running != 0) {
    if (id.sequence >= slot.running) return Begun{Verdict::kInProgress, {}};
  } else if (id.sequence > slot.last) {
    slot.running = id.sequence;
    return Begun{Verdict::kNew, {}};
  } else if (id.sequence == slot.last) {
    return Begun{Verdict::kReplay, slot.answer};
  }
  return Error(Errc::kMisordered, "operation " + std::to_string(id.sequence) + " of slot " + std::to_string(id.slot) +
                                      " came after a later one");
}

Result<SlotTable::Slot*> SlotTable::slot_for(const OpId& id) {
  if (id.slot >= kSlotsPerSession || id.sequence == 0) return Error(Errc::kInvalid, "an operation id out of range");
  if (!sessions_.contains(id.session) && !make_room()) {
    return Error(Errc::kOverloaded, "as many sessions as this server takes have operations running");
  }
  Session& session = sessions_[id.session];
  if (id.generation < session.generation) return Error(Errc::kStale, "the session was taken up again since");
  if (id.generation > session.generation) {
    session.slots.clear();
    session.generation = id.generation;
  }
  session.used = ++uses_;
  if (session.slots.size() <= id.slot) session.slots.resize(id.slot + 1);
  return &session.slots[id.slot];
}

bool SlotTable::make_room() {
  if (sessions_.size() < kMaxSessions) return true;
  auto oldest = sessions_.end();
  for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
    const bool idle = std::ranges::all_of(at->second.slots, [](const Slot& slot) { return slot.running == 0; });
    if (idle && (oldest == sessions_.end() || at->second.used < oldest->second.used)) oldest = at;
  }
  if (oldest == sessions_.end()) return false;
  sessions_.erase(oldest);
  return true;
}

// Null if the session was forgotten or taken up again while the operation ran: nobody waits for its answer.
SlotTable::Slot* SlotTable::running_slot(const OpId& id) {
  const auto found = sessions_.find(id.session);
  if (found == sessions_.end() || found->second.generation != id.generation) return nullptr;
  auto& slots = found->second.slots;
  if (id.slot >= slots.size() || slots[id.slot].running != id.sequence) return nullptr;
  return &slots[id.slot];
}

void SlotTable::end(const OpId& id, std::string answer) {
  Slot* const slot = running_slot(id);
  if (slot == nullptr) return;
  slot->last = id.sequence;
  slot->answer = std::move(answer);
  slot->running = 0;
}

void SlotTable::abandon(const OpId& id) {
  Slot* const slot = running_slot(id);
  if (slot != nullptr) slot->running = 0;
}

void SlotTable::forget(SessionId session) { sessions_.erase(session); }

}  // namespace conclave
