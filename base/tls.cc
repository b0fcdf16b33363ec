#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>
#include <memory>

#include "base/openssl_owner.h"

namespace conclave {
namespace {

using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;

constexpr std::size_t kTogetherBytes = 48u << 10;  // with one more record: what goes to the kernel at once
constexpr std::size_t kKeptBytes = 4u << 10;       // of that buffer, by an idle connection
constexpr std::size_t kReadAheadBytes = 64u << 10;

Bio reading(ByteView bytes) { return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

Cert next_certificate(BIO* bio) { return Cert(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)); }

bool use_chain(SSL_CTX* context, const std::string& pem) {
  const Bio bio = reading(view_of(pem));
  const Cert leaf = next_certificate(bio.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (const Cert above = next_certificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, above.get()) != 1) return false;
  }
  return true;
}

// Nothing may be asked on a terminal for a key under a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

bool use_key(SSL_CTX* context, const SecretBytes& pem) {
  const Pkey key(PEM_read_bio_PrivateKey(reading(pem.view()).get(), nullptr, no_passphrase, nullptr));
  return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
}

bool believe(SSL_CTX* context, const std::string& ca_pem) {
  const Cert ca = next_certificate(reading(view_of(ca_pem)).get());
  return ca && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get()) == 1;
}

Bytes der_of(X509* cert) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(cert, &der);
  CHECK(size > 0);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

void set_options(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Idle connections give their 34 KiB back; what was written of a large body need not be written again.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // else each record costs two calls: its head, then the rest
  SSL_CTX_set_default_read_buffer_len(context, kReadAheadBytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

}  // namespace

// The bytes under OpenSSL. Four records go to the kernel at once: a call each for 16 KiB costs more than copying them.
// Writing to a closed connection is an error here, not a signal.
struct TlsConnection::Wire {
  explicit Wire(int s) : socket(s) {}

  const int socket;
  std::string outgoing;
  std::size_t sent = 0;   // of outgoing

  // False: not all of it went; errno says why.
  bool push() {
    while (sent < outgoing.size()) {
      const ssize_t size = send(socket, outgoing.data() + sent, outgoing.size() - sent, MSG_NOSIGNAL);
      if (size < 0) return false;
      sent += static_cast<std::size_t>(size);
    }
    outgoing.capacity() > kKeptBytes ? std::string().swap(outgoing) : outgoing.clear();
    sent = 0;
    return true;
  }

  static Wire& of(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

  // After a call that failed.
  static void set_retry(BIO* bio, int flag) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) BIO_set_flags(bio, flag | BIO_FLAGS_SHOULD_RETRY);
  }

  static int read(BIO* bio, char* into, std::size_t size, std::size_t* done) {
    BIO_clear_retry_flags(bio);
    const ssize_t got = recv(of(bio).socket, into, size, 0);
    if (got < 0) set_retry(bio, BIO_FLAGS_READ);
    *done = got > 0 ? static_cast<std::size_t>(got) : 0;
    return got > 0 ? 1 : 0;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
    BIO_clear_retry_flags(bio);
    Wire& wire = of(bio);
    if (wire.outgoing.size() >= kTogetherBytes && !wire.push()) {
      set_retry(bio, BIO_FLAGS_WRITE);
      return 0;
    }
    wire.outgoing.append(from, size);
    *done = size;
    return 1;
  }

  // OpenSSL flushes in handshakes only: what it waits for an answer to.
  static long control(BIO* bio, int command, long, void*) {
    if (command != BIO_CTRL_FLUSH) return 0;
    BIO_clear_retry_flags(bio);
    if (of(bio).push()) return 1;
    set_retry(bio, BIO_FLAGS_WRITE);
    return -1;
  }

  static BIO* make_bio(Wire* wire) {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
      CHECK(made && BIO_meth_set_read_ex(made, read) == 1 && BIO_meth_set_write_ex(made, write) == 1 &&
            BIO_meth_set_ctrl(made, control) == 1);
      return made;
    }();
    BIO* const bio = BIO_new(method);
    CHECK(bio != nullptr);
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
  }
};

void TlsServer::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Result<TlsServer> TlsServer::make(const TlsIdentity& identity) {
  TlsServer out;
  out.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = out.context_.get();
  CHECK(context != nullptr);
  set_options(context);
  const bool believed = believe(context, identity.ca_pem);
  const bool chain = use_chain(context, identity.own.chain_pem);
  const bool key = chain && use_key(context, identity.own.key_pem);
  ERR_clear_error();
  if (!believed) return Error(Errc::kInvalid, "the CA's certificate cannot be read");
  if (!chain) return Error(Errc::kInvalid, "the server's certificate cannot be read");
  if (!key) return Error(Errc::kInvalid, "the server's key cannot be read, or is not its certificate's");
  return out;
}

void TlsConnection::Free::operator()(SSL* connection) const { SSL_free(connection); }

TlsConnection::TlsConnection(const TlsServer& server, int socket)
    : wire_(std::make_unique<Wire>(socket)), connection_(SSL_new(server.context_.get())) {
  CHECK(connection_ != nullptr);
  BIO* const bio = Wire::make_bio(wire_.get());
  SSL_set_bio(connection_.get(), bio, bio);
  SSL_set_accept_state(connection_.get());
}

TlsConnection::~TlsConnection() = default;

TlsConnection::Step TlsConnection::after(int result) {
  if (result > 0) return Step::kDone;
  switch (SSL_get_error(connection_.get(), result)) {
    case SSL_ERROR_WANT_READ: return Step::kWantRead;
    case SSL_ERROR_WANT_WRITE: return Step::kWantWrite;
    default: break;
  }
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  failure_ = reason == nullptr ? "closed" : reason;
  ERR_clear_error();
  return Step::kOver;
}

TlsConnection::Step TlsConnection::handshake() {
  ERR_clear_error();
  const Step step = after(SSL_do_handshake(connection_.get()));
  if (step == Step::kOver) (void)wire_->push();  // the alert that says why
  return step;
}

TlsConnection::Step TlsConnection::read(ByteSpan into, std::size_t& got_bytes) {
  ERR_clear_error();
  return after(SSL_read_ex(connection_.get(), into.data(), into.size(), &got_bytes));
}

bool TlsConnection::has_more() const { return SSL_has_pending(connection_.get()) == 1; }

TlsConnection::Step TlsConnection::write(std::string_view& from) {
  ERR_clear_error();
  std::size_t went = 0;
  const Step step = after(SSL_write_ex(connection_.get(), from.data(), from.size(), &went));
  if (step == Step::kDone) from.remove_prefix(went);
  return step;
}

TlsConnection::Step TlsConnection::flush() {
  if (wire_->push()) return Step::kDone;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Step::kWantWrite : Step::kOver;
}

Result<TlsPeer> TlsConnection::peer(const ClusterId& cluster) const {
  const STACK_OF(X509)* const chain = SSL_get0_verified_chain(connection_.get());
  if (chain == nullptr || sk_X509_num(chain) < 2) return Error(Errc::kUnauthenticated, "no certificate");
  X509* const leaf = sk_X509_value(chain, 0);
  TlsPeer out;
  out.peer = TRY(peer_of_certificate(der_of(leaf), der_of(sk_X509_value(chain, 1)), cluster));
  std::tm until{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &until) != 1) return Error(Errc::kUnauthenticated, "no expiry");
  out.valid_until = WallTime{static_cast<std::int64_t>(timegm(&until)) * 1'000'000'000};
  return out;
}

}  // namespace conclave
