#include "tests/cluster/sim_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "vault/login_handover.h"

namespace conclave::sim {
namespace {

constexpr client::Caller kProgram{0, 0, 1};
constexpr unsigned kThreads = 2;   // of each pool: enough that they meet

}  // namespace

client::ClientParts SimMount::parts() {
  return {.cluster = cluster_, .transport = transport_, .clock = sim_.clock, .waiter = sim_.waiter, .random = sim_.random,
          .files = memory_, .log = log_, .host = node_.name(), .mount = "/mnt", .label = node_.name(), .memory = "seen",
          .owner = {}};
}

client::ClientHooks SimMount::hooks() {
  return {.invalidate = [this](InodeId inode, bool) { kernel_.invalidated(inode); },   // no page cache
          .raise_size =
              [this](InodeId inode, std::uint64_t size, const std::function<void()>& done) {
                kernel_.reaches(inode, size);
                done();
              },
          .spare = [](const std::vector<InodeId>&) {},
          .lost = on_lost_};
}

SimMount::SimMount(Simulation& sim, const std::string& name, const ClusterFile& cluster,
                   std::function<void()> on_lost)
    : sim_(sim), cluster_(cluster), on_lost_(std::move(on_lost)), log_(name, sim_log_level()),
      names_(sim.waiter), bytes_(sim.waiter), node_(sim.network, name), transport_(sim.network, node_, sim_peer(Role::kHost, name)) {
  build();
}

SimMount::~SimMount() { node_.kill(); }

void SimMount::build() {
  client_ = std::make_unique<client::Client>(parts(), hooks());
  if (client_->secrets() != nullptr) client_->secrets()->guard_tested(true);   // no kernel, no page cache
  node_.spawn("session", [this] {
    while (!client_->open()) sim_.scheduler.sleep_for(100ms);
    for (const client::Client::Pool& pool : client_->pools()) {
      for (unsigned i = 0; i < std::min(pool.threads, kThreads); ++i) node_.spawn(pool.name, pool.run);
    }
    for (const auto& [name, duty] : client_->duties()) node_.run_duty(name, duty);
  });
}

// Opened direct_io: the kernel believes nothing of its size.
bool SimMount::appends_to(std::uint64_t handle) {
  const auto file = opens().find(handle);
  if (!file || file->append) return true;
  const std::lock_guard lock(file->inode->mutex);
  return file->inode->attributes.now.class_() != dir::v1::PLAIN;
}

const client::OpenTable& SimMount::opens() { return client().opens(); }

void SimMount::kill() {
  node_.kill();
  on_lost_();
  client_.reset();
  kernel_.forget_all();
}

void SimMount::restart() {
  node_.start();
  build();
}

Status SimMount::unmount() { return client_->close(30s); }

Status SimMount::log_in(const vault::Login& login) {
  CHECK(client_->secrets() != nullptr);
  return client_->secrets()->take_login(kProgram, text_of(vault::encode_handover(login).view()));
}

client::Client& SimMount::client() { return *client_; }
bool SimMount::session_open() const { return client_->session().current() != nullptr && client_->session().usable(); }

std::size_t SimMount::held_bytes() {
  const auto counters = client_->numbers().writes;
  std::size_t sum = 0;
  for (const auto& inode : client().inodes().all()) {
    const std::lock_guard lock(inode->mutex);
    sum += inode->bytes.buffer.held_bytes();
  }
  EXPECT_EQ(counters.held_bytes, sum) << name() << ": its account of held bytes is wrong";
  const bool holds_for_nothing = counters.inodes == 0 && counters.held_bytes != 0;
  EXPECT_FALSE(holds_for_nothing) << name() << ": nothing to write, and " << counters.held_bytes << " bytes held";
  return counters.held_bytes;
}

bool SimMount::wait_for(client::ParkKey key, MonoTime until) {
  auto delivered = std::make_shared<bool>(false);
  const auto handle = client_->parking().park(key, [this, delivered] {
    *delivered = true;
    sim_.waiter.wake(delivered.get());
  });
  while (!*delivered && sim_.clock.now() < until) {
    const auto seen = sim_.waiter.observe(delivered.get());
    if (!*delivered) sim_.waiter.wait(delivered.get(), seen, until);
  }
  return *delivered || !client_->parking().take_back(handle);
}

// --- Names. The kernel's count of look-ups only rises: a program's paths are few.

Result<InodeId> SimMount::look_up(InodeId parent, const std::string& name) {
  const auto asked = kernel_.now();
  return run([&]() -> Result<InodeId> {
    const auto entry = TRY(client().names().lookup(kProgram, parent, name));
    if (entry.attr.inode() == 0) return Error(Errc::kNotFound, name);
    kernel_.told(InodeId{entry.attr.inode()}, entry.attr.size_bytes(), asked);
    return InodeId{entry.attr.inode()};
  });
}

Result<SimMount::Place> SimMount::place_of(const std::string& path) {
  Place place{kRootInode, path};
  for (;;) {
    const auto slash = place.name.find('/');
    if (slash == std::string::npos) return place;
    place.parent = TRY(look_up(place.parent, place.name.substr(0, slash)));
    place.name.erase(0, slash + 1);
  }
}

Result<InodeId> SimMount::walk(const std::string& path) {
  if (path.empty()) return kRootInode;
  const Place place = TRY(place_of(path));
  return look_up(place.parent, place.name);
}

Result<std::uint64_t> SimMount::create(const std::string& path, int flags) {
  const Place place = TRY(place_of(path));
  client::NewNode node;
  node.name = place.name;
  node.mode = S_IFREG | 0644;
  client::InodePtr made;
  const auto turn = names_.take();
  const auto asked = kernel_.now();
  return run([&]() -> Result<std::uint64_t> {
    const auto created = TRY(client().descriptors().create(kProgram, place.parent, node, flags | O_CREAT, made));
    kernel_.told(InodeId{created.entry.attr.inode()}, created.entry.attr.size_bytes(), asked);
    return created.open.handle;
  });
}

Status SimMount::make_directory(const std::string& path) {
  const Place place = TRY(place_of(path));
  client::NewNode node;
  node.name = place.name;
  node.mode = S_IFDIR | 0755;
  const auto turn = names_.take();
  return run([&]() -> Status {
    TRY(client().names().make(kProgram, place.parent, node));
    return {};
  });
}

Status SimMount::unlink(const std::string& path) {
  const Place place = TRY(place_of(path));
  const auto turn = names_.take();
  return run([&] { return client().names().remove(kProgram, place.parent, place.name, false); });
}

Status SimMount::rename(const std::string& from, const std::string& to) {
  const Place source = TRY(place_of(from));
  const Place target = TRY(place_of(to));
  client::Names::Rename request{source.parent, source.name, target.parent, target.name};
  const auto turn = names_.take();
  return run([&] { return client().names().rename(kProgram, request); });
}

Status SimMount::sync_directory(const std::string& path) {
  const InodeId inode = TRY(walk(path));
  return run([&] { return client().listings().sync(inode); });
}

Result<std::vector<std::string>> SimMount::list(const std::string& path) {
  const InodeId inode = TRY(walk(path));
  const auto opened = TRY(run([&] { return client().listings().open(kProgram, inode); }));
  std::vector<std::string> names;
  const Status listed = [&]() -> Status {
    for (std::uint64_t offset = 0;;) {
      const std::size_t before = names.size();
      const std::uint64_t from = offset;
      TRY(run([&] {
        names.resize(before);
        offset = from;
        return client().listings().list(kProgram, opened.handle, from, false, [&](const client::ListedEntry& entry) {
          offset = entry.next;
          names.emplace_back(entry.name);
          return true;
        });
      }));
      if (names.size() == before) return {};
    }
  }();
  client().listings().release(opened.handle);
  TRY(listed);
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  return names;
}

// --- Attributes and bytes.

Result<dir::v1::Attr> SimMount::stat(const std::string& path) {
  return attributes(TRY(walk(path)));
}

Status SimMount::truncate(const std::string& path, std::uint64_t size) { return resize(TRY(walk(path)), size, {}); }

Status SimMount::truncate(std::uint64_t handle, std::uint64_t size) { return resize(inode_at(handle), size, handle); }

Status SimMount::resize(InodeId inode, std::uint64_t size, std::optional<std::uint64_t> handle) {
  client::AttrChange change;
  change.size = size;
  const auto turn = bytes_.take(raw(inode));
  return run([&]() -> Status {
    const auto changed = TRY(client().attributes().change(kProgram, inode, change, handle));
    kernel_.set(inode, changed.attr.size_bytes());
    return {};
  });
}

Status SimMount::write_page(std::uint64_t handle, std::uint64_t page_era, std::uint64_t offset, ByteView bytes) {
  return run([&]() -> Status {
    TRY(client().descriptors().write(kProgram, handle, inode_at(handle),
                   {.offset = offset, .bytes = bytes, .from_page_cache = true, .page_era = page_era}));
    return {};
  });
}

Result<std::uint64_t> SimMount::open(const std::string& path, int flags) {
  const InodeId inode = TRY(walk(path));
  const auto handle = TRY(run([&]() -> Result<std::uint64_t> { return TRY(client().descriptors().open(kProgram, inode, flags)).handle; }));
  if ((flags & O_TRUNC) != 0) kernel_.set(inode, 0);
  return handle;
}

void SimMount::close(std::uint64_t handle) { client().descriptors().release(handle, std::nullopt); }

InodeId SimMount::inode_at(std::uint64_t handle) {
  const auto file = opens().find(handle);
  return file ? file->inode->id : kNoInode;
}

Turns::Turn SimMount::turn_at(std::uint64_t handle) { return bytes_.take(raw(inode_at(handle))); }

Result<std::size_t> SimMount::write(std::uint64_t handle, std::uint64_t offset, ByteView bytes) {
  const auto turn = turn_at(handle);
  const auto written = TRY(run([&] { return client().descriptors().write(kProgram, handle, kNoInode, {offset, bytes, false}); }));
  kernel_.reaches(inode_at(handle), offset + written);
  return written;
}

Result<std::size_t> SimMount::append(std::uint64_t handle, ByteView bytes) {
  const auto turn = turn_at(handle);
  const InodeId inode = inode_at(handle);
  const std::uint64_t offset = kernel_.size(inode);   // as far as it knows; the mount knows better
  const client::WriteRequest request{.offset = offset, .bytes = bytes, .append = true};
  const auto written = TRY(run([&] { return client().descriptors().write(kProgram, handle, kNoInode, request); }));
  kernel_.reaches(inode, offset + written);
  return written;
}

Result<dir::v1::Attr> SimMount::attributes(InodeId inode) {
  const auto asked = kernel_.now();
  return run([&]() -> Result<dir::v1::Attr> {
    const auto answer = TRY(client().attributes().get(kProgram, inode));
    kernel_.told(inode, answer.attr.size_bytes(), asked);
    return answer.attr;
  });
}

// As fs/fuse/file.c, fuse_cache_read_iter: who reads behind the end as the kernel knows it asks first, and ends there.
Result<std::string> SimMount::read(std::uint64_t handle, std::uint64_t offset, std::uint64_t length) {
  const InodeId inode = inode_at(handle);
  const bool cached = !appends_to(handle);
  if (cached && offset + length > kernel_.size(inode)) TRY(attributes(inode));
  if (cached) length = std::min(length, kernel_.size(inode) - std::min(offset, kernel_.size(inode)));
  if (length == 0) return std::string();
  const client::ReadRequest request{offset, length, 1};  // with an owner: read(2), and no page cache that reads ahead
  const auto asked = kernel_.now();
  return run([&]() -> Result<std::string> {
    auto bytes = string_of(TRY(client().descriptors().read(kProgram, handle, request)).content());
    if (cached && bytes.size() < length) kernel_.ends_at(inode, offset + bytes.size(), asked);
    return bytes;
  });
}

Status SimMount::fsync(std::uint64_t handle) {
  return run([&] { return client().descriptors().sync(handle); });
}

Status SimMount::lock(const client::LockRequest& request, MonoTime interrupt) {
  client::FileLocks::Call call;
  for (;;) {
    Status done = client().locks().set(request, call);
    if (done) return done;
    const Error error = client().leases().await_session(done.error());
    if (error.code != Errc::kPending) return done;
    if (wait_for(error.key, interrupt)) continue;
    return client().locks().cancel(request, call) ? Status(Errc::kInterrupted) : Status();
  }
}

Status SimMount::allocate(std::uint64_t handle, const client::AllocateRequest& request) {
  const auto turn = turn_at(handle);
  TRY(run([&] { return client().descriptors().allocate(kProgram, handle, request); }));
  if (!request.keep_size) kernel_.reaches(inode_at(handle), request.range.end);
  return {};
}

}  // namespace conclave::sim
