#include "lockserver/lock_memory.h"

#include <algorithm>

#include "base/canonical.h"

namespace conclave::lock {
namespace {

constexpr std::string_view kMagic = "conclave lock 1\n";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxBytes = 1024 + kMaxSessions * (2 * kMaxNameBytes + 64);

void put(CanonicalWriter& out, const SessionTable::Session& session) {
  out.u64(raw(session.id)).u32(session.generation).u64(session.holder).u64(session.nonce);
  out.lv(session.peer).lv(session.label).u64(session.fence).u8(session.brief ? 1 : 0).u32(session.epoch);
}

SessionTable::Session take_session(CanonicalReader& in) {
  SessionTable::Session out;
  out.id = SessionId{in.u64()};
  out.generation = in.u32();
  out.holder = in.u64();
  out.nonce = in.u64();
  out.peer = in.text(kMaxNameBytes);
  out.label = in.text(kMaxNameBytes);
  out.fence = in.u64();
  out.brief = in.u8() != 0;
  out.epoch = in.u32();
  if (raw(out.id) == 0) in.fail();
  return out;
}

}  // namespace

Result<LockMemory> LockMemory::begin(Files& files, Random& random, const std::string& folder) {
  LockMemory out(files, folder + "/memory");
  if (TRY(files.exists(out.path_))) {
    std::string text = TRY(files.read_all(out.path_, kMaxBytes));
    const Status read = out.read(text);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    TRY(read);
  }
  SecretBytes key(kKeyBytes);
  random.fill(key.span());
  const std::uint32_t last = out.keys_.empty() ? 0 : out.epoch();
  out.keys_.emplace(out.keys_.begin(), EpochKeys::Key{last + 1, std::move(key)});
  TRY(out.save(std::vector(out.sessions_)));
  return out;
}

// What follows the magic line, and a CRC32C over all before it.
Status LockMemory::read(std::string_view text) {
  const Error bad(Errc::kCorrupt, path_ + " is damaged");
  const std::size_t crc_at = text.size() - std::min<std::size_t>(4, text.size());
  CanonicalReader crc(view_of(text.substr(crc_at)));
  if (!text.starts_with(kMagic) || crc.u32() != crc32c(view_of(text.substr(0, crc_at)))) return bad;
  CanonicalReader in(view_of(text.substr(kMagic.size(), crc_at - kMagic.size())));
  for (std::uint32_t left = in.count(kMostKeys, 4 + kKeyBytes); left > 0; --left) {
    const std::uint32_t epoch = in.u32();
    const bool in_order = epoch != 0 && epoch != UINT32_MAX && (keys_.empty() || epoch < keys_.back().epoch);
    if (!in_order) in.fail();
    keys_.push_back({epoch, SecretBytes::copy_of(in.raw(kKeyBytes))});
  }
  for (std::uint32_t left = in.count(kMaxSessions, 33); left > 0; --left) sessions_.push_back(take_session(in));
  if (keys_.empty() || !in.finish(path_)) return bad;
  return {};
}

// Kept: those under which a session may still show something.
void LockMemory::drop_old_keys() {
  std::uint32_t oldest = epoch();
  for (const auto& session : sessions_) oldest = std::min(oldest, session.epoch);
  std::erase_if(keys_, [&](const EpochKeys::Key& key) { return key.epoch < oldest; });
  if (keys_.size() > kMostKeys) keys_.resize(kMostKeys);
}

Status LockMemory::save(std::vector<SessionTable::Session> sessions) {
  sessions_ = std::move(sessions);
  drop_old_keys();
  CanonicalWriter out;
  out.raw(view_of(kMagic)).u32(static_cast<std::uint32_t>(keys_.size()));
  for (const EpochKeys::Key& key : keys_) out.u32(key.epoch).raw(key.bytes.view());
  out.u32(static_cast<std::uint32_t>(sessions_.size()));
  for (const auto& session : sessions_) put(out, session);
  out.u32(crc32c(out.bytes()));
  Bytes bytes = std::move(out).bytes();
  const Status saved = files_->write_all(path_, text_of(bytes));
  wipe(bytes);
  return saved;
}

}  // namespace conclave::lock
