// Rule: what a name may lead to, whatever the directory server says. Secrets are exactly what lies below /secrets: were
// it D's word, a lying D could let a program write a secret as plain bytes.
#pragma once

#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// The folder in the root; it is neither renamed nor removed.
inline constexpr std::string_view kSecretsFolder = "secrets";
bool is_secrets_folder(InodeId parent, std::string_view name);
// What the mount says of itself (client/status): found in the root by its name, and in no directory of D's.
inline constexpr std::string_view kStatusFolder = ".conclave";
bool is_status_folder(InodeId parent, std::string_view name);

// `told`: the attributes that D gives for `name` in a directory which passed this rule with the class `parent_class`.
// Below /secrets there are folders and regular files of class SECRET and nothing else: a symbolic link there would carry
// what is written out of it. Elsewhere nothing is a secret. kCorrupt.
Status check_entry_class(InodeId parent, dir::v1::Class parent_class, std::string_view name, const dir::v1::Attr& told);

// What may be made in a folder of that class: below /secrets kNotPermitted, below /chat nothing (kNotSupported).
Status check_new_entry(dir::v1::Class parent_class, std::uint32_t mode);

// Why nothing is written below /chat: until rooms are sealed end to end, it would lie at the servers in clear text.
Error chat_is_closed();

}  // namespace conclave::client
