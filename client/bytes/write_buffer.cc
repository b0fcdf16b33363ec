#include "client/bytes/write_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace conclave::client {
namespace {

const WriteBuffer::Piece& piece_of(const WriteBuffer::Piece& piece) { return piece; }
template <class Sent>
const WriteBuffer::Piece& piece_of(const Sent& sent) { return sent.piece; }

// The first entry that ends after range.begin: entries do not overlap, so only the one before can reach in.
template <class Map>
auto first_touching(Map& map, ByteRange range) {
  auto at = map.upper_bound(range.begin);
  if (at != map.begin()) {
    auto before = std::prev(at);
    if (before->first + piece_of(before->second).length > range.begin) return before;
  }
  return at;
}

ByteRange range_of(std::uint64_t offset, const WriteBuffer::Piece& piece) { return {offset, offset + piece.length}; }

WriteBuffer::Piece part_of(std::uint64_t offset, const WriteBuffer::Piece& piece, ByteRange part) {
  return {piece.bytes, piece.from + (part.begin - offset), part.length()};
}

template <class Map>
void lay_over(const Map& map, std::uint64_t offset, ByteSpan out) {
  const ByteRange wanted{offset, offset + out.size()};
  for (auto at = first_touching(map, wanted); at != map.end() && at->first < wanted.end; ++at) {
    const WriteBuffer::Piece& piece = piece_of(at->second);
    const ByteRange common = range_of(at->first, piece).cut_to(wanted);
    const ByteView bytes = part_of(at->first, piece, common).view();
    std::memcpy(out.data() + (common.begin - offset), bytes.data(), bytes.size());
  }
}

// The parts of `ranges` that no entry of `map` covers.
template <class Map>
std::vector<ByteRange> uncovered(const Map& map, const std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> out;
  for (ByteRange left : ranges) {
    for (auto at = first_touching(map, left); at != map.end() && at->first < left.end; ++at) {
      if (at->first > left.begin) out.push_back({left.begin, at->first});
      left.begin = range_of(at->first, piece_of(at->second)).end;
    }
    if (!left.empty()) out.push_back(left);
  }
  return out;
}

// What of `range` the entries of `map` hold, where nothing of `out` lies.
template <class Map, class Out>
void add_parts(const Map& map, ByteRange range, Out& out) {
  for (auto at = first_touching(map, range); at != map.end() && at->first < range.end; ++at) {
    const WriteBuffer::Piece& piece = piece_of(at->second);
    for (const ByteRange& part : uncovered(out, {range_of(at->first, piece).cut_to(range)})) {
      out.emplace(part.begin, part_of(at->first, piece, part));
    }
  }
}

}  // namespace

void WriteBuffer::add_dirty(std::uint64_t offset, Piece piece) {
  dirty_bytes_ += piece.length;
  if (piece.length == kUnit) whole_units_.insert(offset);
  dirty_.emplace(offset, std::move(piece));
}

WriteBuffer::DirtyMap::iterator WriteBuffer::remove_dirty(DirtyMap::iterator at) {
  dirty_bytes_ -= at->second.length;
  whole_units_.erase(at->first);
  return dirty_.erase(at);
}

void WriteBuffer::cut_dirty(ByteRange range) {
  for (auto at = first_touching(dirty_, range); at != dirty_.end() && at->first < range.end;) {
    const std::uint64_t offset = at->first;
    const Piece piece = at->second;
    const ByteRange whole = range_of(offset, piece);
    at = remove_dirty(at);
    if (whole.begin < range.begin) add_dirty(offset, part_of(offset, piece, {whole.begin, range.begin}));
    if (whole.end > range.end) add_dirty(range.end, part_of(offset, piece, {range.end, whole.end}));
  }
}

void WriteBuffer::cut_sent(ByteRange range) {
  for (auto at = first_touching(sent_, range); at != sent_.end() && at->first < range.end;) {
    const std::uint64_t offset = at->first;
    const Sent sent = at->second;
    const ByteRange whole = range_of(offset, sent.piece);
    at = sent_.erase(at);
    sent_bytes_ -= whole.cut_to(range).length();
    if (whole.begin < range.begin) {
      sent_.emplace(offset, Sent{part_of(offset, sent.piece, {whole.begin, range.begin}), sent.answer, sent.landing});
    }
    if (whole.end > range.end) {
      sent_.emplace(range.end, Sent{part_of(offset, sent.piece, {range.end, whole.end}), sent.answer, sent.landing});
    }
  }
}

