#include "client/bytes/write_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace conclave::client {
namespace {

constexpr std::uint64_t kUnit = WriteBuffer::kUnit;

std::string text(std::size_t size, char c) { return std::string(size, c); }

std::string overlaid(const WriteBuffer& buffer, std::uint64_t offset, std::string below) {
  buffer.overlay(offset, {reinterpret_cast<std::uint8_t*>(below.data()), below.size()});
  return below;
}

constexpr ServerId kMaster{1};
Landing at_boot(std::uint64_t boot) { return {ChunkId{5}, file::MemberStarts({{kMaster, boot}})}; }

TEST(WriteBuffer, NeighbouringWritesBecomeOnePiece) {
  WriteBuffer buffer;
  for (std::uint64_t i = 0; i < 256; ++i) buffer.write(i * 4096, view_of(text(4096, 'a')));
  EXPECT_TRUE(buffer.has_whole_unit());
  const auto flying = buffer.take(true);
  ASSERT_TRUE(flying);
  EXPECT_EQ(flying->offset, 0u);
  EXPECT_EQ(flying->piece.length, kUnit);
  EXPECT_FALSE(buffer.dirty());
}

TEST(WriteBuffer, NoPieceCrossesAUnit) {
  WriteBuffer buffer;
  buffer.write(kUnit - 3, view_of(text(10, 'a')));
  const auto one = buffer.take();
  const auto two = buffer.take();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->offset + one->piece.length, kUnit);
  EXPECT_EQ(two->offset, kUnit);
  EXPECT_FALSE(buffer.take());
}

TEST(WriteBuffer, WhatIsFlyingIsNotOvertaken) {
  WriteBuffer buffer;
  buffer.write(0, view_of("old"));
  const auto first = buffer.take();
  buffer.write(1, view_of("new"));
  EXPECT_FALSE(buffer.take()) << "two requests for the same bytes could be applied in either order";
  EXPECT_EQ(overlaid(buffer, 0, "....."), "onew.");
  EXPECT_TRUE(buffer.answered(first->id, at_boot(1)));
  const auto second = buffer.take();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offset, 1u);
}

TEST(WriteBuffer, AFailedPieceDoesNotHideNewerBytes) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  const auto flight = buffer.take();
  buffer.write(1, view_of("bb"));
  buffer.failed(flight->id);
  EXPECT_EQ(overlaid(buffer, 0, "...."), "abba");
  EXPECT_EQ(buffer.dirty_bytes(), 4u);
}

TEST(WriteBuffer, WhatWasOnItsWayWhenAllWasGivenUpSaysNothingOfWhatIsWrittenAfter) {
  WriteBuffer buffer;
  buffer.write(0, view_of("old"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(1)));
  const auto commit = buffer.covered();
  buffer.write(8, view_of("old"));
  const auto flight = buffer.take();
  buffer.clear();
  buffer.write(0, view_of("new"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(1)));
  buffer.write(8, view_of("new"));
  buffer.committed(commit);
  EXPECT_FALSE(buffer.failed(flight->id));
  EXPECT_EQ(buffer.held_bytes(), 6u);
  EXPECT_TRUE(buffer.uncommitted());
  EXPECT_EQ(overlaid(buffer, 0, "..........."), "new.....new");
}

TEST(WriteBuffer, WhatIsAsideIsReadAndNotSentAndComesBackWhereNothingNewerLies) {
  WriteBuffer buffer;
  buffer.write(0, view_of("sent"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(1)));
  buffer.write(4, view_of("dirty"));
  buffer.write(2, view_of("x"));
  const std::size_t held = buffer.held_bytes();
  buffer.set_aside({1, 8});
  EXPECT_EQ(overlaid(buffer, 0, "........."), "sextdirty");
  EXPECT_EQ(buffer.gaps({0, 9}), std::vector<ByteRange>());
  EXPECT_EQ(buffer.stable_size(9, 0), 1u) << "no size covers what is aside";
  EXPECT_EQ(buffer.held_bytes(), held - 1) << "what was sent and lies below newer bytes";
  const auto flight = buffer.take();
  ASSERT_TRUE(flight);
  EXPECT_EQ(flight->offset, 8u);
  EXPECT_FALSE(buffer.take());
  EXPECT_TRUE(buffer.answered(flight->id, at_boot(1)));
  buffer.write(6, view_of("new"));
  buffer.settle_aside(false);
  EXPECT_EQ(overlaid(buffer, 0, "........."), "sextdinew");
  buffer.set_aside({4, 9});
  buffer.settle_aside(true);
  EXPECT_EQ(overlaid(buffer, 0, "........."), "sext.....");
  EXPECT_EQ(buffer.held_bytes(), 4u);
}

