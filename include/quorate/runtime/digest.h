// Message digests of OpenSSL.
//
// Thread: pure functions. Source: RFC 1321 (MD5: spreads tokens over the ring, protects nothing).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quorate::runtime {

using Md5 = std::array<uint8_t, 16>;

Md5 md5(std::string_view bytes);

}  // namespace quorate::runtime
