#include "cli/column_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "base/check.h"

namespace conclave::cli {
namespace {

constexpr std::string_view kPlain = "\033[0m";

std::string_view colour_of(Mark mark) {
  switch (mark) {
    case Mark::kNone: return "";
    case Mark::kGood: return "\033[32m";
    case Mark::kWarning: return "\033[33m";
    case Mark::kBad: return "\033[31m";
  }
  return "";
}

// Length of the UTF-8 sequence that begins with `lead`; 0 for a byte that begins none.
std::size_t sequence_length(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<std::uint8_t>(text[at]);
    const std::size_t length = sequence_length(lead);
    const std::string_view sequence = text.substr(at, std::max<std::size_t>(length, 1));
    const bool whole = length > 0 && sequence.size() == length &&
                       std::all_of(sequence.begin() + 1, sequence.end(), is_continuation);
    const bool control = lead < 0x20 || lead == 0x7f || (lead == 0xc2 && whole && static_cast<std::uint8_t>(sequence[1]) < 0xa0);
    if (whole && !control) {
      out += sequence;
    } else {
      out += '?';
    }
    at += whole ? length : 1;
  }
  return out;
}

std::size_t width_of(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

bool stdout_has_colour() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

void ColumnTable::add(std::vector<Cell> row) {
  CHECK(row.size() == heading_.size());
  for (Cell& cell : row) cell.text = printable(cell.text);
  rows_.push_back(std::move(row));
}

std::string ColumnTable::text(bool colour) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < heading_.size(); ++column) {
    std::size_t width = width_of(heading_[column]);
    for (const auto& row : rows_) width = std::max(width, width_of(row[column].text));
    widths.push_back(width);
  }
  std::string out;
  const auto put = [&](std::size_t column, const std::string& cell, std::string_view paint) {
    const bool last = column + 1 == heading_.size();
    out += colour && !paint.empty() ? std::string(paint) + cell + std::string(kPlain) : cell;
    out += last ? "\n" : std::string(widths[column] - width_of(cell) + 2, ' ');
  };
  for (std::size_t column = 0; column < heading_.size(); ++column) put(column, heading_[column], "\033[2m");
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column) put(column, row[column].text, colour_of(row[column].mark));
  }
  return out;
}

void ColumnTable::print() const { std::cout << text(stdout_has_colour()); }

}  // namespace conclave::cli
