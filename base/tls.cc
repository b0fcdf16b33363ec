#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>
#include <memory>

namespace conclave {
namespace {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;

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

bool use_key(SSL_CTX* context, const SecretBytes& pem) {
  const Pkey key(PEM_read_bio_PrivateKey(reading(pem.view()).get(), nullptr, nullptr, nullptr));
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

// A socket under OpenSSL whose writing to a closed connection is an error and not a signal. The socket's number is
// the BIO's data.
int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int after_transfer(BIO* bio, ssize_t size, int retry_flag, std::size_t* done) {
  BIO_clear_retry_flags(bio);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
  }
  *done = size > 0 ? static_cast<std::size_t>(size) : 0;
  return size > 0 ? 1 : 0;
}

int socket_read(BIO* bio, char* into, std::size_t size, std::size_t* done) {
  return after_transfer(bio, recv(socket_of(bio), into, size, 0), BIO_FLAGS_READ, done);
}

int socket_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  return after_transfer(bio, send(socket_of(bio), from, size, MSG_NOSIGNAL), BIO_FLAGS_WRITE, done);
}

long socket_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* make_socket_bio(int socket) {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    CHECK(made && BIO_meth_set_read_ex(made, socket_read) == 1 && BIO_meth_set_write_ex(made, socket_write) == 1 &&
          BIO_meth_set_ctrl(made, socket_control) == 1);
    return made;
  }();
  BIO* const bio = BIO_new(method);
  CHECK(bio != nullptr);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

void set_options(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Idle connections give their 34 KiB back; what was written of a large body need not be written again.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

}  // namespace

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

TlsConnection::TlsConnection(const TlsServer& server, int socket) : connection_(SSL_new(server.context_.get())) {
  CHECK(connection_ != nullptr);
  BIO* const bio = make_socket_bio(socket);
  SSL_set_bio(connection_.get(), bio, bio);
  SSL_set_accept_state(connection_.get());
}

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
  return after(SSL_do_handshake(connection_.get()));
}

TlsConnection::Step TlsConnection::read(ByteSpan into, std::size_t& got_bytes) {
  ERR_clear_error();
  return after(SSL_read_ex(connection_.get(), into.data(), into.size(), &got_bytes));
}

TlsConnection::Step TlsConnection::write(std::string_view& from) {
  ERR_clear_error();
  std::size_t went = 0;
  const Step step = after(SSL_write_ex(connection_.get(), from.data(), from.size(), &went));
  if (step == Step::kDone) from.remove_prefix(went);
  return step;
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
