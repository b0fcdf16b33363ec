#include "base/check.h"
#include "base/connect_wire.h"
#include "base/limits.h"
#include "base/router.h"
#include "conclave/base/v1/error.pb.h"
#include "conclave/base/v1/event.pb.h"
#include "tests/fuzz/fuzz_targets.h"
#include "tests/support/sim_clock.h"

namespace conclave::fuzz {
namespace {

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

// As curl would print it: the path, "name: value" lines, an empty line, the body.
HttpRequest request_of(std::string_view text) {
  HttpRequest request;
  request.path = take_line(text);
  for (std::string_view line = take_line(text); !line.empty(); line = take_line(text)) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    request.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  request.body = text;
  return request;
}

}  // namespace

// Any request gets a reply, and one that is no success says why.
void router(ByteView input) {
  sim::SimClock clock;
  Router routes(clock);
  routes.unary<base::v1::Event, base::v1::Event>(
      "/t.T/Echo", {Role::kUser},
      [](const CallContext&, const base::v1::Event& request) -> Result<base::v1::Event> { return request; });
  routes.raw("/t.T/Raw", {Role::kUser}, [](const RawCall& call) -> Result<HttpReply> {
    return HttpReply{200, {}, std::move(call.body)};
  });
  routes.events("/t.T/Events", {Role::kUser}, [](const CallContext&, std::string_view, EventHub::Sink sink) -> Status {
    sink(1, "event");
    return {};
  });
  const Peer peer{Role::kUser, "mallory", 1000, 1000, {}, {}};
  const HttpRequest request = request_of(text_of(input));
  const HttpReply reply = routes.serve(peer, request);
  CHECK(reply.status == 200 || (reply.status >= 400 && reply.status < 600));
  if (reply.status != 200) CHECK(!error_of(reply).message.empty() || error_of(reply).code != Errc::kUnknown);
  static_cast<void>(routes.serve_events(peer, request, [](std::uint64_t, const std::string&) { return true; }));
}

// The pieces' sizes are the input's; whatever they are, the envelopes are the same as from one piece.
void envelopes(ByteView input) {
  const auto read_all = [&](std::size_t piece) {
    EnvelopeReader reader;
    std::string seen;
    std::string_view rest = text_of(input);
    while (!rest.empty()) {
      reader.feed(rest.substr(0, piece));
      rest.remove_prefix(std::min(piece, rest.size()));
      for (;;) {
        const auto envelope = reader.next();
        if (!envelope) return seen + "too big";
        if (!*envelope) break;
        CHECK((*envelope)->message.size() <= kMaxUnaryBodyBytes);
        seen += envelope_of((*envelope)->flags, (*envelope)->message);
      }
    }
    return seen;
  };
  CHECK(read_all(input.size() + 1) == read_all(1 + input.size() % 7));
}

void errors(ByteView input) {
  const Error error = error_of(HttpReply{input.empty() ? 500 : 400 + input[0] % 200, {}, string_of(input)});
  CHECK(!name_of(error.code).empty());
  CHECK(error_of(reply_of(error)).code == error.code);
  static_cast<void>(reason_of_end(text_of(input)));
  if (const auto op = parse_op(text_of(input))) CHECK(*parse_op(to_text(*op)) == *op);
}

}  // namespace conclave::fuzz
