#include "vault/tlog.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

// The example of golang.org/x/mod/sumdb/note, which the format was taken from.
TEST(SignedNote, MatchesThePublishedExample) {
  const Bytes typed = from_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").value();
  const SigningKey key = signing_key_of_seed(ByteView(typed).subspan(1));
  const std::string text =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n";
  const std::string note =
      text +
      "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
  EXPECT_EQ(verifier_key("PeterNeumann", key.public_key),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  EXPECT_EQ(sign_note(text, "PeterNeumann", key), note);
  EXPECT_EQ(*open_note(note, "PeterNeumann", key.public_key), text);
}

struct CheckpointTest : ::testing::Test {
  Cast cast;
  SigningKey key = make_signing_key(cast.random);
  Checkpoint checkpoint{"conclave/0102", 37, sha256(view_of("root"))};
  std::string note = sign_checkpoint(checkpoint, key);
  Errc open(std::string_view text) { return code_of(open_checkpoint(text, "conclave/0102", key.public_key)); }
};

TEST_F(CheckpointTest, RoundTrips) {
  EXPECT_TRUE(note.starts_with("conclave/0102\n37\n"));
  EXPECT_EQ(*open_checkpoint(note, "conclave/0102", key.public_key), checkpoint);
}

TEST_F(CheckpointTest, NoChangedCharacterIsAccepted) {
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string changed = note;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(open(changed), kDone) << i;
  }
  for (std::size_t size = 0; size < note.size(); ++size) EXPECT_NE(open(note.substr(0, size)), kDone) << size;
}

TEST_F(CheckpointTest, AnotherLogsIsRefused) {
  EXPECT_EQ(code_of(open_checkpoint(note, "conclave/0103", key.public_key)), Errc::kKeyRejected);
  EXPECT_EQ(code_of(open_checkpoint(note, "conclave/0102", make_signing_key(cast.random).public_key)),
            Errc::kKeyRejected);
}

TEST_F(CheckpointTest, OthersSignaturesArePassedOver) {
  const std::string witness = sign_checkpoint({"conclave/0102", 37, checkpoint.root}, make_signing_key(cast.random));
  const std::string line = witness.substr(witness.rfind("\n\n") + 2);
  EXPECT_EQ(open(note + line), kDone);
  EXPECT_EQ(open(note.substr(0, note.rfind("\n\n") + 2) + line), Errc::kKeyRejected);
  EXPECT_EQ(open(note + "not a signature\n"), Errc::kCorrupt);
}

TEST(TilePath, IsWrittenAsTheSpecificationSays) {
  EXPECT_EQ(path_of({}), "tile/0/000");
  EXPECT_EQ(path_of({.level = 1, .number = 67}), "tile/1/067");
  EXPECT_EQ(path_of({.number = 1234067}), "tile/0/x001/x234/067");
  EXPECT_EQ(path_of({.entries = true, .number = 273, .width = 112}), "tile/entries/273.p/112");
}

TEST(TilePath, RoundTrips) {
  for (const std::uint64_t number : {0ull, 1ull, 999ull, 1000ull, 999999ull, 1000000ull, 1234567890ull}) {
    for (const std::uint64_t width : {1ull, 255ull, 256ull}) {
      for (const TilePath& tile : {TilePath{true, 0, number, width}, TilePath{false, 3, number, width}}) {
        EXPECT_EQ(*parse_tile_path(path_of(tile)), tile) << path_of(tile);
      }
    }
  }
}

TEST(TilePath, AnythingElseIsRefused) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/0/000/",
                           "/tile/0/000",
                           "tile/64/000",
                           "tile/00/000",
                           "tile/-1/000",
                           "tile/x/000",
                           "tile/0/x000/000",
                           "tile/0/001/000",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/",
                           "tile/0/000.p/01",
                           "tile/0/../000",
                           "tile/0/x001/00a",
                           "tile/entries/000.p/1/",
                           "checkpoint",
                           "tile/0/999999999999999999999999"}) {
    EXPECT_EQ(code_of(parse_tile_path(path)), Errc::kInvalid) << path;
  }
}

TEST(Tiles, HoldTheHashesOfCompleteSubtrees) {
  MerkleTree tree;
  std::vector<Hash> leaves;
  for (int i = 0; i < 600; ++i) {
    leaves.push_back(leaf_hash(view_of(std::to_string(i))));
    tree.append(leaves.back());
  }
  const Bytes full = tile_content(tree, 600, {.number = 1}).value();
  ASSERT_EQ(full.size(), 256u * 32);
  EXPECT_TRUE(std::equal(leaves[256].begin(), leaves[256].end(), full.begin()));
  EXPECT_EQ(tile_content(tree, 600, {.number = 2, .width = 88})->size(), 88u * 32);
  const Bytes upper = tile_content(tree, 600, {.level = 1, .width = 2}).value();
  const Hash root = tree.root(256);
  EXPECT_TRUE(std::equal(root.begin(), root.end(), upper.begin()));
  for (const TilePath& missing :
       {TilePath{.number = 2}, TilePath{.number = 2, .width = 89}, TilePath{.number = 3, .width = 1},
        TilePath{.level = 1, .width = 3}, TilePath{.level = 2, .width = 1}, TilePath{.level = 63, .width = 1},
        TilePath{.number = ~0ull >> 8, .width = 1}}) {
    EXPECT_EQ(code_of(tile_content(tree, 600, missing)), Errc::kNotFound) << path_of(missing);
  }
}

TEST(Tiles, TheListNamesEachOnce) {
  std::vector<std::string> paths;
  for (const TilePath& tile : tiles_of(600)) paths.push_back(path_of(tile));
  EXPECT_EQ(paths, (std::vector<std::string>{"tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
                                             "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"}));
  EXPECT_TRUE(tiles_of(0).empty());
  EXPECT_EQ(tiles_of(256).size(), 3u);
}

TEST(Bundle, RoundTripsAndRefusesEveryTruncation) {
  const std::vector<Bytes> leaves = {{}, {1}, Bytes(300, 7)};
  const Bytes bundle = bundle_of(leaves);
  EXPECT_EQ(*parse_bundle(bundle, 3), leaves);
  EXPECT_EQ(lengths_accepted(bundle, [](ByteView bytes) { return parse_bundle(bytes, 3); }), 0u);
  EXPECT_FALSE(parse_bundle(bundle, 2));
  EXPECT_FALSE(parse_bundle(bundle, 4));
}

}  // namespace
}  // namespace conclave::vault
