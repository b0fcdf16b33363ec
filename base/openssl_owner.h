// Owners of OpenSSL's objects, for the few files that include OpenSSL.
#pragma once

#include <memory>

namespace conclave {

// std::unique_ptr<BIO, Freed<BIO_free>>
template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

}  // namespace conclave
