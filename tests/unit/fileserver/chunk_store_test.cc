// The chunk store against an array of bytes: random changes, reopening, and power failures at every sync.
#include "fileserver/chunk_store.h"

#include <gtest/gtest.h>

#include "tests/support/sim_clock.h"
#include "tests/support/sim_files.h"
#include "tests/support/sim_random.h"

namespace conclave::file {
namespace {

constexpr ChunkId kChunk{42};

// A server's disk and what is made anew at each of its starts.
struct Fixture {
  explicit Fixture(std::uint64_t seed = 1) : files(seed), random(seed) {
    options.journal.segment_bytes = 1u << 20;
    options.reserve_bytes = 0;
    options.checkpoint_bytes = 256u << 10;
    options.most_pending_bytes = 512u << 10;
    options.most_cached_chunks = 4;
  }
  Status open() {
    store = nullptr;
    auto opened = ChunkStore::open({files, clock, waiter, random, log}, "/data", options);
    if (!opened) return opened.error();
    store = std::move(opened).value();
    return {};
  }
  Result<ChunkStore::Applied> change(OpKind kind, std::uint64_t offset, std::uint64_t length, const std::string& body,
                                     ChunkId chunk = kChunk) {
    ChunkOp op;
    op.kind = kind;
    op.chunk = chunk;
    op.inode = InodeId{7};
    op.chainver = 1;
    op.members = {ServerId{1}};
    op.offset = offset;
    op.length = length;
    return store->apply(op, view_of(body), BodySums::of(offset, view_of(body)));
  }
  Status write(std::uint64_t offset, const std::string& body, ChunkId chunk = kChunk) {
    auto applied = change(OpKind::kWrite, offset, 0, body, chunk);
    if (!applied) return applied.error();
    return {};
  }
  Result<std::string> read_all(ChunkId chunk = kChunk) {
    std::string out;
    for (;;) {
      auto piece = TRY(store->read(chunk, out.size(), kMaxIoBytes));
      EXPECT_EQ(piece.crc, crc32c(view_of(piece.bytes)));
      if (piece.bytes.empty()) return out;
      out += piece.bytes;
    }
  }

  sim::SimFiles files;
  sim::SimClock clock;
  SystemWaiter waiter;
  sim::SimRandom random;
  Log log{"test", LogLevel::kError};
  ChunkStore::Options options;
  std::unique_ptr<ChunkStore> store;
};

std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  sim::SimRandom random(seed);
  random.fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  for (char& byte : out) byte = static_cast<char>(byte | 1);   // zeros stand out
  return out;
}

// One random change, to the model and as what the store is asked.
struct Change {
  OpKind kind = OpKind::kWrite;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string body;
};

constexpr std::uint64_t kModelBytes = 400u << 10;

Change random_change(sim::SimRandom& random) {
  Change out;
  const std::uint64_t which = random.below(20);
  out.offset = random.below(kModelBytes);
  if (random.chance(0.5)) out.offset -= out.offset % kSectorBytes;
  if (which == 0) {
    out.kind = OpKind::kTruncate;
  } else if (which <= 2) {
    out.kind = OpKind::kZero;
    out.length = random.below(kModelBytes - out.offset + 1);
  } else {
    const std::uint64_t most = random.chance(0.6) ? 6000 : 200u << 10;
    std::uint64_t size = 1 + random.below(std::min(most, kModelBytes - out.offset));
    if (random.chance(0.5)) size = std::max<std::uint64_t>(size - size % kSectorBytes, 1);
    out.body = pattern(size, random.u64());
  }
  return out;
}

void apply_to(std::string& model, const Change& change) {
  switch (change.kind) {
    case OpKind::kTruncate: model.resize(change.offset); break;
    case OpKind::kZero:
      for (std::uint64_t i = change.offset; i < std::min<std::uint64_t>(change.offset + change.length, model.size()); ++i) {
        model[i] = 0;
      }
      break;
    default:
      if (model.size() < change.offset + change.body.size()) model.resize(change.offset + change.body.size());
      model.replace(change.offset, change.body.size(), change.body);
  }
}

TEST(ChunkStore, HoldsWhatAnArrayOfBytesHolds) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Fixture at(seed);
    ASSERT_TRUE(at.open());
    sim::SimRandom random(seed);
    std::string model;
    for (int i = 0; i < 250; ++i) {
      const Change change = random_change(random);
      auto applied = at.change(change.kind, change.offset, change.length, change.body);
      ASSERT_TRUE(applied) << applied.error().message;
      EXPECT_EQ(applied->op.sequence, static_cast<std::uint64_t>(i) + 1);
      apply_to(model, change);
      if (random.chance(0.05)) {
        ASSERT_TRUE(at.store->checkpoint());
      }
      if (random.chance(0.05)) {
        at.store = nullptr;
        at.files.kill_process();
        const Status opened = at.open();
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_EQ(at.store->counts.recovered_sectors, 0u);   // a killed process loses nothing
      }
      if (random.chance(0.1)) {
        auto all = at.read_all();
        ASSERT_TRUE(all) << all.error().message;
        ASSERT_TRUE(*all == model) << "seed " << seed << " change " << i;
      }
      const std::uint64_t offset = random.below(kModelBytes);
      auto piece = at.store->read(kChunk, offset, random.below(9000));
      ASSERT_TRUE(piece) << piece.error().message;
      EXPECT_EQ(piece->crc, crc32c(view_of(piece->bytes)));
      EXPECT_EQ(piece->bytes, offset < model.size() ? model.substr(offset, piece->bytes.size()) : "");
    }
    ASSERT_TRUE(*at.read_all() == model);
  }
}

