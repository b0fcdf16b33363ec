#include "dirserver/heal_jobs.h"

#include <algorithm>

namespace conclave::dir {
namespace {

constexpr Duration kNotAgain = std::chrono::seconds(10);   // after a copy failed
constexpr Duration kLately = std::chrono::seconds(60);
constexpr std::size_t kMostLately = 100000;

}  // namespace

bool HealJobs::add(const Job& job, std::size_t most) {
  const std::lock_guard lock(mutex_);
  const auto busy = std::ranges::count_if(jobs_, [&](const auto& one) { return one.second.master == job.master; });
  if (static_cast<std::size_t>(busy) >= most) return false;
  return jobs_.emplace(job.chunk, job).second;
}

bool HealJobs::busy(ChunkId chunk) const {
  const std::lock_guard lock(mutex_);
  return jobs_.contains(chunk);
}

std::vector<HealJobs::Job> HealJobs::of_master(ServerId master) const {
  const std::lock_guard lock(mutex_);
  std::vector<Job> out;
  for (const auto& [chunk, job] : jobs_) {
    if (job.master == master) out.push_back(job);
  }
  return out;
}

void HealJobs::done(ChunkId chunk, std::uint64_t bytes, MonoTime now) {
  const std::lock_guard lock(mutex_);
  jobs_.erase(chunk);
  ++chunks_done_;
  bytes_done_ += bytes;
  lately_.push_back({now, bytes});
  while (lately_.size() > kMostLately || lately_.front().when + kLately < now) lately_.pop_front();
}

void HealJobs::failed(ChunkId chunk, MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = jobs_.find(chunk);
  if (found == jobs_.end()) return;
  std::erase_if(failed_, [&](const auto& one) { return one.second + kNotAgain < now; });
  failed_[{chunk, found->second.newcomer}] = now;
  jobs_.erase(found);
}

void HealJobs::drop(ChunkId chunk) {
  const std::lock_guard lock(mutex_);
  jobs_.erase(chunk);
}

bool HealJobs::failed_lately(ChunkId chunk, ServerId newcomer, MonoTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = failed_.find({chunk, newcomer});
  return found != failed_.end() && now < found->second + kNotAgain;
}

HealJobs::Progress HealJobs::progress(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  Progress out{jobs_.size(), chunks_done_, bytes_done_, 0, 0};
  std::uint64_t bytes = 0, chunks = 0;
  MonoTime first = now;
  for (const Done& done : lately_) {
    if (done.when + kLately < now) continue;
    first = std::min(first, done.when);
    bytes += done.bytes;
    ++chunks;
  }
  if (chunks < 2) return out;
  out.bytes_per_chunk = bytes / chunks;
  const double seconds = std::chrono::duration<double>(now - first).count();
  if (seconds > 0) out.chunks_per_second = static_cast<double>(chunks) / seconds;
  return out;
}

}  // namespace conclave::dir
