#include "base/connect_wire.h"

#include <google/protobuf/util/json_util.h>

#include <array>
#include <charconv>

#include "base/bytes.h"
#include "base/limits.h"
#include "conclave/base/v1/error.pb.h"

namespace conclave {
namespace {

constexpr std::size_t kEnvelopePrefix = 5;
constexpr std::string_view kDetailType = "conclave.base.v1.ErrorDetail";

// The length of the UTF-8 sequence at the start of `text`, 0 if there is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(i < text.size() ? text[i] : 0); };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// As a JSON string's inside. What is not UTF-8 becomes '?'.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<std::uint8_t>(text[0]);
    if (byte == '"' || byte == '\\') {
      out.append("\\").append(1, text[0]);
    } else if (byte < 0x20) {
      out.append("\\u00").append(to_hex({&byte, 1}));
    } else {
      length == 0 ? out += '?' : out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

// Back, for what escaped() writes and nothing else.
std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (text[0] != '\\') {
      out += text[0];
      text.remove_prefix(1);
    } else if (text.starts_with("\\\"") || text.starts_with("\\\\")) {
      out += text[1];
      text.remove_prefix(2);
    } else {
      const auto byte = from_hex(text.substr(0, 6).substr(std::min<std::size_t>(text.size(), 4)));
      if (!text.starts_with("\\u00") || !byte || byte->size() != 1 || byte->front() >= 0x20) return std::nullopt;
      out += static_cast<char>(byte->front());
      text.remove_prefix(6);
    }
  }
  return out;
}

// Errors are as frequent as files that are not there, so they are written and read by hand: 2 us instead of 30 in
// protobuf's JSON, which understands every other writing.
constexpr std::string_view kCodeIs = "{\"code\":\"";
constexpr std::string_view kMessageIs = "\",\"message\":\"";
constexpr std::string_view kDetailIs = "\",\"details\":[{\"type\":\"conclave.base.v1.ErrorDetail\",\"value\":\"";
constexpr std::string_view kErrorEnds = "\"}]}";

std::string json_of(const Error& error) {
  base::v1::ErrorDetail detail;
  detail.set_errc(std::string(name_of(error.code)));
  std::string out(kCodeIs);
  out.append(connect_code_of(error.code)).append(kMessageIs).append(escaped(error.message));
  return out.append(kDetailIs).append(to_base64(view_of(detail.SerializeAsString()))).append(kErrorEnds);
}

std::optional<Error> error_of_own(std::string_view json) {
  const auto message = json.find(kMessageIs);
  const auto detail = json.rfind(kDetailIs);
  if (!json.starts_with(kCodeIs) || !json.ends_with(kErrorEnds)) return std::nullopt;
  if (message == json.npos || detail == json.npos || detail < message + kMessageIs.size()) return std::nullopt;
  const auto inside = [&](std::size_t from, std::size_t to) { return json.substr(from, to - from); };
  auto text = unescaped(inside(message + kMessageIs.size(), detail));
  const auto value = from_base64(inside(detail + kDetailIs.size(), json.size() - kErrorEnds.size()));
  base::v1::ErrorDetail known;
  if (!text || !value || !known.ParseFromArray(value->data(), static_cast<int>(value->size()))) return std::nullopt;
  return Error(errc_of_name(known.errc()), *std::move(text));
}

bool parse_json(std::string_view json, google::protobuf::Message& out) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // "debug" of other implementations
  return google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, &out, options).ok();
}

std::optional<Error> error_of(const base::v1::Error& message) {
  for (const auto& detail : message.details()) {
    base::v1::ErrorDetail known;
    if (detail.type() == kDetailType && known.ParseFromString(detail.value())) {
      return Error(errc_of_name(known.errc()), message.message());
    }
  }
  return std::nullopt;
}

// What a reply means that is not one of our servers' own: 502 and the like may hide a call that was made.
Errc errc_of_status(int status) {
  switch (status) {
    case 400: return Errc::kInvalid;
    case 401: return Errc::kUnauthenticated;
    case 403: return Errc::kAccess;
    case 404: case 405: case 501: return Errc::kNotSupported;
    case 413: return Errc::kMessageTooBig;
    case 429: return Errc::kOverloaded;
    case 503: return Errc::kUnavailable;
    default: return Errc::kUnknown;
  }
}

}  // namespace

std::string to_text(const OpId& id) {
  return std::to_string(raw(id.session)) + "-" + std::to_string(id.generation) + "-" + std::to_string(id.slot) + "-" +
         std::to_string(id.sequence);
}

Result<OpId> parse_op(std::string_view text) {
  const auto bad = Error(Errc::kInvalid, "conclave-op is not a session-generation-slot-sequence in decimal");
  std::array<std::uint64_t, 4> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '-')) return bad;
    const auto [stop, failure] = std::from_chars(at, end, numbers[i]);
    if (failure != std::errc()) return bad;
    at = stop;
  }
  const auto [session, generation, slot, sequence] = numbers;
  if (at != end || generation > UINT32_MAX || slot >= kSlotsPerSession || sequence == 0) return bad;
  return OpId{SessionId{session}, static_cast<std::uint32_t>(generation), static_cast<std::uint32_t>(slot), sequence};
}

HttpReply reply_of(const Error& error) {
  return {http_status_of(error.code), {{"content-type", std::string(kJsonType)}}, json_of(error)};
}

Error error_of(const HttpReply& reply) {
  if (auto own = error_of_own(reply.body)) return *std::move(own);
  base::v1::Error message;
  if (parse_json(reply.body, message)) {
    if (auto error = error_of(message)) return *std::move(error);
  }
  const std::string said = message.message().empty() ? "" : ": " + message.message();
  return Error(errc_of_status(reply.status), "HTTP status " + std::to_string(reply.status) + said);
}

std::string envelope_of(std::uint8_t flags, std::string_view message) {
  CHECK(message.size() <= UINT32_MAX);
  std::string out;
  out.reserve(kEnvelopePrefix + message.size());
  out += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(message.size() >> shift & 0xff);
  return out.append(message);
}

std::string end_of_stream(const Status& reason) {
  return envelope_of(kEndOfStream, reason ? "{}" : "{\"error\":" + json_of(reason.error()) + "}");
}

Status reason_of_end(std::string_view end_of_stream_json) {
  base::v1::EndOfStream message;
  if (!parse_json(end_of_stream_json, message)) return Error(Errc::kUnknown, "a stream's end that is not JSON");
  if (!message.has_error()) return {};
  if (auto error = error_of(message.error())) return *std::move(error);
  return Error(Errc::kUnknown, message.error().code() + ": " + message.error().message());
}

void EnvelopeReader::feed(std::string_view piece) {
  buffer_.erase(0, read_);
  read_ = 0;
  buffer_.append(piece);
}

Result<std::optional<EnvelopeReader::Envelope>> EnvelopeReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(read_);
  if (rest.size() < kEnvelopePrefix) return std::optional<Envelope>();
  std::size_t size = 0;
  for (std::size_t i = 1; i < kEnvelopePrefix; ++i) size = size << 8 | static_cast<std::uint8_t>(rest[i]);
  if (size > kMaxUnaryBodyBytes) return Error(Errc::kMessageTooBig, "an envelope of " + std::to_string(size) + " bytes");
  if (rest.size() - kEnvelopePrefix < size) return std::optional<Envelope>();
  read_ += kEnvelopePrefix + size;
  return std::optional(Envelope{static_cast<std::uint8_t>(rest[0]), rest.substr(kEnvelopePrefix, size)});
}

}  // namespace conclave
