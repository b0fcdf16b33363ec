#include "base/curl_transport.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "base/connect_wire.h"
#include "base/guarded.h"
#include "base/limits.h"

namespace conclave {
namespace {

// Below the server's kIdleConnection: what we take for open is.
constexpr auto kIdleReuse = std::chrono::duration_cast<std::chrono::seconds>(kIdleConnection * 3 / 4);
constexpr std::size_t kMaxIdleHandles = 64;       // to one server: more threads than that are rarely busy at once
constexpr long kBufferBytes = 128 << 10;          // both ways: chunk bytes come and go by the MiB
constexpr std::size_t kErrorBodyBytes = 64 << 10;  // of a reply to stream() that is no stream

// A failure here is memory, or an option that this libcurl was built without.
template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(curl, option, value) == CURLE_OK);
}

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Curl = std::unique_ptr<CURL, FreeCurl>;
using List = std::unique_ptr<curl_slist, FreeList>;

void append(List& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  CHECK(longer != nullptr);
  (void)list.release();
  list.reset(longer);
}

struct Identity {
  std::string ca_pem, chain_pem;
  SecretBytes key_pem;
};

curl_blob blob_of(ByteView bytes) {  // libcurl does not write to it
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size(), CURL_BLOB_NOCOPY};
}

// One connection to one server: an easy handle with its options.
struct Handle {
  std::shared_ptr<const Identity> identity;  // libcurl points into it
  List connect_to;
  Curl curl;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  MonoTime used{};
};

// One exchange in progress.
struct Exchange {
  const std::function<bool(std::string_view)>* take = nullptr;  // of stream()
  HttpReply reply{0, {}, {}};
  bool sent = false;         // the request may have left
  bool too_big = false;
  bool stopped = false;      // by `take`
  std::size_t most_bytes = kMaxUnaryBodyBytes;

  [[nodiscard]] bool is_stream() const { return take != nullptr && reply.status == 200; }
};

// Before each sending. Twice for one call means that libcurl found a kept-alive connection dead and would send
// again; whether the first one was read is not known, so the caller decides.
int before_request(void* user, char*, char*, int, int) {
  auto& exchange = *static_cast<Exchange*>(user);
  const bool again = std::exchange(exchange.sent, true);
  return again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

void begin_reply(Exchange& exchange, std::string_view status_line) {
  exchange.reply = HttpReply{0, {}, {}};
  const auto space = status_line.find(' ');
  if (space == status_line.npos) return;
  const char* const at = status_line.data() + space + 1;
  std::from_chars(at, status_line.data() + status_line.size(), exchange.reply.status);
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {
    begin_reply(exchange, line);
    return size;
  }
  const auto colon = line.find(':');
  if (colon == line.npos) return size;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::string_view value = line.substr(colon + 1);
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  value.remove_prefix(std::min(value.size(), value.find_first_not_of(" \t")));
  if (name == "content-length") {
    std::size_t length = 0;
    std::from_chars(value.data(), value.data() + value.size(), length);
    exchange.too_big |= length > exchange.most_bytes;
    if (exchange.too_big) return 0;
    exchange.reply.body.reserve(length);
  }
  exchange.reply.headers.emplace_back(std::move(name), value);
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.is_stream()) {
    exchange.stopped = !(*exchange.take)({data, size});
    return exchange.stopped ? 0 : size;
  }
  exchange.too_big |= exchange.reply.body.size() + size > exchange.most_bytes;
  if (exchange.too_big) return 0;
  exchange.reply.body.append(data, size);
  return size;
}

// Of stream(): libcurl calls it at least once a second.
int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.stopped = exchange.stopped || !(*exchange.take)({});  // it is also called once after the last piece
  return exchange.stopped ? 1 : 0;
}

std::string place_of(const Endpoint& to) { return to.host + ":" + std::to_string(to.port); }

// Alerts about certificates are sent in the handshake only: a server that sends one has read no request. In TLS 1.3
// it comes when our side believes the handshake done (RFC 8446 section 4.4.4).
bool is_certificate_alert(std::string_view text) {
  return text.find(" alert ") != text.npos &&
         (text.find("certificate") != text.npos || text.find("unknown ca") != text.npos ||
          text.find("access denied") != text.npos);
}