// What may stand at each place after a power failure: what stood there when last synced, and everything since.
class Possible {
 public:
  void apply(const Change& change) {
    apply_to(now_, change);
    states_.push_back(now_);
  }
  void synced() { states_.assign(1, now_); }
  void settled_as(const std::string& found) {
    now_ = found;
    synced();
  }
  // Each byte is one that one of the states has there; behind a state's end that is a zero.
  [[nodiscard]] std::string wrong(const std::string& found) const {
    std::size_t least = SIZE_MAX;
    std::size_t most = 0;
    for (const auto& state : states_) {
      least = std::min(least, state.size());
      most = std::max(most, state.size());
    }
    if (found.size() < least || found.size() > most) return "length " + std::to_string(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      bool possible = i < now_.size() && now_[i] == found[i];   // nearly always
      if (possible) continue;
      for (const auto& state : states_) possible = possible || (i < state.size() ? state[i] : '\0') == found[i];
      if (!possible) return "byte " + std::to_string(i) + " of sector " + std::to_string(i / kSectorBytes);
    }
    return "";
  }

 private:
  std::string now_;
  std::vector<std::string> states_{""};
};

// Plays changes, syncs and checkpoints until the power goes off; true if it did.
bool play(Fixture& at, sim::SimRandom& random, Possible& possible, int changes) {
  for (int i = 0; i < changes; ++i) {
    const Change change = random_change(random);
    possible.apply(change);   // may be there from the moment it is asked
    if (!at.change(change.kind, change.offset, change.length, change.body)) return true;
    if (random.chance(0.2)) {
      if (!at.store->sync(std::array{kChunk})) return true;
      possible.synced();
    }
    if (random.chance(0.1) && !at.store->checkpoint()) return true;
  }
  return false;
}

TEST(ChunkStore, KeepsWhatWasSyncedThroughAPowerFailureAtEverySync) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    bool ran_out = false;
    for (std::uint64_t nth = 1; !ran_out; ++nth) {
      Fixture at(seed * 1000 + nth);
      ASSERT_TRUE(at.open());
      sim::SimRandom random(seed);
      Possible possible;
      at.files.cut_power_at_sync(nth);
      ran_out = !play(at, random, possible, 24);
      for (int again = 0; again < 3; ++again) {
        at.store = nullptr;
        at.files.crash();
        if (again == 1) at.files.cut_power_at_sync(1 + nth % 5);   // and again while it recovers
        const Status opened = at.open();
        if (!opened) {
          ASSERT_EQ(again, 1) << opened.error().message;
          continue;
        }
        auto found = at.read_all();
        if (!found && again == 1) continue;
        ASSERT_TRUE(found) << "seed " << seed << " sync " << nth << ": " << found.error().message;
        ASSERT_EQ(possible.wrong(*found), "") << "seed " << seed << " sync " << nth << " again " << again;
        possible.settled_as(*found);
        at.files.cut_power_at_sync(0);
        play(at, random, possible, 4);
      }
    }
  }
}

