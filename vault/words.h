// Six words that stand for a request on two screens: 66 bits of its hash, which an approver and a requester can compare
// by voice.
#pragma once

#include <string>
#include <string_view>

#include "base/crypto.h"

namespace conclave::vault {

std::string_view word_of(unsigned number);   // of 2048, by number modulo 2048
// The first 66 bits, 11 a word, most significant first.
std::string six_words(const Hash& rd);

}  // namespace conclave::vault
