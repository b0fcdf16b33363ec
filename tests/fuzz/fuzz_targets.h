// Everything that reads bytes from outside of the process, as functions that take any bytes at all. A target aborts
// (CHECK, a sanitizer) when its reader does wrong; it has no other result. Built for libFuzzer with CONCLAVE_FUZZ
// (clang), one program each; and run by unit_fuzz over the seeds in corpus/<name>/, their prefixes and bit flips.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace conclave::fuzz {

void canonical(ByteView input);   // the bounded reader, driven by its own input
void text_forms(ByteView input);  // base64, base64url, hex
void router(ByteView input);      // a request: path, headers, empty line, body
void envelopes(ByteView input);   // a stream in pieces
void errors(ByteView input);      // an error reply, and a stream's end
void config(ByteView input);      // a TOML file
void tokens(ByteView input);      // sealed lease, pass, ticket, permit
void certificate(ByteView input);  // a peer's certificate, DER

struct Target {
  std::string_view name;
  void (*run)(ByteView input);
};
inline constexpr std::array<Target, 8> kTargets = {{
    {"canonical", canonical},
    {"text_forms", text_forms},
    {"router", router},
    {"envelopes", envelopes},
    {"errors", errors},
    {"config", config},
    {"tokens", tokens},
    {"certificate", certificate},
}};

}  // namespace conclave::fuzz
