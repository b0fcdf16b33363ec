#include "fileserver/chunk.h"

#include <algorithm>

namespace conclave::file {
namespace {

std::uint32_t sector_of(std::uint64_t offset) { return static_cast<std::uint32_t>(offset / kSectorBytes); }
std::uint32_t sector_end(std::uint64_t offset) {
  return static_cast<std::uint32_t>((offset + kSectorBytes - 1) / kSectorBytes);
}

constexpr std::uint32_t kRunSectors = 256;   // written in one call: 1 MiB

// Changes part of a staged sector, or all of it. Nothing to copy from: zeros.
Status patch(const Chunk& chunk, Staged& staged, std::uint64_t offset, ByteView bytes, std::uint64_t zeros,
             bool verify) {
  const std::uint64_t length = bytes.empty() ? zeros : bytes.size();
  for (std::uint64_t done = 0; done < length;) {
    const std::uint32_t sector = sector_of(offset + done);
    const std::size_t from = (offset + done) % kSectorBytes;
    const std::size_t n = std::min<std::uint64_t>(kSectorBytes - from, length - done);
    auto& content = staged.sectors[sector];
    if (!content) {
      content = std::make_unique<Sector>();
      if (n < kSectorBytes) {
        std::vector<Chunk::Expected> expected;
        std::vector<std::uint32_t> sums;
        TRY(chunk.read(sector, *content, &expected));
        if (verify) TRY(verify_sectors(chunk.id, sector, *content, expected, sums));
      }
    }
    if (bytes.empty()) {
      std::fill_n(content->begin() + static_cast<std::ptrdiff_t>(from), n, std::uint8_t{0});
    } else {
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), n,
                  content->begin() + static_cast<std::ptrdiff_t>(from));
    }
    done += n;
  }
  return {};
}

// [from, to) reads as zeros: whole sectors become holes, parts of those that are there are overwritten.
Status stage_zeros(const Chunk& chunk, Staged& staged, std::uint64_t from, std::uint64_t to, bool verify) {
  staged.clear_first = sector_end(from);
  staged.clear_end = std::max(sector_of(to), staged.clear_first);
  if (from >= to) staged.clear_end = staged.clear_first;
  const std::uint64_t head_end = std::min(to, std::uint64_t{staged.clear_first} * kSectorBytes);
  if (from < head_end && chunk.has(sector_of(from))) TRY(patch(chunk, staged, from, {}, head_end - from, verify));
  const std::uint64_t tail = std::max(head_end, std::uint64_t{staged.clear_end} * kSectorBytes);
  if (tail < to && chunk.has(sector_of(tail))) TRY(patch(chunk, staged, tail, {}, to - tail, verify));
  return {};
}

}  // namespace

Status verify_sectors(ChunkId chunk, std::uint32_t first, ByteView bytes, const std::vector<Chunk::Expected>& expected,
                      std::vector<std::uint32_t>& sums) {
  Status status;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    sums.push_back(crc32c(bytes.subspan(i * kSectorBytes, kSectorBytes)));
    if (status && expected[i].from_file && expected[i].sum != sums.back()) {
      status = Error(Errc::kCorrupt, "chunk " + std::to_string(raw(chunk)) + ": 4 KiB at " +
                                         std::to_string((first + i) * kSectorBytes) + " fail their checksum");
    }
  }
  return status;
}

Status Chunk::load(Files& files, const std::string& path, Lsn complete) {
  auto opened = ChunkFile::open(files, path);
  if (!opened && opened.error().code != Errc::kNotFound) return std::move(opened).error();
  if (opened) {
    file = std::move(opened).value();
    auto found = TRY(file->load(complete));
    if (found.first_slot_damaged) return Error(Errc::kCorrupt, path + ": its head fails its checksum");
    head = std::move(found.head);
    table = std::move(found.table);
    checkpointed = head.sequence != 0;
    risky = table.present();
    if (!checkpointed) risky.add(0, kSectorsPerChunk);   // made before a crash that took all its records
    log.start(head.sequence, head.link);
  }
  loaded = true;
  return {};
}

SectorSet Chunk::present() const {
  SectorSet out = table.present();
  for (const auto& [sector, content] : pending) out.add(sector);
  return out;
}

Status Chunk::read(std::uint32_t first, ByteSpan out, std::vector<Expected>* expected) const {
  const auto count = static_cast<std::uint32_t>(out.size() / kSectorBytes);
  if (expected != nullptr) expected->assign(count, {});
  auto next_pending = pending.lower_bound(first);
  const auto in_file = [&](std::uint32_t sector) {
    return table.has(sector) && (next_pending == pending.end() || next_pending->first != sector);
  };
  for (std::uint32_t i = 0; i < count;) {
    const std::uint32_t sector = first + i;
    const ByteSpan rest = out.subspan(std::size_t{i} * kSectorBytes);
    if (next_pending != pending.end() && next_pending->first == sector) {
      std::ranges::copy(*next_pending->second, rest.begin());
      ++next_pending;
      ++i;
    } else if (!table.has(sector)) {
      std::fill_n(rest.begin(), kSectorBytes, std::uint8_t{0});
      ++i;
    } else {
      std::uint32_t run = 0;
      while (i + run < count && in_file(sector + run)) ++run;
      const ByteSpan wanted = rest.first(std::size_t{run} * kSectorBytes);
      if (file != nullptr) {
        TRY(file->read(sector, wanted));
      } else {   // recovery found no file: its name was lost, and with it what was never synced
        std::ranges::fill(wanted, std::uint8_t{0});
      }
      for (std::uint32_t n = 0; n < run && expected != nullptr; ++n) (*expected)[i + n] = {true, table.sum(sector + n)};
      i += run;
    }
  }
  return {};
}

