// Random operations against a model: a tree of nodes in memory with the rules written a second time, as briefly as
// they can be. The caller is the superuser of a host, so that the rules are those of objects, not of permissions.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

struct ModelNode {
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
  unsigned names = 0;                            // of files: how many
  std::uint64_t parent = 0;                      // of directories
  std::map<std::string, std::uint64_t> entries;  // of directories
  std::map<std::string, std::string> xattrs;
};
using Code = std::optional<Errc>;

class Model {
 public:
  Model() { nodes_[1] = {S_IFDIR | 0755, 0, 0, 1, {}, {}}; }
  std::map<std::uint64_t, ModelNode>& nodes() { return nodes_; }
  [[nodiscard]] bool is_dir(std::uint64_t id) const { return S_ISDIR(nodes_.at(id).mode); }

  Code create(std::uint64_t dir, const std::string& name, std::uint32_t mode, std::uint64_t id) {
    if (const Code bad = usable(dir)) return bad;
    if (nodes_[dir].entries.contains(name)) return Errc::kExists;
    if (id == 0) return std::nullopt;
    nodes_[dir].entries[name] = id;
    nodes_[id] = {S_ISLNK(mode) ? S_IFLNK | 0777u : mode, S_ISLNK(mode) ? 6u : 0u, 1, S_ISDIR(mode) ? dir : 0, {}, {}};
    return std::nullopt;
  }
  Code link(std::uint64_t id, std::uint64_t dir, const std::string& name) {
    if (const Code bad = usable(dir)) return bad;
    if (nodes_[dir].entries.contains(name)) return Errc::kExists;
    if (is_dir(id)) return Errc::kNotPermitted;
    if (nodes_[id].names == 0) return Errc::kNotFound;
    nodes_[dir].entries[name] = id;
    ++nodes_[id].names;
    return std::nullopt;
  }
  Code remove(std::uint64_t dir, const std::string& name, bool directory) {
    if (const Code bad = usable(dir)) return bad;
    if (!nodes_[dir].entries.contains(name)) return Errc::kNotFound;
    const auto id = nodes_[dir].entries[name];
    if (const Code bad = replaceable(id, directory)) return bad;
    nodes_[dir].entries.erase(name);
    nodes_[id].names = is_dir(id) ? 0 : nodes_[id].names - 1;
    return std::nullopt;
  }
  Code rename(std::uint64_t from, const std::string& from_name, std::uint64_t to, const std::string& to_name,
              bool exchange, bool no_replace) {
    if (const Code bad = usable(from)) return bad;
    if (const Code bad = usable(to)) return bad;
    if (!nodes_[from].entries.contains(from_name)) return Errc::kNotFound;
    const auto moved = nodes_[from].entries[from_name];
    const bool there = nodes_[to].entries.contains(to_name);
    const auto victim = there ? nodes_[to].entries[to_name] : 0;
    if (there && no_replace) return Errc::kExists;
    if (!there && exchange) return Errc::kNotFound;
    if (is_above(moved, to)) return Errc::kInvalid;
    if (there && is_above(victim, from)) return exchange ? Errc::kInvalid : Errc::kNotEmpty;
    if (moved == victim) return std::nullopt;
    if (there && !exchange) {
      if (const Code bad = replaceable(victim, is_dir(moved))) return bad;
      nodes_[victim].names = is_dir(victim) ? 0 : nodes_[victim].names - 1;
    }
    nodes_[from].entries.erase(from_name);
    nodes_[to].entries[to_name] = moved;
    if (exchange) nodes_[from].entries[from_name] = victim;
    if (is_dir(moved)) nodes_[moved].parent = to;
    if (exchange && is_dir(victim)) nodes_[victim].parent = from;
    return std::nullopt;
  }
  [[nodiscard]] unsigned nlink(std::uint64_t id) const {
    if (!is_dir(id)) return nodes_.at(id).names;
    if (nodes_.at(id).names == 0 && id != 1) return 0;
    unsigned out = 2;
    for (const auto& [name, child] : nodes_.at(id).entries) out += is_dir(child) ? 1 : 0;
    return out;
  }

 private:
  Code usable(std::uint64_t dir) {
    if (!is_dir(dir)) return Errc::kNotDirectory;
    return dir != 1 && nodes_[dir].names == 0 ? Code(Errc::kNotFound) : std::nullopt;
  }
  Code replaceable(std::uint64_t victim, bool as_directory) {
    if (as_directory && !is_dir(victim)) return Errc::kNotDirectory;
    if (!as_directory && is_dir(victim)) return Errc::kIsDirectory;
    return as_directory && !nodes_[victim].entries.empty() ? Code(Errc::kNotEmpty) : std::nullopt;
  }
  bool is_above(std::uint64_t id, std::uint64_t dir) {
    for (; is_dir(id) && dir != 1; dir = nodes_[dir].parent) {
      if (dir == id) return true;
    }
    return false;
  }
  std::map<std::uint64_t, ModelNode> nodes_;
};

