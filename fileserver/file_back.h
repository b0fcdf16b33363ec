// The back port: what other file servers ask (file.proto). May block on the disk; calls nobody, or two masters of
// each other's chunks would wait for each other.
#pragma once

#include "conclave/file/v1/file.pb.h"
#include "fileserver/admission.h"

namespace conclave::file {

class FileBack {
 public:
  FileBack(ChunkStore& store, Membership& membership, Admission& admission)
      : store_(store), membership_(membership), admission_(admission) {}
  void add_to(Router& router);

 private:
  Result<HttpReply> apply(const RawCall& call);
  Result<v1::CommitBackResponse> commit(const CallContext& context, const v1::CommitBackRequest& request);
  Result<v1::FetchResponse> fetch(const v1::FetchRequest& request);

  ChunkStore& store_;
  Membership& membership_;
  Admission& admission_;
};

}  // namespace conclave::file
