#include "fileserver/file_back.h"

#include "fileserver/file_wire.h"

namespace conclave::file {
namespace {

constexpr std::uint32_t kMostBlocks = 16;   // in one Fetch: 1 MiB

Error invalid(Error error) { return {Errc::kInvalid, std::move(error).message}; }

}  // namespace

void FileBack::add_to(Router& router) {
  const Roles peers = {Role::kFile};
  router.raw(std::string(kApplyPath), peers, [this](const RawCall& call) { return apply(call); });
  router.unary<v1::CommitBackRequest, v1::CommitBackResponse>(
      std::string(kCommitBackPath), peers,
      [this](const CallContext& context, const v1::CommitBackRequest& request) { return commit(context, request); });
  router.unary<v1::FetchRequest, v1::FetchResponse>(
      std::string(kFetchPath), peers,
      [this](const CallContext&, const v1::FetchRequest& request) { return fetch(request); });
}

Result<HttpReply> FileBack::apply(const RawCall& call) {
  const Bytes permit = TRY(bytes_of_header(call.headers, kPermitHeader));
  const auto chunk = TRY(admission_.from_master(call.context, text_of(permit)));
  auto decoded = ChunkOp::decode(TRY(bytes_of_header(call.headers, kApplyHeader)));
  if (!decoded) return invalid(std::move(decoded).error());
  ChunkOp op = std::move(decoded).value();
  if (op.chunk != chunk.permit.chunk || op.inode != chunk.permit.inode || op.chainver > chunk.permit.chainver ||
      op.sequence == 0 || call.body.size() > kMaxIoBytes) {
    return Error(Errc::kInvalid, "a change that is not the permit's");
  }
  const BodySums sums = BodySums::of(op.offset, view_of(call.body));
  if (sums.whole != op.body_crc || (op.kind == OpKind::kWrite && op.length != call.body.size())) {
    return Error(Errc::kCorrupt, "the body changed on its way: its checksum does not fit");
  }
  const bool whole = op.kind == OpKind::kCopied;
  TRY(store_.apply(std::move(op), view_of(call.body), sums));
  if (whole) membership_.mended(chunk.permit.chunk);
  return HttpReply{200, {number_header(kBootHeader, membership_.boot())}, ""};
}

Result<v1::CommitBackResponse> FileBack::commit(const CallContext& context, const v1::CommitBackRequest& request) {
  const auto count = static_cast<std::size_t>(request.permits_size());
  if (count > kMaxPermitsPerCommit || request.sequences_size() != request.permits_size()) {
    return Error(Errc::kInvalid, "as many sequence numbers as permits, at most 256");
  }
  if (request.boot() != 0 && request.boot() != membership_.boot()) {
    return Error(Errc::kRestarted, "this member was restarted since");
  }
  std::vector<ChunkId> chunks;
  for (int i = 0; i < request.permits_size(); ++i) {
    const auto chunk = TRY(admission_.from_master(context, request.permits(i)));
    const auto held = store_.sequence(chunk.permit.chunk);   // one that cannot be opened gets a copy, as one that lacks some
    if (!held && held.error().code != Errc::kCorrupt) return held.error();
    if ((held ? *held : 0) < std::max<std::uint64_t>(request.sequences(i), chunk.permit.born ? 1 : 0)) {
      return Error(Errc::kRestarted, "this member does not have all of it");
    }
    chunks.push_back(chunk.permit.chunk);
  }
  TRY(store_.sync(chunks));
  v1::CommitBackResponse out;
  out.set_boot(membership_.boot());
  return out;
}

Result<v1::FetchResponse> FileBack::fetch(const v1::FetchRequest& request) {
  TRY(admission_.serving());
  if (request.blocks() > kMostBlocks || request.first_block() > kBlocksPerChunk - request.blocks() ||
      request.chunk() == 0) {
    return Error(Errc::kInvalid, "at most 16 blocks of a chunk");
  }
  const ChunkId chunk{request.chunk()};
  const ChunkHead head = TRY(store_.head(chunk));
  const bool whole = head.sequence != 0 && !head.copying && !membership_.copies().is_lacking(chunk);
  if (!whole) return Error(Errc::kNotFound, "no whole copy of the chunk is here");
  v1::FetchResponse out;
  out.set_bytes(TRY(store_.read_blocks(chunk, request.first_block(), request.blocks())));
  out.set_sequence(head.sequence);
  out.set_link(head.link);
  out.set_boot(membership_.boot());
  out.set_length_bytes(head.length_bytes);
  return out;
}

}  // namespace conclave::file
