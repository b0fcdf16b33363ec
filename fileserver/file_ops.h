// The front port: what clients ask (file.proto). Each handler admits, calls the core, encodes.
#pragma once

#include <span>
#include <unordered_set>

#include "base/guarded.h"
#include "base/slot_table.h"
#include "conclave/file/v1/file.pb.h"
#include "fileserver/admission.h"
#include "fileserver/block_repair.h"
#include "fileserver/file_wire.h"

namespace conclave::file {

class FileOps {
 public:
  struct Parts {
    ChunkStore& store;
    Membership& membership;
    Admission& admission;
    Replicator& replicator;
    BlockRepair& repair;
    dir::DirClient& dir;
    Clock& clock;
    Log& log;
  };
  explicit FileOps(Parts parts) : parts_(parts) {}
  void add_to(Router& router);

 private:
  Result<HttpReply> read(const RawCall& call);
  Result<HttpReply> write(const RawCall& call);
  Result<HttpReply> append(const RawCall& call);
  Result<v1::CommitResponse> commit(const CallContext& context, const v1::CommitRequest& request);
  Result<v1::TruncateResponse> truncate(const CallContext& context, const v1::TruncateRequest& request);
  Result<v1::ZeroResponse> zero(const CallContext& context, const v1::ZeroRequest& request);
  Result<v1::CopyResponse> copy(const CallContext& context, const v1::CopyRequest& request);
  Result<v1::StartResponse> start(const CallContext& context, const v1::StartRequest& request);
  Result<v1::StatResponse> stat(const CallContext& context, const v1::StatRequest& request);
  Result<v1::ExtentsResponse> extents(const CallContext& context, const v1::ExtentsRequest& request);
  v1::HealthResponse health();

  Result<Admission::Admitted> admit(const RawCall& call, Admission::Need need);
  Result<ChunkStore::ReadBytes> read_repairing(const SealedPermit& chunk, std::uint64_t offset, std::uint64_t length);
  Result<Replicator::Done> change(const Admission::Admitted& admitted, ChunkOp op, std::string body,
                                  const BodySums& sums);
  Result<Replicator::Done> change(const Admission::Admitted& admitted, const ChunkOp& op);
  Result<std::string> once(const CallContext& context, const std::function<Result<std::string>()>& run);
  Result<HttpReply> reply_once(const CallContext& context, const std::function<Result<std::string>()>& run);
  Status check_kept(const SealedPermit& chunk, std::uint64_t boot, const std::string& starts);
  template <class Response, class Run>
  Result<Response> answer_once(const CallContext& context, Run run);
  Result<std::string> append_now(const Admission::Admitted& admitted, ChunkOp op, std::string& body,
                                 const BodySums& sums);
  Error seal(const Admission::Admitted& admitted);
  Status tell_births(std::span<const SealedPermit> chunks);

  const Parts parts_;
  std::mutex mutex_;
  SlotTable slots_ GUARDED_BY(mutex_);
  std::unordered_set<ChunkId> born_ GUARDED_BY(mutex_);   // D knows, although permits of before do not say so
};

}  // namespace conclave::file
