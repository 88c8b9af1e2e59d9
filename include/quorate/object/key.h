// Where a key lives: its slot, its keyed hash, and the one order of everything stored (DESIGN 4).
//
// key_slot is CRC16-XMODEM (polynomial 0x1021, initial 0) of the key's hash tag modulo 16384,
// exactly as the Redis Cluster specification says: the tag is what stands between the first '{' and
// the first '}' after it if that is not empty, else the whole key. key_hash is XXH3-64 under the
// cluster's seed. Both run for every request, hence inline. Thread: pure functions.
#pragma once

#define XXH_INLINE_ALL
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <xxhash.h>

#include "quorate/runtime/mutants.h"

namespace quorate::object {

inline constexpr uint16_t kSlots = 16384;

namespace crc16 {

using Tables = std::array<std::array<uint16_t, 256>, 8>;

// tables[k][b]: what byte b does to the remainder when k more bytes follow it.
constexpr Tables make_tables() {
  Tables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
    tables[0][byte] = static_cast<uint16_t>(crc);
  }
  for (unsigned k = 1; k < 8; ++k) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const unsigned before = tables[k - 1][byte];
      tables[k][byte] = static_cast<uint16_t>((before << 8) ^ tables[0][before >> 8]);
    }
  }
  return tables;
}

inline constexpr Tables kTables = make_tables();

// Slicing by eight (Kounavis and Berry 2005): the eight look-ups of a block do not wait for each
// other.
inline uint16_t checksum(std::string_view bytes) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  unsigned crc = 0;
  for (; left >= 8; left -= 8, p += 8) {
    crc = kTables[7][p[0] ^ (crc >> 8)] ^ kTables[6][p[1] ^ (crc & 0xffU)] ^ kTables[5][p[2]] ^
          kTables[4][p[3]] ^ kTables[3][p[4]] ^ kTables[2][p[5]] ^ kTables[1][p[6]] ^
          kTables[0][p[7]];
  }
  if (left >= 4) {
    crc = kTables[3][p[0] ^ (crc >> 8)] ^ kTables[2][p[1] ^ (crc & 0xffU)] ^ kTables[1][p[2]] ^
          kTables[0][p[3]];
    left -= 4;
    p += 4;
  }
  for (; left > 0; --left, ++p) crc = ((crc << 8) ^ kTables[0][(crc >> 8) ^ *p]) & 0xffffU;
  return static_cast<uint16_t>(crc);
}

}  // namespace crc16

inline std::string_view hash_tag(std::string_view key) {
  const auto open = key.find('{');
  if (open == std::string_view::npos) [[likely]] {
    return key;
  }
  const auto close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

inline uint16_t key_slot(std::string_view key) { return crc16::checksum(hash_tag(key)) % kSlots; }

inline uint64_t key_hash(std::string_view key, uint64_t seed) {
  const uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), seed);
  const bool collide = runtime::mutant(runtime::Mutant::hashes_collide) ||
                       runtime::mutant(runtime::Mutant::shared_row_unread);
  return collide ? hash & ~uint64_t{0} << 62 : hash;
}

struct Key {
  std::string_view name;  // not owned
  uint64_t hash = 0;
  uint16_t slot = 0;
  uint16_t db = 0;

  static Key of(std::string_view name, uint16_t db, uint64_t seed) {
    return Key{name, key_hash(name, seed), key_slot(name), db};
  }

  // The order of storage. Weak: keys whose hashes collide are equivalent and are told apart by
  // name.
  [[nodiscard]] std::weak_ordering order(const Key& other) const {
    const auto place = [](const Key& key) {
      return static_cast<uint32_t>(key.slot) << 16 | key.db;
    };
    if (const auto by_place = place(*this) <=> place(other); by_place != 0) return by_place;
    return hash <=> other.hash;
  }

  friend bool operator==(const Key& a, const Key& b) {
    return a.hash == b.hash && a.slot == b.slot && a.db == b.db && a.name == b.name;
  }
};

}  // namespace quorate::object