TEST(ChunkStore, LosesNothingToAKill) {
  Fixture at;
  ASSERT_TRUE(at.open());
  const std::string big = pattern(1u << 20, 1);
  ASSERT_TRUE(at.write(0, big));
  ASSERT_TRUE(at.write(100, "small"));
  at.store = nullptr;
  at.files.kill_process();
  ASSERT_TRUE(at.open());
  std::string expected = big;
  expected.replace(100, 5, "small");
  EXPECT_TRUE(*at.read_all() == expected);
  EXPECT_EQ(at.store->head(kChunk)->sequence, 2u);
}

TEST(ChunkStore, SyncsOnlyTheJournalForSmallWritesOfManyChunks) {
  Fixture at;
  ASSERT_TRUE(at.open());
  std::vector<ChunkId> chunks;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    chunks.push_back(ChunkId{i});
    ASSERT_TRUE(at.write(0, "hello", ChunkId{i}));
  }
  const std::uint64_t before = at.files.all_syncs();
  ASSERT_TRUE(at.store->sync(chunks));
  EXPECT_EQ(at.files.all_syncs(), before + 1);
  EXPECT_EQ(at.store->counts.chunks, 0u);
  at.store = nullptr;
  at.files.crash();
  ASSERT_TRUE(at.open());
  for (const ChunkId id : chunks) EXPECT_EQ(*at.read_all(id), "hello");
}

TEST(ChunkStore, RemovedChunksStayRemoved) {
  for (const bool checkpointed : {false, true}) {
    Fixture at;
    ASSERT_TRUE(at.open());
    ASSERT_TRUE(at.write(0, pattern(100000, 1)));
    ASSERT_TRUE(at.write(0, "other", ChunkId{43}));
    if (checkpointed) {
      ASSERT_TRUE(at.store->checkpoint());
    }
    ASSERT_TRUE(at.store->remove(std::array{kChunk, ChunkId{99}}));
    EXPECT_EQ(*at.read_all(), "");
    at.store = nullptr;
    at.files.crash();
    ASSERT_TRUE(at.open());
    EXPECT_EQ(*at.read_all(), "");
    EXPECT_EQ(at.store->head(kChunk)->sequence, 0u);
    EXPECT_FALSE(*at.files.exists(chunk_path("/data", kChunk)));
  }
}

TEST(ChunkStore, FindsEveryFlippedBitAndRepairsIt) {
  Fixture at;
  ASSERT_TRUE(at.open());
  const std::string content = pattern(300000, 5);
  ASSERT_TRUE(at.write(0, content));
  ASSERT_TRUE(at.store->checkpoint());
  sim::SimRandom random(3);
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t byte = random.below(content.size());
    at.files.flip_bit(chunk_path("/data", kChunk), ((256u << 10) + byte) * 8 + random.below(8));
    const auto block = static_cast<std::uint32_t>(byte / kBlockBytes);
    EXPECT_EQ(at.store->read(kChunk, byte, 1).error().code, Errc::kCorrupt);
    EXPECT_EQ(*at.store->bad_blocks(kChunk, 0, 5), std::vector{block});
    std::string good = content.substr(block * kBlockBytes, kBlockBytes);
    good.resize(kBlockBytes);
    std::string bad = good;
    bad[byte % kBlockBytes] = static_cast<char>(bad[byte % kBlockBytes] + 1);
    EXPECT_FALSE(*at.store->repair(kChunk, block, view_of(bad)));
    EXPECT_TRUE(*at.store->repair(kChunk, block, view_of(good)));
    EXPECT_TRUE(*at.read_all() == content);
  }
}

