#include "fileserver/file_ops.h"

#include <algorithm>

#include "base/connect_wire.h"

namespace conclave::file {
namespace {

using Need = Admission::Need;

constexpr std::size_t kMostBorn = 50000;            // 2 MiB; beyond, D is told again
constexpr std::uint64_t kMostCopied = 16u << 20;   // in one call: well within its deadline

Status check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t most) {
  if (length > most || offset > kChunkBytes || length > kChunkBytes - offset) {
    return Error(Errc::kInvalid, "a range of " + std::to_string(length) + " bytes at " + std::to_string(offset) +
                                     " is too long or not within a chunk");
  }
  return {};
}

// The body's sums, once they fit what the sender said of it.
Result<BodySums> checked_body(const RawCall& call, std::uint64_t offset) {
  if (call.body.empty()) return Error(Errc::kInvalid, "an empty body");
  TRY(check_range(offset, call.body.size(), kMaxIoBytes));
  const std::uint64_t crc = TRY(number_of(call.headers, kCrcHeader));
  BodySums sums = BodySums::of(offset, view_of(call.body));
  if (sums.whole != crc) return Error(Errc::kCorrupt, "the body changed on its way: its checksum does not fit");
  return sums;
}

// What a slot remembers of an answer: its headers.
std::string remember(const std::vector<Header>& headers) {
  std::string out;
  for (const auto& [name, value] : headers) out += name + " " + value + "\n";
  return out;
}

std::vector<Header> remembered(std::string_view text) {
  std::vector<Header> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t space = line.find(' ');
    out.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return out;
}

// What came before a log's chunk is known to it, its cursors above all.
Status check_started(const SealedPermit& chunk, const ChunkHead& head) {
  if (chunk.permit.index == 0 || head.carried.start_bytes != 0) return {};
  return Error(Errc::kNoDevice, "the chunk has not been started: call Start with the layout's start and cursors");
}

// Whoever may write a log gets a writer's lease too: the records that are there are safe from him here.
Status check_log(ChunkStore& store, const ChunkOp& op) {
  if (op.append || op.kind == OpKind::kSeal || op.kind == OpKind::kStart) return {};
  const ChunkHead head = TRY(store.head(op.chunk));
  if (!head.only_grows()) return {};
  return Error(Errc::kNotPermitted, "the chunk is a log's, which only grows: use Append");
}

}  // namespace

void FileOps::add_to(Router& router) {
  const Roles clients = {Role::kHost, Role::kUser};
  router.raw(std::string(kReadPath), clients, [this](const RawCall& call) { return read(call); });
  router.raw(std::string(kWritePath), clients, [this](const RawCall& call) { return write(call); });
  router.raw(std::string(kAppendPath), clients, [this](const RawCall& call) { return append(call); });
  const auto unary = [&]<class Request, class Response>(
                         std::string_view path, Result<Response> (FileOps::*method)(const CallContext&, const Request&)) {
    router.unary<Request, Response>(std::string(path), clients,
                                    [this, method](const CallContext& context, const Request& request) {
                                      return (this->*method)(context, request);
                                    });
  };
  unary(kCommitPath, &FileOps::commit);
  unary(kTruncatePath, &FileOps::truncate);
  unary(kZeroPath, &FileOps::zero);
  unary(kCopyPath, &FileOps::copy);
  unary(kStartPath, &FileOps::start);
  unary(kStatPath, &FileOps::stat);
  unary(kExtentsPath, &FileOps::extents);
  router.unary<v1::HealthRequest, v1::HealthResponse>(
      std::string(kHealthPath), {Role::kHost, Role::kUser, Role::kDir, Role::kFile},
      [this](const CallContext&, const v1::HealthRequest&) -> Result<v1::HealthResponse> { return health(); });
}

Result<Admission::Admitted> FileOps::admit(const RawCall& call, Need need) {
  const Bytes token = TRY(bytes_of_header(call.headers, kTokenHeader));
  const Bytes permit = TRY(bytes_of_header(call.headers, kPermitHeader));
  return parts_.admission.admit(call.context, token, text_of(permit), need);
}

// --- Reading.