class Game {
 public:
  explicit Game(std::uint64_t seed) : random_(seed), world_(files_), host_(host_session(world_)) {
    for (const char* name : {"secrets", "sensors", "chat"}) EXPECT_TRUE(host_.remove(1, name, true));
  }
  void play(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      if (i % 97 == 0) world_.start();
    }
    compare();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  std::uint64_t any() { return std::next(model_.nodes().begin(), static_cast<std::ptrdiff_t>(pick(model_.nodes().size())))->first; }
  std::uint64_t dir() {
    for (int i = 0; i < 20; ++i) {
      const auto id = any();
      if (model_.is_dir(id)) return id;
    }
    return 1;
  }
  std::string name() { return std::string(1, static_cast<char>('a' + pick(6))); }

  void step() {
    const auto what = pick(100);
    if (what < 35) return create();
    if (what < 50) return expect("rename", [&](auto from, auto f, auto to, auto t, bool x, bool n) {
      return std::pair(code_of(host_.rename(from, f, to, t, x, n)), model_.rename(from, f, to, t, x, n));
    });
    if (what < 75) return remove();
    if (what < 85) return link();
    if (what < 93) return set_attr();
    xattr();
  }
  template <class Body>
  void expect(const char* what, Body body) {
    const auto from = dir(), to = dir();
    const auto f = name(), t = name();
    const bool exchange = pick(5) == 0, no_replace = !exchange && pick(5) == 0;
    const auto [real, wanted] = body(from, f, to, t, exchange, no_replace);
    EXPECT_EQ(real, wanted) << what << " " << from << "/" << f << " " << to << "/" << t << " " << exchange << no_replace;
  }
  void create() {
    constexpr std::uint32_t kModes[] = {S_IFREG | 0644, S_IFDIR | 0755, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO | 0600};
    const auto parent = dir();
    const auto n = name();
    const auto mode = kModes[pick(5)];
    const auto made = host_.create(parent, n, mode);
    EXPECT_EQ(code_of(made), model_.create(parent, n, mode, made ? made->entry().attr().inode() : 0)) << parent << "/" << n;
  }
  void remove() {
    const auto parent = dir();
    const auto n = name();
    const bool directory = pick(2) == 0;
    EXPECT_EQ(code_of(host_.remove(parent, n, directory)), model_.remove(parent, n, directory)) << parent << "/" << n;
  }
  void link() {
    const auto id = any(), parent = dir();
    const auto n = name();
    EXPECT_EQ(code_of(host_.link(id, parent, n)), model_.link(id, parent, n)) << id << " " << parent << "/" << n;
  }
  void set_attr() {
    const auto id = any();
    ModelNode& node = model_.nodes()[id];
    if (S_ISREG(node.mode) && pick(2) == 0) {
      node.size = pick(1ull << 40);
      EXPECT_TRUE(host_.truncate(id, node.size));
    } else {
      node.mode = (node.mode & S_IFMT) | static_cast<std::uint32_t>(pick(01000));
      EXPECT_TRUE(host_.chmod(id, node.mode));
    }
  }
  void xattr() {
    const auto id = any();
    ModelNode& node = model_.nodes()[id];
    if (!S_ISREG(node.mode) && !S_ISDIR(node.mode)) return;
    const std::string key = "user." + name();
    if (pick(2) == 0) {
      node.xattrs[key] = std::to_string(pick(1000));
      EXPECT_TRUE(host_.set_xattr(id, key, node.xattrs[key]));
    } else {
      EXPECT_EQ(host_.remove_xattr(id, key).has_value(), node.xattrs.erase(key) == 1);
    }
  }
  void compare() {
    for (auto& [id, node] : model_.nodes()) {
      const auto attr = host_.attr(id);
      ASSERT_TRUE(attr) << id;
      EXPECT_EQ(attr->mode(), node.mode) << id;
      EXPECT_EQ(attr->nlink(), model_.nlink(id)) << id;
      EXPECT_EQ(attr->xattrs(), node.xattrs.size()) << id;
      if (!S_ISDIR(node.mode)) {
        EXPECT_EQ(attr->size_bytes(), node.size) << id;
      }
      for (const auto& [key, value] : node.xattrs) EXPECT_EQ(*host_.get_xattr(id, key), value);
      if (S_ISDIR(node.mode)) compare_names(id, node);
    }
    std::size_t orphans = 0;
    for (auto& [id, node] : model_.nodes()) orphans += model_.nlink(id) == 0 ? 1 : 0;
    EXPECT_EQ(world_.store().figures().counts.orphans, orphans + 3);
    EXPECT_EQ(world_.store().figures().counts.inodes, model_.nodes().size() + 3);
  }
  void compare_names(std::uint64_t id, const ModelNode& node) {
    std::map<std::string, std::uint64_t> listed;
    std::uint64_t after = 0;
    while (true) {
      const auto page = *host_.list(id, after, 2);
      for (const auto& one : page.entries()) {
        EXPECT_TRUE(listed.emplace(one.name(), one.inode()).second) << one.name();
        EXPECT_EQ(one.type(), model_.nodes()[one.inode()].mode & S_IFMT);
        after = one.cookie();
      }
      if (page.end()) break;
    }
    EXPECT_EQ(listed, node.entries) << id;
    if (id == 1 || node.names == 0) return;
    EXPECT_EQ(host_.look(id, "..")->attr().inode(), node.parent);
  }

  std::mt19937_64 random_;
  sim::SimFiles files_;
  DirWorld world_;
  DirSession host_;
  Model model_;
};

TEST(DirModel, RandomOperationsDoWhatTheModelDoes) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Game(seed).play(600);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace conclave::dir