TEST(WriteBuffer, SentBytesStayUntilCommitted) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  const auto covered = buffer.covered();
  EXPECT_EQ(covered.landings, (WriteBuffer::Landings{{0, at_boot(7)}}));
  buffer.write(8, view_of("bb"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  buffer.committed(covered);
  EXPECT_EQ(buffer.held_bytes(), 2u) << "what was answered after the commit began is not covered by it";
  EXPECT_TRUE(buffer.uncommitted());
  buffer.committed(buffer.covered());
  EXPECT_EQ(buffer.held_bytes(), 0u);
  EXPECT_FALSE(buffer.uncommitted());
}

TEST(WriteBuffer, ARestartSeenByAWriteSendsTheChunkAgain) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  buffer.write(kChunkBytes, view_of("cccc"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(9)));
  buffer.write(10, view_of("bb"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(8)));
  const auto again = buffer.take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->offset, 0u);
  EXPECT_FALSE(buffer.take()) << "the other chunk's server did not restart";
}

TEST(WriteBuffer, ARestartSeenByTheCommitSendsWhatItCovers) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  buffer.write(1, view_of("b"));
  EXPECT_TRUE(buffer.restarted(buffer.covered()));
  EXPECT_EQ(overlaid(buffer, 0, "...."), "abaa");
  EXPECT_EQ(buffer.dirty_bytes(), 4u);
}

TEST(WriteBuffer, ARestartAfterLettingGoIsReported) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  buffer.let_go();
  EXPECT_EQ(buffer.held_bytes(), 0u);
  EXPECT_EQ(buffer.covered().landings.size(), 1u) << "fsync must still cover it";
  EXPECT_FALSE(buffer.restarted(buffer.covered()));
}

TEST(WriteBuffer, AnotherChunkInTheSamePlaceIsNoRestart) {
  WriteBuffer buffer;
  buffer.write(0, view_of("aaaa"));
  EXPECT_TRUE(buffer.answered(buffer.take()->id, at_boot(7)));
  buffer.let_go();  // and another mount cuts the file and writes it anew
  buffer.write(0, view_of("bb"));
  const Landing other{ChunkId{6}, file::MemberStarts({{kMaster, 9}})};
  EXPECT_TRUE(buffer.answered(buffer.take()->id, other)) << "what the old chunk held was cut off, not lost";
  EXPECT_FALSE(buffer.dirty());
  EXPECT_EQ(buffer.covered().landings, (WriteBuffer::Landings{{0, other}}));
  EXPECT_TRUE(buffer.restarted(buffer.covered())) << "the new chunk's bytes are all here";
  EXPECT_EQ(buffer.dirty_bytes(), 2u);
}

// The replica that took the bytes answers as the new master, the same start as then: nothing is sent again, nothing lost.
TEST(WriteBuffer, AnotherMasterThatTookTheBytesIsNoRestart) {
  const Landing before{ChunkId{5}, file::MemberStarts({{ServerId{1}, 10}, {ServerId{2}, 20}})};
  const Landing promoted{ChunkId{5}, file::MemberStarts({{ServerId{2}, 20}})};
  const Landing restarted{ChunkId{5}, file::MemberStarts({{ServerId{2}, 21}})};
  for (const bool lost : {false, true}) {
    WriteBuffer buffer;
    buffer.write(0, view_of("first"));
    EXPECT_TRUE(buffer.answered(buffer.take()->id, before));
    buffer.let_go();
    buffer.write(5, view_of("second"));
    EXPECT_EQ(buffer.answered(buffer.take()->id, lost ? restarted : promoted), !lost);
    EXPECT_EQ(buffer.covered().landings, (WriteBuffer::Landings{{0, lost ? restarted : promoted}}));
  }
}

