#include "dirserver/dir_trust.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::dir {
namespace {

constexpr std::size_t kAtOnce = 1000;   // chunks in one commit: others wait for it

using ChangeChunk = std::function<Status(Change&, Chunk)>;

// `change_one` for every chunk that has `id` in sync, in commits of kAtOnce. What is placed meanwhile may be missed.
Status for_each_of(DirStore& store, ServerId id, const ChangeChunk& change_one) {
  InodeId inode{};
  std::uint64_t position = 0;
  for (;;) {
    const auto some = TRY(store.read<std::vector<Chunk>>(
        [&](View& view) { return view.chunks_of_after(id, inode, position, kAtOnce); }));
    if (some.empty()) return {};
    TRY(store.commit_status(true, [&](Change& change) -> Status {
      for (const Chunk& one : some) {
        auto now = TRY(change.view().chunk(one.inode, one.position));
        const bool member = now && std::ranges::find(now->members, id) != now->members.end();
        if (member) TRY(change_one(change, *std::move(now)));
      }
      return {};
    }));
    inode = some.back().inode;
    position = some.back().position;
  }
}

Status change_row(DirStore& store, ServerId id, const std::function<void(Change&, ServerRow&)>& how) {
  return store.commit_status(true, [&](Change& change) -> Status {
    for (ServerRow& row : TRY(change.view().servers())) {
      if (row.id != id) continue;
      how(change, row);
      return change.put_server(row);
    }
    return {};
  });
}

}  // namespace

Status distrust(DirStore& store, ServerId id, std::uint64_t recovered_to, std::uint32_t epoch) {
  TRY(for_each_of(store, id, [id](Change& change, Chunk chunk) -> Status {
    if (chunk.members.size() > 1) return take_out(change, std::move(chunk), id);
    if (chunk.doubted) return {};
    chunk.doubted = true;
    ++chunk.chainver;
    return change.put_chunk(chunk, false);
  }));
  return change_row(store, id, [&](Change& change, ServerRow& row) {
    row.mark = recovered_to;
    row.behind_ns = change.now_ns();
    row.behind_epoch = epoch;
  });
}

Status trust_again(DirStore& store, ServerId id) {
  TRY(for_each_of(store, id, [](Change& change, Chunk chunk) -> Status {
    if (!chunk.doubted) return {};
    chunk.doubted = false;
    ++chunk.chainver;
    return change.put_chunk(chunk, false);
  }));
  return change_row(store, id, [](Change&, ServerRow& row) { row.behind_ns = 0; });
}

Result<std::uint64_t> count_doubted(DirStore& store, ServerId id) {
  std::uint64_t count = 0;
  InodeId inode{};
  std::uint64_t position = 0;
  for (;;) {
    const auto some = TRY(store.read<std::vector<Chunk>>(
        [&](View& view) { return view.chunks_of_after(id, inode, position, kAtOnce); }));
    if (some.empty()) return count;
    count += static_cast<std::uint64_t>(std::ranges::count_if(some, [](const Chunk& chunk) { return chunk.doubted; }));
    inode = some.back().inode;
    position = some.back().position;
  }
}

Result<v1::VerifyResponse> verify(View& view, const Server& server, const ServerTable& servers,
                                  const v1::VerifyRequest& request) {
  const ChunkPermit permit = TRY(server.keys->open_permit(view_of(request.permit())));
  const auto row = TRY(view.chunk(permit.inode, permit.index));
  const auto id = servers.id_of(server.name);
  v1::VerifyResponse out;
  const bool current = id && row && row->chunk == permit.chunk && row->chainver == permit.chainver &&
                       std::ranges::find(row->members, *id) != row->members.end();
  if (current) out.set_verdict(row->doubted ? v1::VerifyResponse::DOUBTED : v1::VerifyResponse::CURRENT);
  return out;
}

}  // namespace conclave::dir