void WriteBuffer::write(std::uint64_t offset, ByteView bytes) {
  if (bytes.empty()) return;
  for_each_piece({offset, offset + bytes.size()}, kUnit, [&](const ChunkPiece& piece) {
    write_unit(offset, bytes.first(piece.length));
    offset += piece.length;
    bytes = bytes.subspan(piece.length);
    return true;
  });
}

void WriteBuffer::write_unit(std::uint64_t offset, ByteView bytes) {
  if (grow_in_place(offset, bytes)) return;
  cut_dirty({offset, offset + bytes.size()});
  add_dirty(offset, {std::make_shared<std::string>(text_of(bytes)), 0, bytes.size()});
}

// A piece that nobody shares takes what overlaps or follows it, so that small writes become large requests.
bool WriteBuffer::grow_in_place(std::uint64_t offset, ByteView bytes) {
  auto at = dirty_.upper_bound(offset);
  if (at == dirty_.begin()) return false;
  --at;
  Piece& piece = at->second;
  const ByteRange old = range_of(at->first, piece);
  const bool same_unit = old.begin / kUnit == offset / kUnit;
  const bool whole_string = piece.from == 0 && piece.length == piece.bytes->size();
  if (offset > old.end || !same_unit || !whole_string || piece.bytes.use_count() != 1) return false;
  const std::uint64_t end = offset + bytes.size();
  if (end > old.end) cut_dirty({old.end, end});
  const std::size_t inside = static_cast<std::size_t>(std::min(end, old.end) - offset);
  std::memcpy(piece.bytes->data() + (offset - old.begin), bytes.data(), inside);
  piece.bytes->append(text_of(bytes.subspan(inside)));
  dirty_bytes_ += bytes.size() - inside;
  piece.length = piece.bytes->size();
  if (piece.length == kUnit) whole_units_.insert(at->first);
  return true;
}

void WriteBuffer::overlay(std::uint64_t offset, ByteSpan out) const {
  lay_over(sent_, offset, out);
  lay_over(aside_, offset, out);
  lay_over(dirty_, offset, out);
}

std::vector<ByteRange> WriteBuffer::gaps(ByteRange range) const {
  if (range.empty()) return {};
  return uncovered(sent_, uncovered(aside_, uncovered(dirty_, {range})));
}

void WriteBuffer::discard(ByteRange range) {
  cut_dirty(range);
  cut_sent(range);
}

void WriteBuffer::set_aside(ByteRange range) {
  add_parts(dirty_, range, aside_);
  add_parts(sent_, range, aside_);  // below what is dirty
  discard(range);
  std::size_t aside = 0;
  for (const auto& [offset, piece] : aside_) aside += piece.length;
  aside_bytes_.set(aside);
}

void WriteBuffer::settle_aside(bool done) {
  const DirtyMap aside = std::exchange(aside_, {});
  aside_bytes_.set(0);
  if (done) return;
  for (const auto& [offset, piece] : aside) dirty_again(offset, piece);
}

std::optional<WriteBuffer::Flying> WriteBuffer::take(bool whole_units_only) {
  auto at = dirty_.begin();
  if (whole_units_only) {
    const auto unit = std::find_if(whole_units_.begin(), whole_units_.end(),
                                   [&](std::uint64_t offset) { return !flying_in({offset, offset + kUnit}); });
    at = unit == whole_units_.end() ? dirty_.end() : dirty_.find(*unit);
  } else {
    while (at != dirty_.end() && flying_in(range_of(at->first, at->second))) ++at;
  }
  if (at == dirty_.end()) return std::nullopt;
  Flying out{next_id_++, at->first, at->second};
  remove_dirty(at);
  cut_sent(range_of(out.offset, out.piece));
  sent_.emplace(out.offset, Sent{out.piece, 0, {}});
  sent_bytes_ += out.piece.length;
  flying_.emplace(out.id, out.offset);
  return out;
}

bool WriteBuffer::answered(std::uint64_t id, Landing landing) {
  const auto flight = flying_.find(id);
  if (flight == flying_.end()) return true;  // cleared meanwhile
  const std::uint64_t offset = flight->second;
  flying_.erase(flight);
  Sent& sent = sent_.at(offset);
  sent.answer = ++answers_;
  sent.landing = landing;
  return landed(chunk_of(offset), landing);
}

bool WriteBuffer::changed(std::uint64_t chunk_number, Landing landing) {
  ++answers_;
  const bool whole = landed(chunk_number, landing);
  unsynced_[chunk_number].bytes_gone = true;
  return whole;
}

