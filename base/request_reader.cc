#include "base/request_reader.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <cstdio>

#include "base/limits.h"

namespace conclave {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kReadBytes = 16u << 10;  // one TLS record

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

struct RequestReader::Inside {
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  bool header_told = false;

  void begin() {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
    parser->body_limit(kMaxUnaryBodyBytes);
    header_told = false;
  }
};

RequestReader::RequestReader() : inside_(std::make_unique<Inside>()) { inside_->begin(); }
RequestReader::~RequestReader() = default;

ByteSpan RequestReader::room() {
  const auto room = inside_->buffer.prepare(kReadBytes);
  return {static_cast<std::uint8_t*>(room.data()), room.size()};
}

void RequestReader::came(std::size_t bytes) { inside_->buffer.commit(bytes); }

Result<RequestReader::Progress> RequestReader::parse() {
  auto& parser = *inside_->parser;
  auto& buffer = inside_->buffer;
  while (!parser.is_done() && buffer.size() > 0) {
    boost::system::error_code ec;
    buffer.consume(parser.put(buffer.data(), ec));
    if (ec == http::error::need_more) {
      // Body bytes never stay here; what does is a line (of the header, of a chunk) without an end.
      if (buffer.size() <= kMaxHeaderBytes) break;
      return Error(Errc::kMessageTooBig, "a line of more than " + std::to_string(kMaxHeaderBytes) + " bytes");
    }
    if (ec) {
      const bool too_big = ec == http::error::body_limit || ec == http::error::header_limit;
      return Error(too_big ? Errc::kMessageTooBig : Errc::kInvalid, "not a request that is taken: " + ec.message());
    }
    if (parser.is_header_done() && !std::exchange(inside_->header_told, true)) {
      parser.eager(true);
      return Progress::kHeader;
    }
  }
  return parser.is_done() ? Progress::kDone : Progress::kNeedsMore;
}

bool RequestReader::begun() const { return inside_->buffer.size() > 0 || inside_->parser->got_some(); }

bool RequestReader::is_post() const { return inside_->parser->get().method() == http::verb::post; }

std::string_view RequestReader::path() const { return inside_->parser->get().target(); }

std::optional<std::uint64_t> RequestReader::body_bytes() const {
  const auto length = inside_->parser->content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

bool RequestReader::wants_continue() const {
  const std::string_view expects = inside_->parser->get()[http::field::expect];
  return beast::iequals(expects, "100-continue");
}

void RequestReader::limit_body(std::size_t most_bytes) { inside_->parser->body_limit(most_bytes); }

bool RequestReader::keep_alive() const { return inside_->parser->keep_alive(); }

HttpRequest RequestReader::take() {
  auto& from = inside_->parser->get();
  HttpRequest out;
  out.path = std::string(from.target());
  for (const auto& field : from) {
    std::string name(field.name_string());
    for (char& c : name) c = lower(c);
    out.headers.emplace_back(std::move(name), field.value());
  }
  out.body = std::move(from.body());
  inside_->begin();
  return out;
}

std::string head_of(const HttpReply& reply, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " ";
  out += std::string_view(http::obsolete_reason(static_cast<http::status>(reply.status)));
  for (const auto& [name, value] : reply.headers) out.append("\r\n").append(name).append(": ").append(value);
  out.append("\r\nContent-Length: ").append(std::to_string(reply.body.size()));
  if (!keep_alive) out += "\r\nConnection: close";
  return out += "\r\n\r\n";
}

std::string chunk_of(std::string_view piece) {
  std::array<char, 20> size{};
  const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
  return std::string(size.data(), static_cast<std::size_t>(length)).append(piece).append("\r\n");
}

}  // namespace conclave