TEST(ChunkStore, DamageOfTheTableIsNeverTakenForHoles) {
  Fixture at;
  ASSERT_TRUE(at.open());
  ASSERT_TRUE(at.write(0, pattern(300000, 5)));
  ASSERT_TRUE(at.store->checkpoint());
  for (std::uint64_t byte : {0u, 13u, 30u, 200u, 400u}) {
    at.store = nullptr;
    at.files.kill_process();
    at.files.flip_bit(chunk_path("/data", kChunk), ((128u << 10) + byte) * 8);
    ASSERT_TRUE(at.open());
    EXPECT_EQ(at.store->read(kChunk, 0, 100).error().code, Errc::kCorrupt) << byte;
    at.files.flip_bit(chunk_path("/data", kChunk), ((128u << 10) + byte) * 8);
  }
}

// The slot before it is whole, and says what the chunk was an age ago.
TEST(ChunkStore, ADamagedNewestSlotIsNotTakenForATornOne) {
  constexpr std::uint64_t kSlotA = 0;   // of generation 2
  for (const bool changed_since : {false, true}) {
    for (const std::uint64_t byte : {40u, 70u, 100u}) {
      Fixture at;
      ASSERT_TRUE(at.open());
      for (const std::uint64_t offset : {0u, 3 * kSectorBytes}) {   // the first one's sector fits both tables
        ASSERT_TRUE(at.write(offset, "hello"));
        ASSERT_TRUE(at.store->checkpoint());
      }
      if (changed_since) {
        ASSERT_TRUE(at.write(2 * kSectorBytes, "in the journal"));
      }
      at.store = nullptr;
      at.files.kill_process();
      at.files.flip_bit(chunk_path("/data", kChunk), (kSlotA + byte) * 8);
      ASSERT_TRUE(at.open());
      const auto found = at.store->read(kChunk, 0, 100);
      ASSERT_FALSE(found) << byte << ": " << found->bytes;
      EXPECT_EQ(found.error().code, Errc::kCorrupt);
      EXPECT_EQ(at.write(0, "more").error().code, Errc::kCorrupt) << byte;
    }
  }
}

TEST(ChunkStore, AFullDiskRefusesWritesAndLosesNothing) {
  Fixture at;
  ASSERT_TRUE(at.open());
  at.files.set_capacity(4u << 20);
  std::map<std::uint64_t, std::string> written;
  bool refused = false;
  sim::SimRandom random(1);
  for (std::uint64_t i = 1; i < 300; ++i) {
    const std::string body = pattern(1 + random.below(100000), i);
    const Status status = at.write(0, body, ChunkId{i});
    if (status) {
      written[i] = body;
    } else {
      EXPECT_EQ(status.error().code, Errc::kNoSpace) << status.error().message;
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  for (int start = 0; start < 2; ++start) {
    for (const auto& [id, body] : written) ASSERT_TRUE(*at.read_all(ChunkId{id}) == body) << id;
    at.store = nullptr;
    at.files.kill_process();
    const Status opened = at.open();
    ASSERT_TRUE(opened) << opened.error().message;
  }
  ASSERT_TRUE(at.store->remove(std::array{ChunkId{written.begin()->first}}));
  at.files.set_capacity(64u << 20);
  EXPECT_TRUE(at.write(0, "again", ChunkId{1000}));
  EXPECT_TRUE(at.store->checkpoint());
}

// Each writes this chunk's slot and then fails at another's: what the last complete one wrote must stay.
TEST(ChunkStore, CheckpointsThatFailLoseNothing) {
  for (const int complete : {0, 1, 2}) {
    Fixture at;
    ASSERT_TRUE(at.open());
    std::string expected = pattern(3 * kSectorBytes, 1);
    ASSERT_TRUE(at.write(0, expected));
    for (int i = 0; i < complete; ++i) {
      ASSERT_TRUE(at.write(0, "x"));
      ASSERT_TRUE(at.store->checkpoint());
    }
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(at.write(0, std::to_string(i)));
      ASSERT_TRUE(at.write(0, "the disk is full for this one", ChunkId{43}));
      at.files.fail(sim::SimFiles::Call::kWrite, 3, Errc::kNoSpace);   // after sectors and slot of the first
      const Status done = at.store->checkpoint();
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().code, Errc::kNoSpace);
    }
    ASSERT_TRUE(at.write(0, "synced"));
    ASSERT_TRUE(at.store->sync(std::array{kChunk}));
    at.store = nullptr;
    at.files.kill_process();
    ASSERT_TRUE(at.open());
    expected.replace(0, 6, "synced");
    EXPECT_TRUE(*at.read_all() == expected) << complete;
    EXPECT_EQ(*at.read_all(ChunkId{43}), "the disk is full for this one");
  }
}

