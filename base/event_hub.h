// Push: for each session the events a server has for it, numbered from 1, kept until the client has
// acknowledged them, and written to the session's one stream while it has one. A stream that breaks is opened
// again with the last number seen and loses nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/result.h"

namespace conclave {

class EventHub {
 public:
  // Takes one event's number and bytes; called without the hub's lock, by one thread at a time, must not block.
  // False: the stream is gone. The stream ends when the last copy of its sink is destroyed.
  using Sink = std::function<bool(std::uint64_t number, const std::string& event)>;

  // Thread-safe, all of them. publish returns the event's number; kOverloaded when kMaxEventsKept are waiting
  // (the owner then ends the session: it is not reading).
  Result<std::uint64_t> publish(SessionId session, std::string event);
  // Sends what came after `after`, then what comes. Replaces the session's stream if it had one. kStale when
  // events after `after` are no longer kept, or `after` is not a number this server has given out: the client
  // asks for everything anew.
  Status attach(SessionId session, std::uint64_t after, Sink sink);
  // Drops events up to `number`. Called from renewals.
  void acknowledge(SessionId session, std::uint64_t number);
  std::uint64_t newest(SessionId session) const;   // 0: none yet
  void forget(SessionId session);   // ends its stream

 private:
  struct Channel;
  void deliver(Channel& channel, std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::map<SessionId, std::shared_ptr<Channel>> channels_ GUARDED_BY(mutex_);  // with what they hold
};

}  // namespace conclave
