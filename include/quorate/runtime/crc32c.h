// CRC-32C (Castagnoli), the checksum of journal batches, rows and peer frames: detects damage,
// resists no adversary.
//
// With SSE 4.2, which the build's x86-64 baseline has, three streams run at once (the instruction
// takes three cycles and starts one each cycle); elsewhere eight tables. Thread: any. Source: RFC
// 3720 appendix B.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quorate::runtime {

// The checksum of what `crc` was computed over, followed by `size` bytes at `data`; 0 begins a new
// one.
uint32_t crc32c_extend(uint32_t crc, const void* data, size_t size);

inline uint32_t crc32c(std::string_view bytes) {
  return crc32c_extend(0, bytes.data(), bytes.size());
}

// The same by tables, on every machine; for the build without the instruction and to check the
// other.
uint32_t crc32c_extend_portable(uint32_t crc, const void* data, size_t size);

}  // namespace quorate::runtime
