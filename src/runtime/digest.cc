#include "quorate/runtime/digest.h"

#include <openssl/crypto.h>
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

Sha256 hmac_sha256(std::string_view key, std::string_view bytes) {
  // A null pointer would mean that there is no key, which is an error.
  const char* key_bytes = key.empty() ? "" : key.data();
  Sha256 digest{};
  size_t size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key_bytes, key.size(), data,
                bytes.size(), digest.data(), digest.size(), &size) == nullptr ||
      size != digest.size()) {
    throw std::runtime_error("OpenSSL offers no HMAC-SHA256 here");
  }
  return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace quorate::runtime