TEST(ChunkStore, AFailedSyncEndsTheDisk) {
  Fixture at;
  ASSERT_TRUE(at.open());
  ASSERT_TRUE(at.write(0, "hello"));
  at.files.fail(sim::SimFiles::Call::kSync, 1, Errc::kIo);
  EXPECT_EQ(at.store->sync(std::array{kChunk}).error().code, Errc::kIo);
  EXPECT_TRUE(at.store->failed());
  EXPECT_EQ(at.store->sync(std::array{kChunk}).error().code, Errc::kIo);   // the kernel would say that all is well
  EXPECT_EQ(at.write(0, "more").error().code, Errc::kIo);
  EXPECT_EQ(at.store->read(kChunk, 0, 5).error().code, Errc::kIo);
}

TEST(ChunkStore, TheBootLastsAsLongAsTheMachineRunsAndNothingWasLost) {
  Fixture at;
  at.options.machine_run = "first";
  ASSERT_TRUE(at.open());
  const std::uint64_t boot = at.store->boot();
  EXPECT_NE(boot, 0u);
  const auto after = [&at](const std::string& run) {
    at.store = nullptr;
    at.files.kill_process();
    at.options.machine_run = run;
    EXPECT_TRUE(at.open());
    return at.store->boot();
  };
  EXPECT_EQ(after("first"), boot);
  EXPECT_NE(after(""), boot) << "nobody knows which run it is";
  const std::uint64_t second = after("second");
  EXPECT_NE(second, boot);
  EXPECT_NE(after("first"), boot);
  const std::uint64_t third = after("third");
  at.store->lose_boot();
  const std::uint64_t lost = at.store->boot();
  EXPECT_NE(lost, third);
  const std::uint64_t next = after("third");
  EXPECT_NE(next, third);
  EXPECT_NE(next, lost);
  ASSERT_TRUE(at.write(0, "hello"));
  at.files.fail(sim::SimFiles::Call::kSync, 1, Errc::kIo);
  EXPECT_FALSE(at.store->sync(std::array{kChunk}));
  EXPECT_NE(after("third"), next) << "the kernel may have given up what it had not written";
}

TEST(ChunkStore, AFailedDirectWriteLeavesEveryBlockReadable) {
  Fixture at;
  ASSERT_TRUE(at.open());
  const std::string first = pattern(200u << 10, 1);
  ASSERT_TRUE(at.write(0, first));
  ASSERT_TRUE(at.store->checkpoint());
  const std::string second = pattern(200u << 10, 2);
  at.files.fail(sim::SimFiles::Call::kWrite, 2, Errc::kIo);   // the first is the kDirty record
  EXPECT_EQ(at.write(0, second).error().code, Errc::kIo);
  auto found = at.read_all();
  ASSERT_TRUE(found);
  for (std::size_t i = 0; i < first.size(); ++i) ASSERT_TRUE((*found)[i] == first[i] || (*found)[i] == second[i]);
}

TEST(ChunkStore, IsOpenOnceAtATime) {
  Fixture at;
  ASSERT_TRUE(at.open());
  auto second = ChunkStore::open({at.files, at.clock, at.waiter, at.random, at.log}, "/data", at.options);
  EXPECT_EQ(second.error().code, Errc::kBusy);
}

TEST(ChunkStore, KeepsLittleInMemory) {
  Fixture at;
  ASSERT_TRUE(at.open());
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    ASSERT_TRUE(at.write(0, pattern(3000, i), ChunkId{i}));
    ASSERT_LE(at.store->pending_bytes(), at.options.most_pending_bytes + kBlockBytes);
  }
  EXPECT_GT(at.store->counts.checkpoints, 3u);
  for (std::uint64_t i = 1; i <= 2000; i += 100) EXPECT_EQ(*at.read_all(ChunkId{i}), pattern(3000, i));
}

}  // namespace
}  // namespace conclave::file