Error error_of(CURLcode code, const Exchange& exchange, const Handle& handle, const Endpoint& to) {
  const std::string text = handle.error_text[0] != 0 ? handle.error_text.data() : curl_easy_strerror(code);
  const std::string place = place_of(to);
  if (exchange.too_big) return Error(Errc::kMessageTooBig, place + " answered with more than is taken");
  if (is_certificate_alert(text)) {
    return Error(Errc::kUnavailable, "the server at " + place + " refused our certificate (expired? " + text + ")");
  }
  if (exchange.sent) {
    const std::string what = code == CURLE_OPERATION_TIMEDOUT ? " did not answer in time" : ": the connection was lost";
    return Error(Errc::kUnknown, place + what + " (" + text + ")");
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return Error(Errc::kUnavailable, "the server at " + place + " does not prove to be " + to.name + " (" + text + ")");
  }
  return Error(Errc::kUnavailable, place + " cannot be reached (" + text + ")");
}

// A sign of life every few seconds: a peer whose machine is gone ends a stream within 30 s.
int keep_alive(void*, curl_socket_t fd, curlsocktype) {
  const auto on = [&](int level, int option, int value) { (void)setsockopt(fd, level, option, &value, sizeof value); };
  on(SOL_SOCKET, SO_KEEPALIVE, 1);
  on(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  on(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  on(IPPROTO_TCP, TCP_KEEPCNT, 3);
  return CURL_SOCKOPT_OK;
}

void set_tls(CURL* curl, const Identity& identity) {
  curl_blob ca = blob_of(view_of(identity.ca_pem));
  curl_blob chain = blob_of(view_of(identity.chain_pem));
  curl_blob key = blob_of(identity.key_pem.view());
  set(curl, CURLOPT_CAINFO_BLOB, &ca);
  set(curl, CURLOPT_CAPATH, nullptr);  // the system's CAs vouch for nobody here
  set(curl, CURLOPT_SSLCERT_BLOB, &chain);
  set(curl, CURLOPT_SSLKEY_BLOB, &key);
  set(curl, CURLOPT_SSLCERTTYPE, "PEM");
  set(curl, CURLOPT_SSLKEYTYPE, "PEM");
  set(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3));
  set(curl, CURLOPT_TLS13_CIPHERS, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
  set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  set(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
}

// The URL names who must answer; the connection goes to host and port.
void set_connection(Handle& handle, const Endpoint& to) {
  CURL* const curl = handle.curl.get();
  const bool v6 = to.host.find(':') != to.host.npos;
  append(handle.connect_to, "::" + (v6 ? "[" + to.host + "]" : to.host) + ":" + std::to_string(to.port));
  set(curl, CURLOPT_CONNECT_TO, handle.connect_to.get());
  set(curl, CURLOPT_PROXY, "");
  set(curl, CURLOPT_PROTOCOLS_STR, "https");
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_TCP_NODELAY, 1L);
  set(curl, CURLOPT_MAXCONNECTS, 1L);
  set(curl, CURLOPT_MAXAGE_CONN, static_cast<long>(kIdleReuse.count()));
  set(curl, CURLOPT_BUFFERSIZE, kBufferBytes);
  set(curl, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  set(curl, CURLOPT_SOCKOPTFUNCTION, keep_alive);
  set(curl, CURLOPT_ERRORBUFFER, handle.error_text.data());
  set(curl, CURLOPT_PREREQFUNCTION, before_request);
  set(curl, CURLOPT_HEADERFUNCTION, on_header);
  set(curl, CURLOPT_WRITEFUNCTION, on_body);
  set(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
}

std::unique_ptr<Handle> make_handle(const Endpoint& to, std::shared_ptr<const Identity> identity) {
  auto handle = std::make_unique<Handle>();
  handle->identity = std::move(identity);
  handle->curl.reset(curl_easy_init());
  CHECK(handle->curl != nullptr);
  set_tls(handle->curl.get(), *handle->identity);
  set_connection(*handle, to);
  return handle;
}

// `timeout` zero: none. Returns the request's headers, which must live until the exchange is over.
List set_request(Handle& handle, const Endpoint& to, const HttpRequest& request, Exchange& exchange,
                 std::chrono::milliseconds timeout) {
  CURL* const curl = handle.curl.get();
  List lines;
  append(lines, "Expect:");
  for (const auto& [name, value] : request.headers) append(lines, name + (value.empty() ? ";" : ": " + value));
  const std::string url = "https://" + to.name + ":" + std::to_string(to.port) + request.path;
  set(curl, CURLOPT_URL, url.c_str());
  set(curl, CURLOPT_HTTPHEADER, lines.get());
  set(curl, CURLOPT_POSTFIELDS, request.body.data());
  set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  const auto connect = timeout.count() == 0 ? kHandshakeDeadline : std::min<std::chrono::milliseconds>(timeout, kHandshakeDeadline);
  set(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()));
  set(curl, CURLOPT_NOPROGRESS, exchange.take == nullptr ? 1L : 0L);
  set(curl, CURLOPT_XFERINFODATA, &exchange);
  set(curl, CURLOPT_PREREQDATA, &exchange);
  set(curl, CURLOPT_HEADERDATA, &exchange);
  set(curl, CURLOPT_WRITEDATA, &exchange);
  handle.error_text[0] = 0;
  return lines;
}

}  // namespace

// Idle handles, the last used first: few connections stay warm rather than many.
struct CurlTransport::Inside {
  Clock& clock;
  std::mutex mutex;
  std::shared_ptr<const Identity> identity GUARDED_BY(mutex);
  std::map<Endpoint, std::deque<std::unique_ptr<Handle>>> idle GUARDED_BY(mutex);  // the newest at the back

  std::unique_ptr<Handle> take(const Endpoint& to) {
    std::shared_ptr<const Identity> with;
    {
      const std::lock_guard lock(mutex);
      auto& free = idle[to];
      if (!free.empty()) {
        auto handle = std::move(free.back());
        free.pop_back();
        return handle;
      }
      with = identity;
    }
    return make_handle(to, std::move(with));
  }

  void give_back(const Endpoint& to, std::unique_ptr<Handle> handle) {
    handle->used = clock.now();
    std::deque<std::unique_ptr<Handle>> ended;  // closed without the mutex
    const std::lock_guard lock(mutex);
    if (handle->identity != identity) return ended.push_back(std::move(handle));
    auto& free = idle[to];
    const MonoTime now = handle->used;
    free.push_back(std::move(handle));
    while (free.size() > kMaxIdleHandles || now - free.front()->used > kIdleReuse) {
      ended.push_back(std::move(free.front()));
      free.pop_front();
    }
  }
};

CurlTransport::CurlTransport(const TlsIdentity& identity, Clock& clock) : inside_(new Inside{clock, {}, {}, {}}) {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(once == CURLE_OK);
  set_identity(identity);
}

CurlTransport::~CurlTransport() = default;

void CurlTransport::set_identity(const TlsIdentity& identity) {
  auto next = std::make_shared<Identity>();
  next->ca_pem = identity.ca_pem;
  next->chain_pem = identity.own.chain_pem;
  next->key_pem = identity.own.key_pem.clone();
  decltype(inside_->idle) ended;
  const std::lock_guard lock(inside_->mutex);
  inside_->identity = std::move(next);
  ended.swap(inside_->idle);
}

Result<HttpReply> CurlTransport::call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - inside_->clock.now());
  if (left.count() <= 0) return Error(Errc::kUnavailable, "no time is left to call " + place_of(to));
  auto handle = inside_->take(to);
  Exchange exchange;
  const List headers = set_request(*handle, to, request, exchange, left);
  const CURLcode code = curl_easy_perform(handle->curl.get());
  if (code != CURLE_OK) return error_of(code, exchange, *handle, to);  // and the handle goes, with its connection
  inside_->give_back(to, std::move(handle));
  return std::move(exchange.reply);
}

Status CurlTransport::stream(const Endpoint& to, const HttpRequest& request,
                             const std::function<bool(std::string_view piece)>& take) {
  auto handle = inside_->take(to);
  Exchange exchange;
  exchange.take = &take;
  exchange.most_bytes = kErrorBodyBytes;
  const List headers = set_request(*handle, to, request, exchange, {});
  const CURLcode code = curl_easy_perform(handle->curl.get());
  if (exchange.stopped) return {};
  if (code != CURLE_OK) return error_of(code, exchange, *handle, to);
  if (exchange.reply.status != 200) return conclave::error_of(exchange.reply);
  return {};
}

}  // namespace conclave
