#include "client/secrets/secret_files.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <charconv>

#include "base/guarded.h"
#include "client/secrets/program_info.h"
#include "vault/fields.h"
#include "vault/login_handover.h"

namespace conclave::client {
namespace {

constexpr auto kTick = std::chrono::seconds(1);
constexpr unsigned kTicksPerAsking = 5;
constexpr int kAttempts = 4;   // of an open, while others write the secret
constexpr std::uint32_t kSuperuser = 0;

std::string_view state_name(vault::v1::State state) {
  switch (state) {
    case vault::v1::FILED:
    case vault::v1::PENDING: return "pending";
    case vault::v1::APPROVED:
    case vault::v1::RELEASED: return "approved";
    case vault::v1::DENIED: return "denied";
    case vault::v1::TIMED_OUT: return "timed-out";
    default: return "over";
  }
}

SessionId session_of(const ClientSession& client) {
  const auto session = client.current();
  return session ? session->id() : SessionId{};
}

Result<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool whole = failure == std::errc() && end == text.data() + text.size() && out != 0;
  return whole ? Result<std::uint64_t>(out) : Error(Errc::kInvalid, "a version is a number from 1 on");
}

Error verdict(Errc code) {
  return {code, code == Errc::kTimedOut ? "nobody decided the request in time" : "the request was denied"};
}

}  // namespace

// What a descriptor of a secret is: a grant, or (O_NONBLOCK) none yet, or a draft.
struct SecretFiles::OpenSecret {
  OpenSecret(GrantPtr g, OpenDraftPtr d) : draft(std::move(d)), grant(std::move(g)) {}
  const OpenDraftPtr draft;
  std::mutex mutex;
  GrantPtr grant GUARDED_BY(mutex);
};

SecretFiles::SecretFiles(Parts parts)
    : parts_(std::move(parts)), tested_(parts_.parking.expect()), next_tick_(parts_.clock.now()) {}

void SecretFiles::guard_tested(bool holds) {
  guard_ = holds ? Guard::kHolds : Guard::kFails;
  parts_.parking.deliver(tested_);
}

FileClass SecretFiles::row() {
  FileClass row;
  row.attributes = [this](const Caller& caller, const InodePtr& inode) { return attributes(caller, inode); };
  row.open = [this](const Caller& caller, OpenFile& file) { return open(caller, file); };
  row.check_create = [this](const Caller& caller, const InodePtr& folder, const std::string& name) -> Status {
    TRY(check_guard());
    TRY(parts_.author.check_author(caller));
    return parts_.places.check_new(folder->id, name);
  };
  row.unopened = [this](OpenFile& file) { release(file, false); };
  row.read = [this](const Caller& caller, OpenFile& file, const ReadRequest& request) { return read(caller, file, request); };
  row.write = [this](const Caller&, OpenFile& file, const WriteRequest& request) -> Result<std::size_t> {
    const auto own = std::static_pointer_cast<OpenSecret>(file.own);
    if (!own || !own->draft) return Errc::kBadDescriptor;
    return parts_.author.write(*own->draft, request, file.append);
  };
  row.resize = [this](const Caller& caller, const InodePtr& inode, const OpenFile*, std::uint64_t size) {
    return parts_.author.resize(caller, inode, size);
  };
  row.flush = [this](OpenFile& file) { return flush(file); };
  row.release = [this](OpenFile& file) { release(file, true); };
  row.sync = [this](OpenFile& file) { return flush(file); };
  row.poll = [this](const Caller& caller, OpenFile& file, const PollRequest& request) { return poll(caller, file, request); };
  row.check_rename = [this](const InodePtr& from, const InodePtr& to, const InodePtr& moved) {
    return parts_.places.check_rename(from, to, moved);
  };
  row.may_link = false;
  row.cached_entries = false;
  row.confidential = true;
  return row;
}

