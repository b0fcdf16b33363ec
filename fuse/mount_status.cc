#include "fuse/mount_status.h"

#include "base/limits.h"
#include "vault/fields.h"

namespace conclave::fuse_fs {
namespace {

class Lines {
 public:
  template <class Value>
  Lines& add(std::string_view name, const Value& value) {
    text_.append(name).push_back(' ');
    if constexpr (std::is_arithmetic_v<Value>) {
      text_ += std::to_string(value);
    } else {
      text_ += value;
    }
    text_.push_back('\n');
    return *this;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string stats_text(std::uint64_t requests, const client::Client::Numbers& numbers) {
  return Lines()
      .add("requests", requests)
      .add("parked", numbers.parked)
      .add("inodes", numbers.inodes)
      .add("descriptors", numbers.descriptors)
      .add("leases", numbers.leases)
      .add("recalls", numbers.recalls)
      .add("held_bytes", numbers.writes.held_bytes)
      .add("writing_inodes", numbers.writes.inodes)
      .add("sent_pieces", numbers.writes.sent_pieces)
      .add("sent_bytes", numbers.writes.sent_bytes)
      .add("told_sizes", numbers.writes.told)
      .add("durable_commits", numbers.writes.committed)
      .add("lost_writes", numbers.writes.failures)
      .take();
}

std::string health_text(const Result<dir::v1::HealthResponse>& names, const Result<lock::v1::HealthResponse>& locks) {
  Lines lines;
  if (names) {
    lines.add("dirserver", "up").add("files", names->inodes()).add("chunks", names->chunks());
    lines.add("copies", names->replicas()).add("chunks_with_fewer_copies", names->under_replicated());
    for (const auto& member : names->members()) {
      lines.add("fileserver " + std::to_string(member.id()), member.up() ? "up" : "down");
    }
  } else {
    lines.add("dirserver", "down: " + names.error().message);
  }
  if (locks) {
    lines.add("lockserver", "up").add("sessions", locks->sessions_size()).add("leases", locks->leases());
  } else {
    lines.add("lockserver", "down: " + locks.error().message);
  }
  return lines.take();
}

std::string leases_text(const Result<lock::v1::HealthResponse>& locks) {
  if (!locks) return "the lock server does not answer: " + locks.error().message + "\n";
  std::string out = "leases locks expires_in_ms mount\n";
  for (const auto& session : locks->sessions()) {
    out += std::to_string(session.leases()) + " " + std::to_string(session.locks()) + " " +
           std::to_string(session.expires_in_ms()) + " " + vault::plain_text(session.label(), kMaxLabelBytes) + "\n";
  }
  return out;
}

}  // namespace conclave::fuse_fs