Result<HttpReply> FileOps::read(const RawCall& call) {
  const std::uint64_t offset = TRY(number_of(call.headers, kOffsetHeader));
  const std::uint64_t length = TRY(number_of(call.headers, kLengthHeader));
  TRY(check_range(offset, length, kMaxIoBytes));
  const auto admitted = TRY(admit(call, Need::kRead));
  auto found = TRY(read_repairing(admitted.chunk, offset, length));
  return HttpReply{200, {{"content-type", std::string(kRawType)}, number_header(kCrcHeader, found.crc)}, std::move(found.bytes)};
}

Result<ChunkStore::ReadBytes> FileOps::read_repairing(const SealedPermit& chunk, std::uint64_t offset,
                                                      std::uint64_t length) {
  auto found = parts_.store.read(chunk.permit.chunk, offset, length);
  if (found || found.error().code != Errc::kCorrupt || length == 0) return found;
  const auto first = static_cast<std::uint32_t>(offset / kBlockBytes);
  const auto last = static_cast<std::uint32_t>((offset + length - 1) / kBlockBytes);
  if (!parts_.repair.repair(chunk.permit.chunk, chunk.permit.members, first, last - first + 1)) return found;
  return parts_.store.read(chunk.permit.chunk, offset, length);
}

// --- Changing.

// A change of part of a sector needs the rest of it: if that is damaged it is repaired, and the change done again.
Result<Replicator::Done> FileOps::change(const Admission::Admitted& admitted, ChunkOp op, std::string body,
                                         const BodySums& sums) {
  const SealedPermit& chunk = admitted.chunk;
  const auto check = [&]() -> Status {
    TRY(parts_.admission.still(admitted));
    return check_log(parts_.store, op);
  };
  op.mtime_ns = parts_.clock.wall().ns;
  auto done = parts_.replicator.apply(chunk, op, body, sums, check);
  if (done || done.error().code != Errc::kCorrupt) return done;
  const std::uint64_t at = op.append ? TRY(parts_.store.head(op.chunk)).length_bytes : op.offset;
  const std::uint64_t end = at + (op.kind == OpKind::kWrite ? body.size() : op.length);
  for (const std::uint64_t place : {at, end}) {
    const auto block = static_cast<std::uint32_t>(std::min(place, kChunkBytes - 1) / kBlockBytes);
    parts_.repair.repair(op.chunk, chunk.permit.members, block, 1);
  }
  return parts_.replicator.apply(chunk, op, body, sums, check);
}

Result<Replicator::Done> FileOps::change(const Admission::Admitted& admitted, const ChunkOp& op) {
  return change(admitted, op, "", BodySums{});
}

// Runs `run` once for an operation id, and answers its repetitions with the same headers.
Result<std::string> FileOps::once(const CallContext& context, const std::function<Result<std::string>()>& run) {
  const bool numbered = context.op.sequence != 0;
  if (numbered) {
    const std::lock_guard lock(mutex_);
    auto begun = TRY(slots_.begin(context.op));
    if (begun.verdict == SlotTable::Verdict::kInProgress) {
      return Error(Errc::kOverloaded, "the first sending of this operation is still at work");
    }
    if (begun.verdict == SlotTable::Verdict::kReplay) return begun.answer;
  }
  auto answer = run();
  if (numbered) {
    const std::lock_guard lock(mutex_);
    // What may have happened is repeated as what it is: a write the same again, an append known by its id.
    answer ? slots_.end(context.op, *answer) : slots_.abandon(context.op);
  }
  return answer;
}

Result<HttpReply> FileOps::reply_once(const CallContext& context, const std::function<Result<std::string>()>& run) {
  const std::string answer = TRY(once(context, run));
  return HttpReply{200, remembered(answer), ""};
}

// A sending that comes late, when its bytes may have been written again, is answered as the first and not done again.
template <class Response, class Run>
Result<Response> FileOps::answer_once(const CallContext& context, Run run) {
  const std::string answer = TRY(once(context, [&]() -> Result<std::string> {
    const Response made = TRY(run());
    return made.SerializeAsString();
  }));
  Response out;
  if (!out.ParseFromString(answer)) return Error(Errc::kInternal, "a kept answer does not parse");
  return out;
}

