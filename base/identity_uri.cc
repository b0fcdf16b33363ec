#include "base/identity_uri.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace conclave {
namespace {

constexpr std::string_view kScheme = "conclave://";
constexpr std::size_t kMaxSubjectName = 64;

constexpr std::array<std::string_view, 7> kRoleNames = {"dir", "lock", "file", "vault", "host", "user", "guest"};

bool is_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxSubjectName && std::ranges::all_of(name, allowed);
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() <= 128 && from_hex(text).has_value();
}

Status check_subject(const CertificateSubject& subject) {
  if (!is_name(subject.name)) {
    return Error(Errc::kInvalid, "'" + subject.name + "' is not a name of 1 to 64 of a-z 0-9 . _ -");
  }
  if (subject.role == Role::kUser && !is_hex(subject.device_kid_hex)) {
    return Error(Errc::kInvalid, "a user's certificate needs the id of a device in hexadecimal");
  }
  return {};
}

Result<std::uint32_t> take_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return Errc::kUnauthenticated;
  return value;
}

// "uid=1001&gid=1001&device=KIDHEX", in this order.
Status read_user(std::string_view query, Peer& peer) {
  const auto field = [&](std::string_view key) -> std::string_view {
    if (!query.starts_with(key)) return {};
    const std::string_view value = query.substr(key.size(), query.find('&') - key.size());
    query.remove_prefix(std::min(query.size(), key.size() + value.size() + 1));
    return value;
  };
  peer.uid = TRY(take_number(field("uid=")));
  peer.gid = TRY(take_number(field("gid=")));
  peer.device_kid_hex = std::string(field("device="));
  return {};
}

}  // namespace

std::string_view name_of(Role role) { return kRoleNames[static_cast<std::size_t>(role)]; }

Result<Role> role_of_name(std::string_view name) {
  for (std::size_t i = 0; i < kRoleNames.size(); ++i) {
    if (kRoleNames[i] == name) return static_cast<Role>(i);
  }
  return Error(Errc::kInvalid, "'" + std::string(name) + "' is not a role");
}

std::string identity_authority(Role role, const ClusterId& cluster) {
  return std::string(name_of(role == Role::kGuest ? Role::kUser : role)) + "." + to_hex(cluster);
}

Result<std::string> write_identity(const CertificateSubject& subject, const ClusterId& cluster) {
  TRY(check_subject(subject));
  std::string uri = std::string(kScheme) + identity_authority(subject.role, cluster) + "/" + subject.name;
  if (subject.role == Role::kUser) {
    uri += "?uid=" + std::to_string(subject.uid) + "&gid=" + std::to_string(subject.gid) +
           "&device=" + subject.device_kid_hex;
  }
  return uri;
}

Result<Peer> read_identity(std::string_view uri, const ClusterId& cluster) {
  const auto unreadable = Error(Errc::kUnauthenticated, "an identity that cannot be read");
  const auto dot = uri.find('.');
  const auto slash = uri.find('/', kScheme.size());
  if (!uri.starts_with(kScheme) || dot == uri.npos || slash == uri.npos || slash < dot) return unreadable;
  const auto question = std::min(uri.find('?', slash), uri.size());
  const auto role = role_of_name(uri.substr(kScheme.size(), dot - kScheme.size()));
  if (!role) return unreadable;
  if (uri.substr(dot + 1, slash - dot - 1) != to_hex(cluster)) {
    return Error(Errc::kUnauthenticated, "a certificate of another cluster");
  }
  Peer peer;
  peer.role = *role == Role::kUser && question == uri.size() ? Role::kGuest : *role;
  peer.name = std::string(uri.substr(slash + 1, question - slash - 1));
  if (peer.role == Role::kUser && !read_user(uri.substr(question + 1), peer)) return unreadable;
  // Whatever else is odd about it: it is not what we write.
  const auto again = write_identity({peer.role, peer.name, peer.uid, peer.gid, peer.device_kid_hex}, cluster);
  if (!again || *again != uri) return unreadable;
  return peer;
}

}  // namespace conclave
