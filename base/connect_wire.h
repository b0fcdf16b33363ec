// What both sides of the Connect protocol (https://connectrpc.com/docs/protocol) agree on: our headers, errors,
// and the envelopes of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/transport.h"

namespace conclave {

inline constexpr std::string_view kProtoType = "application/proto";
inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kStreamType = "application/connect+proto";
inline constexpr std::string_view kRawType = "application/octet-stream";

inline constexpr std::string_view kOpHeader = "conclave-op";            // an operation id
inline constexpr std::string_view kPassHeader = "conclave-pass";        // a sealed SessionPass in base64url
inline constexpr std::string_view kTimeoutHeader = "connect-timeout-ms";

// "session-generation-slot-sequence", each in decimal. kInvalid for anything else, a slot out of range, sequence 0.
std::string to_text(const OpId& id);
Result<OpId> parse_op(std::string_view text);

// Errors: {"code","message","details":[{"type":"conclave.base.v1.ErrorDetail","value":…}]} (error.proto). A body
// that is no such thing gives an error from the HTTP status. Bytes of a message that are not UTF-8 become '?'.
HttpReply reply_of(const Error& error);
Error error_of(const HttpReply& reply);

// An envelope: a byte of flags, the message's length in 4 bytes (big-endian), the message.
inline constexpr std::uint8_t kEndOfStream = 2;  // the message is an EndOfStream in JSON
std::string envelope_of(std::uint8_t flags, std::string_view message);
std::string end_of_stream(const Status& reason);
Status reason_of_end(std::string_view end_of_stream_json);  // success: closed without an error

// Takes a stream's bytes as they come and gives its envelopes back.
class EnvelopeReader {
 public:
  struct Envelope {
    std::uint8_t flags = 0;
    std::string_view message;  // until the next call
  };
  void feed(std::string_view piece);
  // Nothing: more bytes are needed. kMessageTooBig above kMaxUnaryBodyBytes: the stream is of no more use.
  Result<std::optional<Envelope>> next();
  [[nodiscard]] bool in_the_middle() const { return read_ < buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t read_ = 0;  // bytes of buffer_ given out already
};

}  // namespace conclave
