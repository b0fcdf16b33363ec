#include "base/event_hub.h"

#include <algorithm>
#include <deque>

#include "base/limits.h"

namespace conclave {

// Events dropped + 1 … dropped + kept.size() are kept.
struct EventHub::Channel {
  std::uint64_t dropped = 0;
  std::deque<std::shared_ptr<const std::string>> kept;
  std::shared_ptr<const Sink> sink;  // null: no stream
  std::uint64_t sent = 0;            // to this sink
  bool delivering = false;           // some thread is in deliver(): it also takes what comes meanwhile

  [[nodiscard]] std::uint64_t newest() const { return dropped + kept.size(); }
};

Result<std::uint64_t> EventHub::publish(SessionId session, std::string event) {
  UniqueLock lock(mutex_);
  auto& place = channels_[session];
  if (!place) place = std::make_shared<Channel>();
  const auto channel = place;
  if (channel->kept.size() >= kMaxEventsKept) return Error(Errc::kOverloaded, "the session does not read its events");
  channel->kept.push_back(std::make_shared<const std::string>(std::move(event)));
  const std::uint64_t number = channel->newest();
  deliver(*channel, lock);
  return number;
}

Status EventHub::attach(SessionId session, std::uint64_t after, Sink sink) {
  auto next = std::make_shared<const Sink>(std::move(sink));
  UniqueLock lock(mutex_);
  auto& place = channels_[session];
  if (!place) place = std::make_shared<Channel>();
  const auto channel = place;
  if (after < channel->dropped || after > channel->newest()) {
    return Error(Errc::kStale, "events after number " + std::to_string(after) + " are not kept");
  }
  channel->sink.swap(next);  // `next` outlives the lock, and with it the stream that is replaced
  channel->sent = after;
  deliver(*channel, lock);
  return {};
}

// One thread at a time hands over a channel's events, in order, without the lock; whoever comes meanwhile leaves
// theirs to it. The caller keeps the channel alive.
void EventHub::deliver(Channel& channel, std::unique_lock<std::mutex>& lock) {
  if (channel.delivering) return;
  channel.delivering = true;
  while (channel.sink && channel.sent < channel.newest()) {
    auto sink = channel.sink;
    const std::uint64_t number = ++channel.sent;
    const auto event = channel.kept[number - channel.dropped - 1];
    lock.unlock();
    const bool taken = (*sink)(number, *event);
    lock.lock();
    if (!taken && channel.sink == sink) channel.sink.reset();
    lock.unlock();
    sink.reset();  // perhaps the last copy: what a stream's end does is done without the lock
    lock.lock();
  }
  channel.delivering = false;
}

void EventHub::acknowledge(SessionId session, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(session);
  if (found == channels_.end()) return;
  Channel& channel = *found->second;
  while (channel.dropped < number && !channel.kept.empty()) {
    channel.kept.pop_front();
    ++channel.dropped;
  }
  channel.sent = std::max(channel.sent, channel.dropped);  // acknowledged over an older stream
}

std::uint64_t EventHub::newest(SessionId session) const {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(session);
  return found == channels_.end() ? 0 : found->second->newest();
}

void EventHub::forget(SessionId session) {
  std::shared_ptr<const Sink> ended;
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(session);
  if (found == channels_.end()) return;
  ended = std::move(found->second->sink);
  found->second->kept.clear();
  channels_.erase(found);
}

}  // namespace conclave
