#include "streams/host_ingest.h"

#include <algorithm>

namespace conclave::streams {
namespace {

constexpr std::uint64_t kCatchUpBytes = 256 << 10;  // of the raw log's end: a hundred rounds

std::uint64_t ns_of(WallTime time) { return static_cast<std::uint64_t>(time.ns); }
WallTime time_of(std::uint64_t ns) { return {static_cast<std::int64_t>(ns)}; }

}  // namespace

HostIngest::HostIngest(LogSession::Seams seams, const ClusterFile& cluster, HostSensors& sensors, Log& log, Options options)
    : seams_(seams), cluster_(cluster), sensors_(sensors), log_(log), options_(std::move(options)),
      next_tick_(seams.clock.now()), renewed_(next_tick_) {}

std::string HostIngest::folder_of_group(const std::string& group) const {
  return "/sensors/" + options_.host + "/" + group;
}

Status HostIngest::open_session() {
  session_.reset();
  derived_.clear();
  session_ = TRY(LogSession::open(seams_, cluster_, "conclave ingest host", options_.uid, options_.gid));
  raw_ = TRY(session_->open_log("/sensors/.raw/host/" + options_.host + "/0.jsonl"));
  renewed_ = seams_.clock.now();
  return {};
}

Status HostIngest::start() {
  TRY(open_session());
  return catch_up();
}

// Lines of the raw log as rounds again: those with the same time are one.
Status HostIngest::catch_up() {
  const std::string text = TRY(session_->tail_of(raw_, kCatchUpBytes));
  std::map<std::uint64_t, Round> rounds;
  std::size_t begin = text.size() < kCatchUpBytes ? 0 : text.find('\n') + 1;  // not in the middle of a line
  for (std::size_t end = text.find('\n', begin); end != std::string::npos; end = text.find('\n', begin)) {
    const auto reading = parse_line(std::string_view(text).substr(begin, end + 1 - begin));
    begin = end + 1;
    if (!reading) continue;  // another version's line
    Round& round = rounds[ns_of(reading->arrived)];
    round.time_ns = ns_of(reading->arrived);
    TRY(add_line(round, *reading));
  }
  for (auto& [time, round] : rounds) {
    for (const auto& [group, rows] : round.derived) TRY(write_derived(group, rows, time));
  }
  return {};
}

// The raw name is GROUP/NAME; a derived row has the NAME.
Status HostIngest::add_line(Round& round, const Reading& reading) {
  const auto slash = reading.name.find('/');
  if (slash == std::string::npos) return Error(Errc::kCorrupt, "a raw reading without a group: " + reading.name);
  Reading row = reading;
  row.name = reading.name.substr(slash + 1);
  round.derived[reading.name.substr(0, slash)] += csv_of(row);
  return {};
}

HostIngest::Round HostIngest::round_of(const std::vector<GroupedReading>& readings, WallTime now) const {
  Round round;
  round.time_ns = ns_of(now);
  for (const GroupedReading& grouped : readings) {
    Reading whole = grouped.reading;
    whole.name = grouped.group + "/" + whole.name;
    round.raw += line_of(whole);
    CHECK(add_line(round, whole));
  }
  return round;
}

Result<HostIngest::Derived*> HostIngest::derived(const std::string& group) {
  if (const auto known = derived_.find(group); known != derived_.end()) return &known->second;
  SensorLog log = TRY(session_->open_log(folder_of_group(group) + "/today.csv"));
  const std::string day = log.cursor == 0 ? "" : utc_day(time_of(log.cursor));
  return &derived_.emplace(group, Derived{std::move(log), day}).first->second;
}

Status HostIngest::write_derived(const std::string& group, const std::string& rows, std::uint64_t time_ns) {
  Derived* at = TRY(derived(group));
  if (time_ns <= at->log.cursor) return {};
  const std::string day = utc_day(time_of(time_ns));
  if (!at->day.empty() && at->day != day) {
    TRY(session_->close_log(at->log, folder_of_group(group) + "/by-day/" + at->day + ".csv"));
    derived_.erase(group);
    at = TRY(derived(group));
  }
  std::vector<LogSession::Record> records = {{&at->log, (at->day.empty() ? std::string(kCsvHead) : "") + rows, time_ns}};
  TRY(session_->append(records));
  at->day = day;
  return {};
}

Status HostIngest::write(Round& round) {
  std::vector<LogSession::Record> raw = {{&raw_, round.raw, round.time_ns}};
  TRY(session_->append(raw));
  for (const auto& [group, rows] : round.derived) TRY(write_derived(group, rows, round.time_ns));
  return {};
}

void HostIngest::tick(MonoTime now) {
  next_tick_ = std::max(next_tick_ + options_.interval, now);
  const WallTime wall = seams_.clock.wall();
  waiting_.push_back(round_of(sensors_.sample(wall), wall));
  if (waiting_.size() > kMostWaiting) {
    waiting_.erase(waiting_.begin());
    ++dropped_;
    log_.warning("a round was dropped: the cluster is away too long", {{"dropped", dropped_}});
  }
  Status status;
  if (!session_) status = open_session();
  if (status && now >= renewed_ + LogSession::kRenewEvery) {
    renewed_ = now;
    status = session_->renew();
  }
  while (status && !waiting_.empty()) {
    status = write(waiting_.front());
    if (status) waiting_.erase(waiting_.begin());
  }
  if (status) return;
  log_.warning("readings wait for the cluster", {{"rounds", waiting_.size()}, {"why", status.error()}});
  session_.reset();  // a new one with the next round: what was written is recognised by its cursor
}

}  // namespace conclave::streams