TEST(WriteBuffer, ACutIsCommittedAndARestartAfterItIsReported) {
  WriteBuffer buffer;
  EXPECT_TRUE(buffer.changed(3, at_boot(7)));
  EXPECT_TRUE(buffer.uncommitted()) << "fsync must cover it";
  EXPECT_EQ(buffer.covered().landings, (WriteBuffer::Landings{{3, at_boot(7)}}));
  EXPECT_FALSE(buffer.changed(3, at_boot(8))) << "the first cut may be undone";
  EXPECT_FALSE(buffer.restarted(buffer.covered()));
  EXPECT_FALSE(buffer.uncommitted());
  EXPECT_TRUE(buffer.changed(3, at_boot(8)));
  buffer.committed(buffer.covered());
  EXPECT_FALSE(buffer.uncommitted());
}

TEST(WriteBuffer, StableSizeStopsBeforeTheFirstUnsentByte) {
  WriteBuffer buffer;
  buffer.write(0, view_of(text(100, 'a')));
  EXPECT_EQ(buffer.stable_size(100, 0), 0u);
  EXPECT_EQ(buffer.stable_size(100, 40), 40u) << "D knows of 40 bytes already";
  EXPECT_EQ(buffer.stable_size(500, 200), 500u) << "an overwrite below the committed size does not count";
  const auto flight = buffer.take();
  EXPECT_EQ(buffer.stable_size(100, 0), 0u);
  EXPECT_TRUE(buffer.answered(flight->id, at_boot(1)));
  EXPECT_EQ(buffer.stable_size(100, 0), 100u);
}