Result<HttpReply> FileOps::write(const RawCall& call) {
  const std::uint64_t offset = TRY(number_of(call.headers, kOffsetHeader));
  const auto admitted = TRY(admit(call, Need::kWrite));
  const BodySums sums = TRY(checked_body(call, offset));
  return reply_once(call.context, [&]() -> Result<std::string> {
    ChunkOp op = op_for(admitted.chunk.permit, OpKind::kWrite);
    op.offset = offset;
    const auto done = TRY(change(admitted, std::move(op), std::move(call.body), sums));
    return remember({number_header(kBootHeader, parts_.membership.boot()), {std::string(kStartsHeader), done.starts.text()},
                     number_header(kMovedHeader, done.moved)});
  });
}

Result<HttpReply> FileOps::append(const RawCall& call) {
  if (call.context.op.sequence == 0) return Error(Errc::kInvalid, "an append needs an operation id");
  const auto admitted = TRY(admit(call, Need::kAppend));
  const BodySums sums = TRY(checked_body(call, 0));
  ChunkOp op = op_for(admitted.chunk.permit, OpKind::kWrite);
  op.append = true;
  op.op = call.context.op;
  op.cursor = string_of(TRY(bytes_of_header(call.headers, kCursorHeader)));
  if (op.cursor.size() > kMaxCursorNameBytes) return Error(Errc::kInvalid, "too long a cursor's name");
  if (!op.cursor.empty()) {
    op.cursor_from = TRY(number_of(call.headers, kFromHeader));
    op.cursor_to = TRY(number_of(call.headers, kToHeader));
    if (op.cursor_to <= op.cursor_from) return Error(Errc::kInvalid, "a cursor that does not advance");
  }
  return reply_once(call.context, [&] { return append_now(admitted, std::move(op), call.body, sums); });
}

Result<std::string> FileOps::append_now(const Admission::Admitted& admitted, ChunkOp op, std::string& body,
                                        const BodySums& sums) {
  const SealedPermit& chunk = admitted.chunk;
  const ChunkHead head = TRY(parts_.store.head(op.chunk));
  TRY(check_started(chunk, head));
  if (head.sealed || head.length_bytes + body.size() > kChunkBytes) {
    const auto before = head.check_append(op, 0);   // a repetition is answered here, where the first was taken
    const bool known = before && before->has_value();
    if (!known) return before || before.error().code == Errc::kStale ? seal(admitted) : before.error();
  }
  const auto done = TRY(change(admitted, std::move(op), std::move(body), sums));
  const auto& before = done.applied.before;
  const std::uint64_t offset = before ? before->offset : head.carried.start_bytes + done.applied.op.offset;
  return remember({number_header(kOffsetHeader, offset), number_header(kBootHeader, parts_.membership.boot()),
                   {std::string(kStartsHeader), done.starts.text()},
                   number_header(kDoneHeader, before && before->by_cursor), number_header(kMovedHeader, done.moved)});
}

// The chunk takes no more: closed here and at the members, then at D, which places the next. In this order: a chunk
// that D has sealed never grows. What is known of appends so far goes along.
Error FileOps::seal(const Admission::Admitted& admitted) {
  const SealedPermit& chunk = admitted.chunk;
  const auto sealed = [&]() -> Result<SealedPermit> {
    ChunkHead head = TRY(parts_.store.head(chunk.permit.chunk));
    if (!head.sealed) {
      TRY(change(admitted, op_for(chunk.permit, OpKind::kSeal)));
      head = TRY(parts_.store.head(chunk.permit.chunk));
    }
    TRY(parts_.replicator.commit(std::span(&chunk, 1)));
    Carried carried = head.carried;
    carried.start_bytes += head.length_bytes;
    dir::v1::SealRequest request;
    request.set_permit(chunk.sealed);
    request.set_length_bytes(head.length_bytes);
    request.set_cursors(string_of(carried.encode()));
    TRY(parts_.dir.seal(request));
    return chunk;
  }();
  if (!sealed) return sealed.error();
  return {Errc::kStale, "the chunk is full: ask the directory server for the file's tail"};
}

Result<v1::StartResponse> FileOps::start(const CallContext& context, const v1::StartRequest& request) {
  const auto admitted = TRY(parts_.admission.admit(context, view_of(request.token()), request.permit(), Need::kAppend));
  if (admitted.chunk.permit.index == 0) return Error(Errc::kInvalid, "a file's first chunk needs no start");
  if (request.start_bytes() == 0 || request.start_bytes() > kMaxFileBytes) return Error(Errc::kInvalid, "no such start");
  Carried carried;
  if (!request.cursors().empty()) {
    auto decoded = Carried::decode(view_of(request.cursors()));
    if (!decoded) return Error(Errc::kInvalid, decoded.error().message);
    carried = std::move(decoded).value();
  }
  carried.start_bytes = request.start_bytes();
  const std::string body = string_of(carried.encode());
  TRY(change(admitted, op_for(admitted.chunk.permit, OpKind::kStart), body, BodySums::of(0, view_of(body))));
  v1::StartResponse out;
  out.set_boot(parts_.membership.boot());
  return out;
}

