#include "cli/column_table.h"

#include <gtest/gtest.h>

namespace conclave::cli {
namespace {

TEST(ColumnTable, AlignsColumnsByWhatIsSeen) {
  ColumnTable table({"NAME", "N"});
  table.add({"käse", "1"});
  table.add({"longest", "22"});
  EXPECT_EQ(table.text(false),
            "NAME     N\n"
            "käse     1\n"
            "longest  22\n");
}

TEST(ColumnTable, ColourDoesNotMoveColumns) {
  ColumnTable table({"A", "B"});
  table.add({Cell("up", Mark::kGood), "x"});
  EXPECT_EQ(table.text(true), "\033[2mA\033[0m   \033[2mB\033[0m\n\033[32mup\033[0m  x\n");
}

TEST(ColumnTable, NothingFromOthersMovesTheCursor) {
  EXPECT_EQ(printable("a\033[2Jb"), "a?[2Jb");
  EXPECT_EQ(printable("line\nline\ttab"), "line?line?tab");
  EXPECT_EQ(printable("\xc2\x9b"), "?");                // the one-character form of ESC [
  EXPECT_EQ(printable("\xff\xc3"), "??");
  EXPECT_EQ(printable("\xc3\xa4\xe2\x82\xac\xf0\x9f\x97\xb3"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x97\xb3");
}

}  // namespace
}  // namespace conclave::cli