// No size is told while a secret is sealed: only to who is writing it or has it open.
Result<AttrAnswer> SecretFiles::attributes(const Caller& caller, const InodePtr& inode) {
  const auto use = TRY(parts_.inodes.lease_with_attributes(inode, LeaseMode::kRead));
  AttrAnswer out;
  {
    const std::lock_guard lock(inode->mutex);
    out.attr = inode->attributes.now;
  }
  std::uint64_t size = 0;
  if (const auto draft = parts_.author.draft_size(inode->id)) {
    size = *draft;
  } else if (const GrantPtr grant = parts_.book.grant_of(caller.uid, inode->id, parts_.clock.now())) {
    const std::lock_guard lock(grant->mutex);
    size = grant->plaintext.size();
  }
  out.attr.set_size_bytes(size);
  out.attr.set_allocated_bytes(0);
  return out;
}

Status SecretFiles::check_guard() const {
  if (guard_ == Guard::kUntested) return Error(Errc::kPending, "the page-cache guard is being tested", tested_);
  if (guard_ == Guard::kFails) return Error(Errc::kNotSupported, "this kernel keeps pages of secrets: none is served here");
  return {};
}

Result<OpenAnswer> SecretFiles::open(const Caller& caller, OpenFile& file) {
  TRY(check_guard());
  OpenAnswer answer;
  answer.direct_io = true;
  GrantPtr grant;
  OpenDraftPtr draft;
  if (writes(file.flags)) {
    const bool truncated = (file.flags & O_TRUNC) != 0;
    const auto newest = parts_.vault.newest(file.inode->id);
    if (!newest && newest.error().code != Errc::kNotFound) return newest.error();
    draft = TRY(parts_.author.open(caller, file.inode, truncated || !newest));
  } else if ((file.flags & O_NONBLOCK) == 0) {
    grant = TRY(obtain(caller, file.inode, Ask::kAsPolicySays, {}));
  } else {
    TRY(parts_.logins.find(caller.uid, parts_.clock.wall()));
  }
  file.own = std::make_shared<OpenSecret>(std::move(grant), std::move(draft));
  return answer;
}

// The grant of this caller for the newest version: there already, claimed now, or after the vote (kPending). Looked for
// again once a request was filed, and when the version was replaced before the request for it came.
Result<GrantPtr> SecretFiles::obtain(const Caller& caller, const InodePtr& inode, Ask ask, const Wanted& wanted) {
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    const LoginPtr login = TRY(parts_.logins.find(caller.uid, parts_.clock.wall()));
    const SecretKey key{caller.uid, inode->id, login->cert.person};
    if (ask == Ask::kAlways && attempt == 1) parts_.book.forget_verdict(key);
    const auto chosen = ask == Ask::kAlways ? wanted.version : parts_.book.chosen(key, parts_.clock.now()).value_or(0);
    SecretOnFile secret = TRY(parts_.vault.version(inode->id, chosen));
    TRY(parts_.places.check_sealed_here(inode->id, secret.policy));
    const bool may_file = ask == Ask::kAlways || (ask == Ask::kAsPolicySays && secret.policy.auto_request);
    const auto found = parts_.book.look(key, secret.header.core.version, parts_.clock.now(), may_file);
    switch (found.stand) {
      case SecretBook::Stand::kGranted: return found.grant;
      case SecretBook::Stand::kEnded: return verdict(found.verdict);
      case SecretBook::Stand::kWait: return Error(Errc::kPending, "waiting for the vote", found.key);
      case SecretBook::Stand::kClaim: return claim(key, inode, found.request);
      case SecretBook::Stand::kMine: break;
    }
    if (ask == Ask::kNever) return Errc::kWouldBlock;
    if (!may_file) return Error(Errc::kAccess, "the policy wants `conclave request PATH --reason …` first");
    const Status filed = file_request(key, caller, login, std::move(secret), ask == Ask::kAlways ? &wanted : nullptr);
    if (!filed && filed.error().code != Errc::kStale) return filed.error();
  }
  return Error(Errc::kWouldBlock, "the secret is replaced again and again; try again");
}

