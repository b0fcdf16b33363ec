#include "base/canonical.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

Bytes sample() {
  CanonicalWriter out;
  out.u8(0x01).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f).raw(Bytes{0xaa, 0xbb}).lv("hi").lv("");
  return std::move(out).bytes();
}

TEST(Canonical, WritesTheDocumentedBytes) {
  EXPECT_EQ(to_hex(sample()), "01020304050607" "08090a0b0c0d0e0f" "aabb" "000000026869" "00000000");
}

TEST(Canonical, ReadsBackWhatItWrote) {
  const Bytes bytes = sample();
  CanonicalReader in(bytes);
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607u);
  EXPECT_EQ(in.u64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ((in.array<2>()), (std::array<std::uint8_t, 2>{0xaa, 0xbb}));
  EXPECT_EQ(in.text(2), "hi");
  EXPECT_EQ(in.text(0), "");
  EXPECT_EQ(in.left(), 0u);
  EXPECT_TRUE(in.finish("sample"));
}

Status read_sample(ByteView bytes) {
  CanonicalReader in(bytes);
  in.u8(), in.u16(), in.u32(), in.u64(), in.raw(2), in.lv(2), in.lv(2);
  return in.finish("sample");
}

TEST(Canonical, EveryTruncationAndEveryAdditionIsRefused) {
  Bytes bytes = sample();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(read_sample(ByteView(bytes).first(size)).error().code, Errc::kCorrupt) << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(read_sample(bytes).error().message, "sample: 1 bytes left over");
}

TEST(Canonical, AStringAboveItsLimitIsRefusedThoughItIsThere) {
  CanonicalWriter out;
  out.lv("four");
  CanonicalReader in(out.bytes());
  EXPECT_TRUE(in.lv(3).empty());
  EXPECT_TRUE(in.failed());
}

TEST(Canonical, ALengthBeyondTheInputReadsNothing) {
  CanonicalWriter out;
  out.u32(0xffffffff).u8(7);
  CanonicalReader in(out.bytes());
  EXPECT_TRUE(in.lv(0xffffffff).empty());
  EXPECT_EQ(in.u8(), 0);  // and nothing after the failure either
  EXPECT_FALSE(in.finish("sample"));
}

TEST(Canonical, ACountNeedsThatManyItemsLeft) {
  CanonicalWriter out;
  out.u32(3).raw(Bytes(12, 1));
  EXPECT_EQ(CanonicalReader(out.bytes()).count(3, 4), 3u);
  EXPECT_EQ(CanonicalReader(out.bytes()).count(2, 4), 0u);
  EXPECT_EQ(CanonicalReader(out.bytes()).count(3, 5), 0u);
}

TEST(Canonical, AFailureSetByTheCallerIsFinal) {
  CanonicalReader in({});
  in.fail();
  EXPECT_FALSE(in.finish("sample"));
}

}  // namespace
}  // namespace conclave