// A file of bytes at two "servers' disks" beside what the program wrote: after everything has flown, the server has
// what the program wrote, and at every moment a read through the buffer gives the program's bytes.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed), truth_(kSize, '\0'), kernel_(kSize, '\0'), disk_(kSize, '\0') {
    other_.write(0, view_of("another file's"));
  }

  void step() {
    switch (random_() % 13) {
      case 0: case 1: case 2: case 3: write(); break;
      case 4: case 5: take(); break;
      case 6: case 7: land(true); break;
      case 8: land(false); break;
      case 9: cut(); break;
      case 10: commit(); break;
      case 11: if (random_() % 4 == 0) restart(); break;
      case 12: put_aside_and_back(); break;
    }
    check();
    check_account();
  }
  void finish() {
    for (int i = 0; i < 1000 && (buffer_.dirty() || buffer_.flying() || buffer_.uncommitted()); ++i) {
      while (take()) {}
      while (!flights_.empty()) land(true);
      if (!buffer_.dirty()) commit();
    }
    EXPECT_EQ(disk_, truth_) << "what was committed is on the disk";
    EXPECT_EQ(buffer_.held_bytes(), 0u);
    check_account();
    buffer_.write(kBase, view_of("given up"));
    buffer_.take();
    buffer_.write(kBase, view_of("given up"));
    check_account();
    buffer_.clear();
    EXPECT_EQ(buffer_.held_bytes(), 0u);
    check_account();
  }

 private:
  static constexpr std::size_t kSize = 3000;
  static constexpr std::uint64_t kBase = kUnit - 1500;  // across the border of two units

  ByteRange any_range() {
    const std::uint64_t from = random_() % kSize;
    return {from, from + 1 + random_() % std::min<std::uint64_t>(400, kSize - from)};
  }
  void write() {
    const ByteRange range = any_range();
    const std::string bytes = text(range.length(), static_cast<char>('a' + random_() % 26));
    truth_.replace(range.begin, range.length(), bytes);
    buffer_.write(kBase + range.begin, view_of(bytes));
  }
  bool take() {
    auto flight = buffer_.take();
    if (flight) flights_.push_back(*flight);
    return flight.has_value();
  }
  void land(bool arrives) {
    if (flights_.empty()) return;
    const auto at = flights_.begin() + static_cast<std::ptrdiff_t>(random_() % flights_.size());
    const auto flight = *at;
    flights_.erase(at);
    if (arrives || random_() % 2 == 0) {  // a failure may be a lost answer
      kernel_.replace(flight.offset - kBase, flight.piece.length, text_of(flight.piece.view()));
    }
    if (arrives) {
      EXPECT_TRUE(buffer_.answered(flight.id, at_boot(boot_)));
    } else {
      buffer_.failed(flight.id);
    }
  }
  void cut() {
    const ByteRange range = any_range();
    const ByteRange in_file{kBase + range.begin, kBase + range.end};
    if (buffer_.flying_in(in_file)) return;
    buffer_.discard(in_file);
    truth_.replace(range.begin, range.length(), text(range.length(), '\0'));
    kernel_.replace(range.begin, range.length(), text(range.length(), '\0'));
    disk_.replace(range.begin, range.length(), text(range.length(), '\0'));
  }
  void commit() {
    const auto covered = buffer_.covered();
    if (covered.landings.empty()) return;
    if (covered.landings.begin()->second.starts.boot_of(kMaster) != boot_) {
      EXPECT_TRUE(buffer_.restarted(covered));
      return;
    }
    disk_ = kernel_;
    buffer_.committed(covered);
  }
  void put_aside_and_back() {
    const ByteRange range = any_range();
    const ByteRange in_file{kBase + range.begin, kBase + range.end};
    if (buffer_.flying_in(in_file)) return;
    buffer_.set_aside(in_file);
    check();
    check_account();
    buffer_.settle_aside(false);
  }
  // The account has what its buffers hold, always.
  void check_account() {
    EXPECT_EQ(all_->now(), buffer_.held_bytes() + other_.held_bytes());
    EXPECT_GE(buffer_.held_bytes(), buffer_.dirty_bytes());
  }
  void restart() {  // the server loses what its disk does not have
    ++boot_;
    kernel_ = disk_;
  }
  void check() {
    std::string seen = kernel_;
    for (const ByteRange& gap : buffer_.gaps({kBase, kBase + kSize})) {
      for (std::uint64_t i = gap.begin; i < gap.end; ++i) ASSERT_EQ(kernel_[i - kBase], truth_[i - kBase]) << i;
    }
    buffer_.overlay(kBase, {reinterpret_cast<std::uint8_t*>(seen.data()), seen.size()});
    ASSERT_EQ(seen, truth_);
  }

  std::mt19937_64 random_;
  const std::shared_ptr<HeldBytes> all_ = std::make_shared<HeldBytes>();
  WriteBuffer other_{all_};
  WriteBuffer buffer_{all_};
  std::vector<WriteBuffer::Flying> flights_;
  std::string truth_, kernel_, disk_;
  std::uint64_t boot_ = 1;
};

// A piece that is cut while it flies, or that newer bytes take the place of, makes the buffer smaller.
TEST(WriteBuffer, TheAccountOfAMountHasWhatItsBuffersHold) {
  const auto all = std::make_shared<HeldBytes>();
  {
    WriteBuffer one(all), two(all);
    two.write(0, view_of("two"));
    for (int i = 0; i < 3; ++i) {
      one.write(0, view_of("0123456789"));
      EXPECT_TRUE(one.answered(one.take()->id, at_boot(1)));
      EXPECT_EQ(all->now(), 13u) << "what was sent before is held no more";
    }
    one.discard({4, 8});
    EXPECT_EQ(all->now(), 9u);
    one.let_go();
    EXPECT_EQ(all->now(), 3u);
    one.write(0, view_of("gone"));
  }
  EXPECT_EQ(all->now(), 0u);
}

TEST(WriteBuffer, RandomOperationsMatchAByteArray) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) model.step();
    model.finish();
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
}

}  // namespace
}  // namespace conclave::client