Result<v1::CommitResponse> FileOps::commit(const CallContext& context, const v1::CommitRequest& request) {
  const auto count = static_cast<std::size_t>(request.permits_size());
  if (count == 0 || count > kMaxPermitsPerCommit) return Error(Errc::kInvalid, "1 to 256 permits");
  const auto admitted =
      TRY(parts_.admission.admit(context, view_of(request.token()), request.permits(0), Need::kAsk));
  std::vector<SealedPermit> chunks;
  for (const std::string& permit : request.permits()) {
    chunks.push_back(TRY(parts_.admission.chunk_of(admitted, permit, true)));
  }
  if (request.boots_size() > request.permits_size()) return Error(Errc::kInvalid, "more boots than permits");
  for (int i = 0; i < request.boots_size(); ++i) {
    const std::string starts = i < request.starts_size() ? request.starts(i) : std::string();
    TRY(check_kept(chunks[static_cast<std::size_t>(i)], request.boots(i), starts));
  }
  TRY(parts_.replicator.commit(chunks));
  if (!request.births_told()) TRY(tell_births(chunks));
  v1::CommitResponse out;
  out.set_boot(parts_.membership.boot());
  return out;
}

// This server was started again since it took the bytes: a member that was not tells whether they are here.
Status FileOps::check_kept(const SealedPermit& chunk, std::uint64_t boot, const std::string& starts) {
  if (boot == parts_.membership.boot()) return {};
  if (TRY(parts_.replicator.has_what_others_have(chunk, TRY(MemberStarts::parse(starts))))) return {};
  return Error(Errc::kRestarted, "this file server was restarted since these bytes were written");
}

// Before the commit is answered: who held it for durable must find it, or hear that it is lost.
Status FileOps::tell_births(std::span<const SealedPermit> chunks) {
  dir::v1::BornRequest request;
  std::vector<ChunkId> born;
  for (const SealedPermit& chunk : chunks) {
    if (chunk.permit.born || TRY(parts_.store.sequence(chunk.permit.chunk)) == 0) continue;
    const std::lock_guard lock(mutex_);
    if (born_.contains(chunk.permit.chunk)) continue;
    request.add_permits(chunk.sealed);
    born.push_back(chunk.permit.chunk);
  }
  if (born.empty()) return {};
  TRY(parts_.dir.born(request));
  const std::lock_guard lock(mutex_);
  if (born_.size() > kMostBorn) born_.clear();
  born_.insert(born.begin(), born.end());
  return {};
}

Result<v1::TruncateResponse> FileOps::truncate(const CallContext& context, const v1::TruncateRequest& request) {
  const auto admitted = TRY(parts_.admission.admit(context, view_of(request.token()), request.permit(), Need::kWrite));
  TRY(check_range(request.length_bytes(), 0, 0));
  ChunkOp op = op_for(admitted.chunk.permit, OpKind::kTruncate);
  op.offset = request.length_bytes();
  return answer_once<v1::TruncateResponse>(context, [&]() -> Result<v1::TruncateResponse> {
    const auto done = TRY(change(admitted, op));
    v1::TruncateResponse out;
    out.set_starts(done.starts.text());
    out.set_boot(parts_.membership.boot());
    return out;
  });
}

Result<v1::ZeroResponse> FileOps::zero(const CallContext& context, const v1::ZeroRequest& request) {
  const auto admitted = TRY(parts_.admission.admit(context, view_of(request.token()), request.permit(), Need::kWrite));
  TRY(check_range(request.offset_bytes(), request.length_bytes(), kChunkBytes));
  ChunkOp op = op_for(admitted.chunk.permit, OpKind::kZero);
  op.offset = request.offset_bytes();
  op.length = request.length_bytes();
  return answer_once<v1::ZeroResponse>(context, [&]() -> Result<v1::ZeroResponse> {
    const auto done = TRY(change(admitted, op));
    v1::ZeroResponse out;
    out.set_starts(done.starts.text());
    out.set_boot(parts_.membership.boot());
    return out;
  });
}

