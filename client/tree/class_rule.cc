#include "client/tree/class_rule.h"

#include <sys/stat.h>

#include <string>

namespace conclave::client {
namespace {

bool holds_secrets(std::uint32_t mode) { return S_ISREG(mode) || S_ISDIR(mode); }

}  // namespace

bool is_secrets_folder(InodeId parent, std::string_view name) { return parent == kRootInode && name == kSecretsFolder; }

bool is_status_folder(InodeId parent, std::string_view name) { return parent == kRootInode && name == kStatusFolder; }

Status check_entry_class(InodeId parent, dir::v1::Class parent_class, std::string_view name, const dir::v1::Attr& told) {
  if (name == "." || name == "..") return {};
  const bool is_top = is_secrets_folder(parent, name);
  const bool secret = is_top || parent_class == dir::v1::SECRET;
  const bool says_secret = told.class_() == dir::v1::SECRET;
  const bool fits = secret ? says_secret && (is_top ? S_ISDIR(told.mode()) : holds_secrets(told.mode())) : !says_secret;
  if (fits) return {};
  return Error(Errc::kCorrupt, "the directory server says that '" + std::string(name) + "' is " +
                                   (secret ? "no secret, and it lies below /secrets" : "a secret, and it does not lie below /secrets"));
}

Status check_new_entry(dir::v1::Class parent_class, std::uint32_t mode) {
  if (parent_class == dir::v1::CHAT) return chat_is_closed();
  if (parent_class != dir::v1::SECRET || holds_secrets(mode)) return {};
  return Error(Errc::kNotPermitted, "below /secrets there are folders and regular files only");
}

Error chat_is_closed() {
  return {Errc::kNotSupported,
          "rooms are not sealed end to end yet, so nothing is written below /chat: it would lie at the servers in clear "
          "text; use a folder elsewhere"};
}

}  // namespace conclave::client