Status SecretFiles::file_request(const SecretKey& key, const Caller& caller, const LoginPtr& login, SecretOnFile secret,
                                 const Wanted* wanted) {
  const auto run = [&]() -> Status {
    const ProgramInfo program = program_info(parts_.proc, caller.pid, secret.policy.program_arguments);
    vault::Wish wish;
    wish.host = parts_.host;
    wish.uid = caller.uid;
    wish.program = program.command;
    wish.reason = wanted != nullptr ? wanted->reason : program.reason;
    const bool chosen = wanted != nullptr && wanted->version != 0;
    const auto seen = parts_.table.seen(key.inode);
    FiledRequest filed = TRY(parts_.vault.file(std::move(secret), *login, wish, seen ? seen->path : "",
                                               session_of(parts_.session), chosen));
    parts_.log.info("request filed", {{"id", vault::short_id(filed.request.rd())}, {"uid", caller.uid},
                                      {"person", login->cert.person}});
    parts_.book.filed(key, std::move(filed), login, chosen);
    return {};
  };
  const Status status = run();
  if (!status) parts_.book.not_filed(key);
  return status;
}

Result<GrantPtr> SecretFiles::claim(const SecretKey& key, const InodePtr& inode,
                                    const std::shared_ptr<const FiledRequest>& request) {
  const auto run = [&]() -> Result<SecretBytes> {
    const auto use = TRY(parts_.inodes.lease(inode, LeaseMode::kRead));
    const ReleasedKey released = TRY(parts_.vault.release(*request));
    const vault::IdCore& core = request->secret.header.core;
    Bytes payload(vault::payload_size(core.padded_bytes));
    TRY(parts_.chunks.read(*inode, held_of(use), payload_offset(core.version), payload));
    return parts_.vault.open(*request, released, payload);
  };
  auto plaintext = run();
  if (!plaintext) {
    parts_.book.not_claimed(key, plaintext.error().code, parts_.clock.now());
    return std::move(plaintext).error();
  }
  const GrantPtr grant = parts_.book.granted(key, request, std::move(*plaintext), parts_.clock.now());
  if (!grant) return Error(Errc::kAccess, key.person + " has logged out");
  parts_.vault.record(*grant->request, *grant->login, vault::Happening::kOpened);
  return grant;
}

Result<ReadAnswer> SecretFiles::read(const Caller& caller, OpenFile& file, const ReadRequest& request) {
  // Reads that fill the page cache (mmap, readahead, splice) come without a lock owner.
  if (request.lock_owner == 0) return Error(Errc::kInvalid, "a secret is read with read(2) only");
  if (caller.uid != file.uid) return Error(Errc::kAccess, "this descriptor was opened by another user");
  const auto own = std::static_pointer_cast<OpenSecret>(file.own);
  if (own->draft) return Error(Errc::kBadDescriptor, "opened for writing");
  GrantPtr grant;
  {
    const std::lock_guard lock(own->mutex);
    grant = own->grant;
  }
  if (!grant) {  // O_NONBLOCK: what is decided is taken, nothing is asked
    auto obtained = obtain(caller, file.inode, Ask::kNever, {});
    if (!obtained && obtained.error().code == Errc::kPending) return Errc::kWouldBlock;
    grant = TRY(std::move(obtained));
    const std::lock_guard lock(own->mutex);
    own->grant = grant;
  }
  ReadAnswer answer;
  const std::lock_guard lock(grant->mutex);
  if (grant->over || grant->expires <= parts_.clock.now()) return Error(Errc::kKeyExpired, "the grant is over");
  const ByteView all = grant->plaintext.view();
  if (request.offset >= all.size()) return answer;
  answer.secret = SecretBytes::copy_of(all.subspan(request.offset, std::min<std::size_t>(request.length, all.size() - request.offset)));
  return answer;
}

