#include "quorate/runtime/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace quorate::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as little-endian");

constexpr uint32_t kPolynomial = 0x82f63b78;  // bit-reflected

// tables[k][b]: what byte b, followed by k zero bytes, leaves in the register.
constexpr std::array<std::array<uint32_t, 256>, 8> make_tables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr auto kTables = make_tables();

uint64_t load_word(const unsigned char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

#ifdef __SSE4_2__

constexpr size_t kStreamBytes =
    512;  // of each of the three streams; short, so that small batches gain too

// Moves a register over kStreamBytes zero bytes, four bits at a time (it is linear in its bits).
using ShiftTable = std::array<std::array<uint32_t, 16>, 8>;

constexpr ShiftTable make_shift_table() {
  std::array<uint32_t, 32> basis{};
  for (uint32_t bit = 0; bit < 32; ++bit) {
    uint32_t crc = uint32_t{1} << bit;
    for (size_t i = 0; i < kStreamBytes; ++i) crc = (crc >> 8) ^ kTables[0][crc & 0xff];
    basis[bit] = crc;
  }
  ShiftTable table{};
  for (uint32_t nibble = 0; nibble < 8; ++nibble) {
    for (uint32_t value = 0; value < 16; ++value) {
      uint32_t sum = 0;
      for (uint32_t bit = 0; bit < 4; ++bit) {
        if ((value >> bit & 1) != 0) sum ^= basis[nibble * 4 + bit];
      }
      table[nibble][value] = sum;
    }
  }
  return table;
}

constexpr ShiftTable kShift = make_shift_table();

uint64_t shift(uint64_t crc) {
  uint32_t sum = 0;
  for (uint32_t nibble = 0; nibble < 8; ++nibble) sum ^= kShift[nibble][crc >> (nibble * 4) & 15];
  return sum;
}

uint32_t extend_register(uint32_t crc, const unsigned char* at, size_t size) {
  uint64_t state = crc;
  while (size >= 3 * kStreamBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kStreamBytes; i += 8) {
      state = _mm_crc32_u64(state, load_word(at + i));
      second = _mm_crc32_u64(second, load_word(at + kStreamBytes + i));
      third = _mm_crc32_u64(third, load_word(at + 2 * kStreamBytes + i));
    }
    state = shift(shift(state) ^ second) ^ third;
    at += 3 * kStreamBytes;
    size -= 3 * kStreamBytes;
  }
  for (; size >= 8; at += 8, size -= 8) state = _mm_crc32_u64(state, load_word(at));
  auto last = static_cast<uint32_t>(state);
  for (; size > 0; ++at, --size) last = _mm_crc32_u8(last, *at);
  return last;
}

#endif

}  // namespace

uint32_t crc32c_extend(uint32_t crc, const void* data, size_t size) {
#ifdef __SSE4_2__
  return ~extend_register(~crc, static_cast<const unsigned char*>(data), size);
#else
  return crc32c_extend_portable(crc, data, size);
#endif
}

uint32_t crc32c_extend_portable(uint32_t crc, const void* data, size_t size) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t state = ~crc;
  for (; size >= 8; at += 8, size -= 8) {
    const uint64_t word = load_word(at) ^ state;
    state = 0;
    for (size_t i = 0; i < 8; ++i) state ^= kTables[7 - i][word >> (i * 8) & 0xff];
  }
  for (; size > 0; ++at, --size) state = (state >> 8) ^ kTables[0][(state ^ *at) & 0xff];
  return ~state;
}

}  // namespace quorate::runtime
