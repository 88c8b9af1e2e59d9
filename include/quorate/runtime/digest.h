// Message digests of OpenSSL.
//
// Thread: pure functions. Sources: RFC 1321 (MD5: spreads tokens over the ring, protects nothing),
// RFC 2104 and FIPS 180-4 (HMAC-SHA256: proves that a peer knows a secret).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::runtime {

using Md5 = std::array<uint8_t, 16>;
using Sha256 = std::array<uint8_t, 32>;

Md5 md5(std::string_view bytes);

// Any key, also the empty one.
Sha256 hmac_sha256(std::string_view key, std::string_view bytes);

// How long it takes depends on the sizes alone: what is compared with a secret is not found out by
// timing.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace quorate::runtime
