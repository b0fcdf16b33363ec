#include "vault/login_handover.h"

#include "vault/fields.h"

namespace conclave::vault {

SecretBytes encode_handover(const Login& login) {
  CanonicalWriter out = begin_body();
  out.lv(encode(login.cert)).raw(login.key.seed.view());
  Bytes bytes = std::move(out).bytes();
  SecretBytes secret = SecretBytes::copy_of(bytes);
  wipe(bytes);
  return secret;
}

Result<Login> parse_handover(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  const ByteView cert = in.lv(kMaxLoginCertBytes);
  const ByteView seed = in.raw(32);
  TRY(in.finish("login"));
  const LoginCert parsed = TRY(parse_login_cert(cert));
  Login login{signing_key_of_seed(seed), parsed};
  if (login.key.public_key != login.cert.key) return Error(Errc::kKeyRejected, "the login's key is not its certificate's");
  return login;
}

}  // namespace conclave::vault
