#include "quorate/runtime/digest.h"

#include <openssl/evp.h>
#include <stdexcept>

namespace quorate::runtime {

Md5 md5(std::string_view bytes) {
  Md5 digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL offers no MD5 here");
  }
  return digest;
}

}  // namespace quorate::runtime
