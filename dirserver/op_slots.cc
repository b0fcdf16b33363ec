#include "dirserver/op_slots.h"

#include "dirserver/dir_view.h"

namespace conclave::dir {

Result<std::unique_ptr<OpSlots>> OpSlots::over(Database& database) {
  std::unique_ptr<OpSlots> out(new OpSlots);
  out->load_ = TRY(database.prepare("SELECT slot, generation, sequence FROM slots WHERE session = ?"));
  out->answer_ = TRY(database.prepare("SELECT answer FROM slots WHERE session = ? AND slot = ?"));
  out->put_ = TRY(database.prepare(
      "INSERT OR REPLACE INTO slots (session, slot, generation, sequence, answer) VALUES (?,?,?,?,?)"));
  out->drop_ = TRY(database.prepare("DELETE FROM slots WHERE session = ?"));
  out->next_ = TRY(database.prepare("SELECT session FROM slots WHERE session > ? ORDER BY session LIMIT 1"));
  return out;
}

Result<OpSlots::Session*> OpSlots::session_of(const OpId& op) {
  const auto known = sessions_.find(op.session);
  if (known != sessions_.end()) return &known->second;
  if (sessions_.size() >= kMaxSessions) sessions_.clear();
  Session loaded;
  loaded.generation = op.generation;
  const ResetLater reset(load_);
  load_.bind(raw(op.session));
  while (TRY(load_.step())) {
    loaded.generation = static_cast<std::uint32_t>(load_.i64(1));
    const std::uint64_t slot = load_.u64(0);
    if (slot < loaded.last.size()) loaded.last[slot] = load_.u64(2);
  }
  return &sessions_.emplace(op.session, loaded).first->second;
}

Result<std::optional<std::string>> OpSlots::find(const OpId& op) {
  if (op.slot >= kSlotsPerSession) return Error(Errc::kInvalid, "no such slot");
  const Session& session = *TRY(session_of(op));
  if (op.generation < session.generation) return Error(Errc::kStale, "an operation of an older generation");
  const std::uint64_t last = op.generation == session.generation ? session.last[op.slot] : 0;
  if (op.sequence > last) return std::optional<std::string>();
  if (op.sequence < last) return Error(Errc::kMisordered, "an operation that is older than its slot's last");
  const ResetLater reset(answer_);
  if (!TRY(answer_.bind(raw(op.session), op.slot).step())) return Error(Errc::kCorrupt, "a slot without its answer");
  return std::optional(std::string(answer_.text(0)));
}

Status OpSlots::remember(const OpId& op, std::string_view answer) {
  Session& session = *TRY(session_of(op));
  if (op.generation != session.generation) {
    TRY(drop_.bind(raw(op.session)).run());
    session = Session{op.generation, {}};
  }
  session.last[op.slot] = op.sequence;
  return put_.bind(raw(op.session), op.slot, op.generation, op.sequence, view_of(answer)).run();
}

Status OpSlots::drop(SessionId session) {
  sessions_.erase(session);
  return drop_.bind(raw(session)).run();
}

Result<std::vector<SessionId>> OpSlots::sessions() {
  std::vector<SessionId> out;
  for (std::int64_t after = INT64_MIN;;) {
    const ResetLater reset(next_);
    if (!TRY(next_.bind(after).step())) return out;
    after = next_.i64(0);
    out.push_back(SessionId{static_cast<std::uint64_t>(after)});
  }
}

}  // namespace conclave::dir