// POLLIN once it can be read, POLLERR after a denial; the first poll files the request, of the program that polls.
Result<unsigned> SecretFiles::poll(const Caller& caller, OpenFile& file, const PollRequest& request) {
  const auto own = std::static_pointer_cast<OpenSecret>(file.own);
  if (own->draft) return POLLOUT;
  {
    const std::lock_guard lock(own->mutex);
    if (own->grant) return POLLIN;
  }
  auto obtained = obtain({.uid = file.uid, .gid = caller.gid, .pid = caller.pid}, file.inode, Ask::kAsPolicySays, {});
  if (!obtained) {
    if (obtained.error().code != Errc::kPending) return POLLERR;
    const auto login = parts_.logins.find(file.uid, parts_.clock.wall());
    if (!login) return POLLERR;
    if (request.wake) parts_.book.on_change({file.uid, file.inode->id, (*login)->cert.person}, request.wake);
    return 0u;
  }
  const std::lock_guard lock(own->mutex);
  own->grant = std::move(*obtained);
  return POLLIN;
}

Status SecretFiles::flush(OpenFile& file) {
  const auto own = std::static_pointer_cast<OpenSecret>(file.own);
  if (!own || !own->draft) return {};
  return parts_.author.seal(file.uid, file.inode, *own->draft, false);
}

void SecretFiles::release(OpenFile& file, bool taken) {
  const auto own = std::static_pointer_cast<OpenSecret>(file.own);
  if (!own) return;
  if (own->draft) {
    store_at_last_close(file.uid, file.inode, own->draft);
  }
  const std::lock_guard lock(own->mutex);
  if (!own->grant) return;
  if (taken) {
    parts_.book.closed(own->grant);
  } else {
    parts_.book.give_back(own->grant);
  }
}

// What close(2) left: an empty content, or what could not be stored then. Nobody waits for the answer of RELEASE, so it
// waits for its lease by itself.
void SecretFiles::store_at_last_close(std::uint32_t uid, const InodePtr& inode, const OpenDraftPtr& draft) {
  const Status sealed = parts_.author.seal(uid, inode, *draft, true);
  if (sealed) return;
  const Error why = parts_.leases.await_session(sealed.error());
  if (why.code == Errc::kPending) {
    parts_.parking.park(why.key, [=, this] { store_at_last_close(uid, inode, draft); });
    return;
  }
  parts_.log.error("a secret was not stored at its last close", {{"inode", raw(inode->id)}, {"why", why}});
}

// --- Control files -----------------------------------------------------------------------------------------------

Status SecretFiles::take_login(const Caller& caller, std::string_view message) {
  vault::Login login = TRY(vault::parse_handover(view_of(message)));
  TRY(parts_.vault.check_login(login.cert, 0));
  parts_.log.info("login", {{"uid", caller.uid}, {"person", login.cert.person}});
  const std::string person = login.cert.person;
  parts_.logins.set(caller.uid, std::move(login));
  tell_left(parts_.book.leave(caller.uid, person));  // what the one before had open is not the next one's
  return {};
}

Status SecretFiles::take_logout(const Caller& caller, std::string_view) {
  const LoginPtr login = parts_.logins.clear(caller.uid);
  tell_left(parts_.book.leave(caller.uid, ""));
  if (!login) return {};
  parts_.vault.logout(*login);
  parts_.log.info("logout", {{"uid", caller.uid}, {"person", login->cert.person}});
  return {};
}

Result<InodePtr> SecretFiles::walk(const Caller& caller, const std::string& path) {
  InodeId at = kRootInode;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t slash = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, slash - begin);
    begin = slash + 1;
    if (name.empty()) continue;
    const auto entry = TRY(parts_.names.lookup(caller, at, name));
    if (entry.attr.inode() == 0) return Error(Errc::kNotFound, path + " does not exist");
    const InodeId child{entry.attr.inode()};
    parts_.names.forget(child, 1);  // the kernel did not ask
    at = child;
  }
  InodePtr inode = parts_.table.find(at);
  if (!inode) return Error(Errc::kNotFound, path + " does not exist");
  return inode;
}

