// One chunk on disk: a file of
//
//   0        slot A   head and block table, a checksum over both; 128 KiB at most
//   128 KiB  slot B   the same, written in turn: the valid one with the greater generation counts. What the last
//                     complete checkpoint wrote stays until the next one is complete
//   256 KiB  data     64 MiB, sector i at 256 KiB + 4096 · i; what is not in the table is a hole
//
// A slot: magic "CfsChunk", version 1 (4 bytes), generation (8), lsn (8), length of what follows the checksum (4),
// crc32c of magic to length and of what follows (4), crc32c of all before it (4): so that a damaged slot still tells
// whether it is the newer one; then the head (length, bytes), the table (length, bytes).
// Big-endian. lsn: the checkpoint that wrote it; sectors that it names are in the file once that one is complete.
//
// A file both of whose slots are zeros was made by a write and never checkpointed: what it holds is in the journal
// or was never promised. A slot that is neither zeros nor valid is damage, kCorrupt, but for one that a crash tore: the
// recovery that follows writes it again, so only that may meet one.
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "fileserver/block_table.h"
#include "fileserver/chunk_head.h"
#include "fileserver/chunk_journal.h"

namespace conclave::file {

// "FOLDER/chunks/ab/00000000000012ab": 256 folders, so that none gets slow.
std::string chunk_folder(const std::string& store_folder, ChunkId chunk);
std::string chunk_path(const std::string& store_folder, ChunkId chunk);
Result<ChunkId> chunk_of_name(std::string_view name);   // kInvalid: not a chunk's file

inline constexpr Lsn kAllRecovered = UINT64_MAX;   // no crash has left anything

class ChunkFile {
 public:
  struct Loaded {
    ChunkHead head;              // sequence 0 if it was never checkpointed
    BlockTable table;
    bool first_slot_damaged = false;   // the only slot ever written is not valid. A crash in the first checkpoint
                                       // leaves that, with all changes in the journal; else it is damage
  };

  // kNotFound. Reads nothing.
  static Result<std::unique_ptr<ChunkFile>> open(Files& files, const std::string& path);
  // Made if missing; `made` says whether: its name then survives power loss after sync_folder only.
  static Result<std::unique_ptr<ChunkFile>> create(Files& files, const std::string& path, bool& made);

  // `complete`: the journal's last checkpoint; a slot of a later one, which a crash cut short, does not count.
  // Before write_slot. kCorrupt, kIo.
  Result<Loaded> load(Lsn complete = kAllRecovered);
  // Into the slot that does not count now, by the journal's last checkpoint that is `complete`: what one that was not
  // wrote is written over. Atomic with regard to crashes; durable after sync().
  Status write_slot(const ChunkHead& head, const BlockTable& table, Lsn checkpoint, Lsn complete);

  // Bytes behind the file's end are zeros.
  Status read(std::uint32_t sector, ByteSpan out);
  Status write(std::uint32_t sector, ByteView bytes);
  Status punch(std::uint32_t first, std::uint32_t end);
  Status sync() { return file_->sync(); }

 private:
  explicit ChunkFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  const std::unique_ptr<File> file_;
  std::uint64_t generation_ = 0;   // of the slot last written; even ones lie in slot A
  Lsn lsn_ = 0;                    // its checkpoint
};

}  // namespace conclave::file
