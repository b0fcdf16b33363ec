#include "fileserver/checkpoint_duty.h"

namespace conclave::file {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(200);
constexpr Duration kQuiet = std::chrono::seconds(60);

}  // namespace

void CheckpointDuty::tick(MonoTime now) {
  next_ = now + kLook;
  if (store_.failed()) return;
  Status status = store_.prepare();
  if (status && store_.checkpoint_due()) status = store_.checkpoint();
  if (!status && now >= quiet_until_) {
    log_.warning("the journal cannot be checkpointed", {{"why", status.error()}});
    quiet_until_ = now + kQuiet;
  }
}

}  // namespace conclave::file