Result<v1::CopyResponse> FileOps::copy(const CallContext& context, const v1::CopyRequest& request) {
  const auto from =
      TRY(parts_.admission.admit(context, view_of(request.from_token()), request.from_permit(), Need::kRead));
  const auto to = TRY(parts_.admission.admit(context, view_of(request.to_token()), request.to_permit(), Need::kWrite));
  TRY(check_range(request.from_bytes(), request.length_bytes(), kChunkBytes));
  TRY(check_range(request.to_bytes(), request.length_bytes(), kChunkBytes));
  return answer_once<v1::CopyResponse>(context, [&]() -> Result<v1::CopyResponse> {
    v1::CopyResponse out;
    out.set_boot(parts_.membership.boot());
    const std::uint64_t wanted = std::min(request.length_bytes(), kMostCopied);
    while (out.copied_bytes() < wanted) {
      const std::uint64_t n = std::min<std::uint64_t>(wanted - out.copied_bytes(), kMaxIoBytes);
      auto piece = TRY(read_repairing(from.chunk, request.from_bytes() + out.copied_bytes(), n));
      piece.bytes.resize(n);   // behind the chunk's end are zeros
      ChunkOp op = op_for(to.chunk.permit, OpKind::kWrite);
      op.offset = request.to_bytes() + out.copied_bytes();
      const BodySums sums = BodySums::of(op.offset, view_of(piece.bytes));
      TRY(change(to, std::move(op), std::move(piece.bytes), sums));
      out.set_copied_bytes(out.copied_bytes() + n);
    }
    return out;
  });
}

// --- Asking.

Result<v1::StatResponse> FileOps::stat(const CallContext& context, const v1::StatRequest& request) {
  if (request.cursors_size() > static_cast<int>(kMaxCursors)) return Error(Errc::kInvalid, "too many cursors");
  const auto admitted = TRY(parts_.admission.admit(context, view_of(request.token()), request.permit(), Need::kAsk));
  const ChunkHead head = TRY(parts_.store.head(admitted.chunk.permit.chunk));
  if (request.cursors_size() > 0) TRY(check_started(admitted.chunk, head));
  const auto extents = TRY(parts_.store.extents(admitted.chunk.permit.chunk));
  v1::StatResponse out;
  out.set_length_bytes(head.length_bytes);
  out.set_allocated_bytes(extents.allocated_bytes);
  out.set_mtime_ns(head.mtime_ns);
  out.set_boot(parts_.membership.boot());
  for (const std::string& name : request.cursors()) {
    const auto found = head.carried.cursors.find(name);
    out.add_cursors(found == head.carried.cursors.end() ? 0 : found->second);
  }
  return out;
}

Result<v1::ExtentsResponse> FileOps::extents(const CallContext& context, const v1::ExtentsRequest& request) {
  const auto admitted = TRY(parts_.admission.admit(context, view_of(request.token()), request.permit(), Need::kAsk));
  const auto found = TRY(parts_.store.extents(admitted.chunk.permit.chunk));
  v1::ExtentsResponse out;
  for (const auto& [offset, length] : found.ranges) {
    if (offset + length <= request.offset_bytes()) continue;
    auto& one = *out.add_extents();
    one.set_offset_bytes(offset);
    one.set_length_bytes(length);
  }
  return out;
}

v1::HealthResponse FileOps::health() {
  const auto& counts = parts_.store.counts;
  v1::HealthResponse out;
  if (const auto standing = parts_.membership.serving()) out.set_id(raw((*standing)->id));
  if (const auto space = parts_.store.space()) {
    out.set_total_bytes(space->total_bytes);
    out.set_free_bytes(space->free_bytes);
  }
  out.set_boot(parts_.membership.boot());
  out.set_chunks(counts.chunks);
  out.set_reads(counts.reads);
  out.set_writes(counts.writes);
  out.set_read_bytes(counts.read_bytes);
  out.set_written_bytes(counts.written_bytes);
  out.set_syncs(counts.syncs);
  out.set_bad_blocks(counts.bad_blocks);
  out.set_journal_bytes(parts_.store.journal_bytes());
  return out;
}

}  // namespace conclave::file
