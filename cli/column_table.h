// Rows of text in aligned columns, for people. On a terminal the heading is dim and marked cells have colour;
// elsewhere it is plain text.
#pragma once

#include <string>
#include <vector>

namespace conclave::cli {

enum class Mark { kNone, kGood, kWarning, kBad };

struct Cell {
  Cell(std::string t) : text(std::move(t)) {}                          // NOLINT
  Cell(const char* t) : text(t) {}                                     // NOLINT
  Cell(std::string t, Mark m) : text(std::move(t)), mark(m) {}
  std::string text;
  Mark mark = Mark::kNone;
};

class ColumnTable {
 public:
  explicit ColumnTable(std::vector<std::string> heading) : heading_(std::move(heading)) {}
  // As many cells as the heading has columns; control characters in a cell are shown as '?': names and reasons come
  // from others, and must not move the cursor of whoever reads them.
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text(bool colour) const;
  // To standard output, in colour if that is a terminal and NO_COLOR is not set.
  void print() const;

 private:
  std::vector<std::string> heading_;
  std::vector<std::vector<Cell>> rows_;
};

bool stdout_has_colour();
// `text` without control characters, and bytes that are no UTF-8 as '?'.
std::string printable(std::string_view text);
// Columns that UTF-8 text takes, counting every code point as one.
std::size_t width_of(std::string_view text);

}  // namespace conclave::cli
