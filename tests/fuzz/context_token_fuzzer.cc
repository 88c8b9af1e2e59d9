// Arbitrary bytes as the context that a client brings.
//
// First byte: whether they are a token as typed, or what stands under its HMAC, which no fuzzer
// would ever get right. What opens must seal to the same text, and what decodes must encode to the
// same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "quorate/object/context_token.h"

namespace {

using namespace quorate::object;

constexpr ContextSeal::Subject kSubject{1, "key"};

void require(bool holds) {
  if (!holds) std::abort();
}

void check_token(std::string_view token) {
  static const ContextSeal seal(1);
  const auto opened = seal.open(token, kSubject);
  if (opened && !token.empty()) require(seal.seal(*opened, kSubject) == token);
}

void check_context(std::string_view bytes) {
  const auto decoded = NamedContext::decode(bytes);
  if (!decoded) return;
  std::string encoded;
  decoded->encode(encoded);
  require(encoded == bytes);
  ActorTable actors;
  for (const NamedContext::Run& run : decoded->runs) {
    require(run.first >= 1 && run.first <= run.last && run.last <= Dot::kMaxN);
    (void)actors.intern(run.actor);
  }
  require(NamedContext::of(decoded->known_to(actors), actors) == *decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    check_token(bytes);
  } else {
    check_context(bytes);
  }
  return 0;
}
