// HTTP/1.1 requests from a connection's bytes, by Boost.Beast's parser: the only file that includes Beast is its .cc.
// Knows no socket. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/transport.h"

namespace conclave {

class RequestReader {
 public:
  RequestReader();
  ~RequestReader();

  // Bytes that came: read into room() (never empty), then say how many.
  ByteSpan room();
  void came(std::size_t bytes);

  enum class Progress : std::uint8_t {
    kNeedsMore,
    kHeader,   // once, when the header is whole: look at it, set limits, go on
    kDone,     // take()
  };
  // kInvalid: no HTTP. kMessageTooBig: kMaxHeaderBytes or limit_body(). The connection is then of no more use.
  Result<Progress> parse();
  [[nodiscard]] bool begun() const;   // something of a request has come

  // From kHeader on.
  [[nodiscard]] bool is_post() const;
  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] std::optional<std::uint64_t> body_bytes() const;  // if the header says it
  [[nodiscard]] bool wants_continue() const;                      // the client waits for "100 Continue"
  void limit_body(std::size_t most_bytes);

  [[nodiscard]] bool keep_alive() const;
  HttpRequest take();   // once, after kDone; then the next request begins, with what of it has come already

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// The head of a reply whose body follows as it is.
std::string head_of(const HttpReply& reply, bool keep_alive);
// A piece of a reply whose head said "Transfer-Encoding: chunked"; the empty piece ends it.
std::string chunk_of(std::string_view piece);

}  // namespace conclave