// The newest answer, of this chunk. Bytes that an earlier chunk of this place took went with it: somebody cut them off.
bool WriteBuffer::landed(std::uint64_t chunk_number, Landing landing) {
  Unsynced& known = unsynced_[chunk_number];
  const bool same_chunk = known.newest != 0 && known.landing.chunk == landing.chunk;
  const bool restarted = same_chunk && !known.landing.starts.lasts_in(landing.starts);
  const bool lost = restarted && known.bytes_gone;
  known = {landing, answers_, known.bytes_gone && same_chunk && !restarted};
  if (restarted) {
    send_again([&](std::uint64_t at, const Sent& one) {
      return chunk_of(at) == chunk_number && !one.landing.starts.lasts_in(landing.starts);
    });
  }
  return !lost;
}

bool WriteBuffer::failed(std::uint64_t id) {
  const auto flight = flying_.find(id);
  if (flight == flying_.end()) return false;
  const auto at = sent_.find(flight->second);
  const Piece piece = at->second.piece;
  sent_bytes_ -= piece.length;
  sent_.erase(at);
  dirty_again(flight->second, piece);
  flying_.erase(flight);
  return true;
}

void WriteBuffer::dirty_again(std::uint64_t offset, const Piece& piece) {
  for (const ByteRange& hole : uncovered(dirty_, {range_of(offset, piece)})) {
    add_dirty(hole.begin, part_of(offset, piece, hole));
  }
}

template <class Wanted>
void WriteBuffer::send_again(Wanted wanted) {
  for (auto at = sent_.begin(); at != sent_.end();) {
    if (at->second.answer == 0 || !wanted(at->first, at->second)) {
      ++at;
      continue;
    }
    const Piece piece = at->second.piece;
    sent_bytes_ -= piece.length;
    dirty_again(at->first, piece);
    at = sent_.erase(at);
  }
}

WriteBuffer::Covered WriteBuffer::covered() const {
  Covered out{answers_, {}};
  for (const auto& [number, unsynced] : unsynced_) out.landings.emplace(number, unsynced.landing);
  return out;
}

void WriteBuffer::committed(const Covered& covered) {
  for (auto at = sent_.begin(); at != sent_.end();) {
    if (at->second.answer == 0 || at->second.answer > covered.upto) {
      ++at;
      continue;
    }
    sent_bytes_ -= at->second.piece.length;
    at = sent_.erase(at);
  }
  std::erase_if(unsynced_, [&](const auto& one) { return one.second.newest <= covered.upto; });
}

bool WriteBuffer::restarted(const Covered& covered) {
  bool all_here = true;
  std::set<std::uint64_t> lost;
  for (const auto& [number, landing] : covered.landings) {
    const auto known = unsynced_.find(number);
    if (known == unsynced_.end() || known->second.landing != landing) continue;  // answered() saw it already
    all_here = all_here && !known->second.bytes_gone;
    unsynced_.erase(known);
    lost.insert(number);
  }
  send_again([&](std::uint64_t at, const Sent& one) { return lost.contains(chunk_of(at)) && one.answer <= covered.upto; });
  return all_here;
}

void WriteBuffer::let_go() {
  for (auto& [number, unsynced] : unsynced_) unsynced.bytes_gone = true;
  for (auto at = sent_.begin(); at != sent_.end();) {
    if (at->second.answer == 0) {
      ++at;
      continue;
    }
    sent_bytes_ -= at->second.piece.length;
    at = sent_.erase(at);
  }
}

void WriteBuffer::clear() {
  dirty_.clear();
  sent_.clear();
  aside_.clear();
  flying_.clear();
  whole_units_.clear();
  unsynced_.clear();
  for (HeldShare* share : {&dirty_bytes_, &sent_bytes_, &aside_bytes_}) share->set(0);
}

std::uint64_t WriteBuffer::stable_size(std::uint64_t size, std::uint64_t committed_size) const {
  std::uint64_t stable = size;
  const ByteRange beyond{committed_size, kMaxFileBytes};
  for (const DirtyMap* unsent : {&dirty_, &aside_}) {
    if (const auto at = first_touching(*unsent, beyond); at != unsent->end()) stable = std::min(stable, at->first);
  }
  for (const auto& [id, offset] : flying_) {
    if (offset + sent_.at(offset).piece.length > committed_size) stable = std::min(stable, offset);
  }
  return std::max(stable, std::min(size, committed_size));
}

bool WriteBuffer::flying_in(ByteRange range) const {
  for (const auto& [id, offset] : flying_) {
    if (range_of(offset, sent_.at(offset).piece).overlaps(range)) return true;
  }
  return false;
}

}  // namespace conclave::client