Result<Staged> Chunk::stage(const OpRecord& record, ByteView bytes, bool verify) const {
  Staged out;
  const ChunkOp& op = record.op;
  switch (op.kind) {
    case OpKind::kWrite:
      if (record.direct()) {
        TRY(patch(*this, out, op.offset, bytes.first(record.head_bytes), 0, verify));
        TRY(patch(*this, out, record.tail_at(), bytes.subspan(record.head_bytes), 0, verify));
      } else {
        TRY(patch(*this, out, op.offset, bytes, 0, verify));
      }
      break;
    case OpKind::kTruncate: TRY(stage_zeros(*this, out, op.offset, kChunkBytes, verify)); break;
    case OpKind::kZero: TRY(stage_zeros(*this, out, op.offset, op.offset + op.length, verify)); break;
    case OpKind::kEmpty: out.clear_end = kSectorsPerChunk; break;
    case OpKind::kSeal:
    case OpKind::kStart:
    case OpKind::kCopied:
    case OpKind::kMembers: break;
  }
  return out;
}

void Chunk::absorb(Staged staged, const OpRecord& record, ByteView body) {
  const auto forget = [&](std::uint32_t first, std::uint32_t end) {
    pending.erase(pending.lower_bound(first), pending.lower_bound(end));
  };
  forget(staged.clear_first, staged.clear_end);
  table.remove(staged.clear_first, staged.clear_end);
  for (std::uint32_t i = 0; i < record.sums.size(); ++i) table.set(record.first_sector + i, record.sums[i]);
  if (record.direct()) {
    forget(record.first_sector, record.end_sector());
    risky.add(record.first_sector, record.end_sector());
  }
  for (auto& [sector, content] : staged.sectors) pending[sector] = std::move(content);
  head.apply(record.op, body);
}

Status Chunk::write_middle(const OpRecord& record, ByteView middle) {
  Status status = file->write(record.first_sector, middle);
  if (status) return status;
  SectorSet touched;
  touched.add(record.first_sector, record.end_sector());
  risky.add(touched);
  const auto again = sum_again(touched);
  return again ? status : Status(again.error());
}

Result<std::uint32_t> Chunk::sum_again(const SectorSet& suspects) {
  std::uint32_t changed = 0;
  Sector content;
  const std::uint32_t end = std::min(suspects.end(), table.present().end());
  for (std::uint32_t sector = 0; sector < end; ++sector) {
    if (!suspects.has(sector) || !table.has(sector) || pending.contains(sector)) continue;
    if (file == nullptr) {
      table.remove(sector, sector + 1);
      ++changed;
      continue;
    }
    TRY(file->read(sector, content));
    const std::uint32_t sum = crc32c(content);
    if (sum == table.sum(sector)) continue;
    table.set(sector, sum);
    ++changed;
  }
  return changed;
}

bool Chunk::unsettled(std::uint32_t first, std::uint32_t end) const {
  const auto next = pending.lower_bound(first);
  if (next != pending.end() && next->first < end) return true;
  for (std::uint32_t sector = first; sector < end; ++sector) {
    if (risky.has(sector) && !has(sector)) return true;
  }
  return false;
}

Status Chunk::settle(std::uint32_t first, std::uint32_t end) {
  Bytes run;
  for (auto at = pending.lower_bound(first); at != pending.end() && at->first < end;) {
    const std::uint32_t from = at->first;
    run.clear();
    for (std::uint32_t n = 0; n < kRunSectors && at != pending.end() && at->first == from + n; ++n, ++at) {
      run.insert(run.end(), at->second->begin(), at->second->end());
    }
    TRY(file->write(from, run));
  }
  end = std::min(end, risky.end());
  for (std::uint32_t sector = first; sector < end;) {
    std::uint32_t cleared = 0;
    while (sector + cleared < end && risky.has(sector + cleared) && !has(sector + cleared)) ++cleared;
    if (cleared != 0) {
      TRY(file->punch(sector, sector + cleared));
    }
    sector += std::max(cleared, 1u);
  }
  return {};
}

Status Chunk::checkpoint(Lsn lsn, Lsn complete) {
  TRY(settle(0, kSectorsPerChunk));
  BlockTable next = table;
  for (const auto& [sector, content] : pending) next.set(sector, crc32c(*content));
  TRY(file->write_slot(head, next, lsn, complete));
  table = std::move(next);
  pending.clear();
  risky = table.present();
  checkpointed = true;
  dirty = false;
  return {};
}

}  // namespace conclave::file