Status SecretFiles::take_request(const Caller& caller, std::string_view message) {
  const auto nul = message.find('\0');
  if (nul == std::string_view::npos) return Error(Errc::kInvalid, "a request is PATH NUL REASON, and NUL VERSION if it is not the newest");
  const std::string_view rest = message.substr(nul + 1);
  Wanted wanted{std::string(rest.substr(0, rest.find('\0'))), 0};
  if (wanted.reason.size() < rest.size()) wanted.version = TRY(number_in(rest.substr(wanted.reason.size() + 1)));
  const InodePtr inode = TRY(walk(caller, std::string(message.substr(0, nul))));
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->attributes.now.class_() != dir::v1::SECRET || inode->attributes.is_dir()) return Error(Errc::kInvalid, "that is no secret");
  }
  auto obtained = obtain(caller, inode, Ask::kAlways, wanted);
  if (obtained) {
    parts_.book.give_back(*obtained);  // asked for, not opened
    return {};
  }
  if (obtained.error().code == Errc::kPending) return {};
  return std::move(obtained).error();
}

Result<std::string> SecretFiles::requests(const Caller& caller) const {
  std::string out;
  for (const auto& one : parts_.book.list()) {
    if (caller.uid != kSuperuser && caller.uid != one.key.uid) continue;
    const auto seen = parts_.table.seen(one.key.inode);  // where it lies now, as its readers name it
    const std::string& path = seen && !seen->path.empty() ? seen->path : one.request->secret.header.path;
    out += to_hex(one.request->request.rd()) + " " + std::string(state_name(one.state)) + " " +
           vault::plain_text(path, vault::kMaxPathBytes) + "\n";
  }
  return out;
}

// --- Events and time ---------------------------------------------------------------------------------------------

void SecretFiles::run_events() {
  SessionId listening{};
  while (!stopping_) {
    const SessionId session = session_of(parts_.session);
    if (session != listening) {
      listening = session;
      events_seen_ = 0;
    }
    if (raw(session) != 0) {
      static_cast<void>(parts_.vault.client().events(session, events_seen_, [&](std::uint64_t number, std::string_view bytes) {
        vault::v1::Event event;
        if (number != 0 && event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && event.rd().size() == sizeof(Hash)) {
          Hash rd{};
          std::copy(event.rd().begin(), event.rd().end(), rd.begin());
          parts_.book.decided(rd, event.state(), parts_.clock.now());
          events_seen_ = number;
        }
        return !stopping_ && session_of(parts_.session) == session;
      }));
    }
    if (!stopping_) parts_.clock.sleep_until(parts_.clock.now() + kTick);
  }
}

void SecretFiles::stop() { stopping_ = true; }

void SecretFiles::tick(MonoTime now) {
  next_tick_ = now + kTick;
  tell_ended(parts_.book.expire(now, parts_.clock.wall()));
  if (++ticks_ % kTicksPerAsking != 0) return;
  for (const auto& one : parts_.book.list()) {
    if (one.state != vault::v1::PENDING) continue;
    const Hash rd = one.request->request.rd();
    const auto state = parts_.vault.state(rd);
    if (state) parts_.book.decided(rd, *state, parts_.clock.now());
  }
}

void SecretFiles::tell_left(const SecretBook::Left& left) {
  tell_ended(left.grants);
  for (const auto& [request, login] : left.requests) parts_.vault.cancel(*request, *login);
}

void SecretFiles::tell_ended(const std::vector<GrantPtr>& grants) {
  for (const GrantPtr& grant : grants) {
    const bool late = grant->expires <= parts_.clock.now();
    parts_.vault.record(*grant->request, *grant->login, late ? vault::Happening::kExpired : vault::Happening::kClosed);
  }
}

}  // namespace conclave::client
