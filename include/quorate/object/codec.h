// The one byte codec of stored and sent structures: LEB128 varints, fixed 64-bit little endian,
// length-prefixed bytes.
//
// Encodings are canonical: there is one encoding of each value, and ByteReader refuses any other
// (an overlong varint is malformed), so equal values have equal bytes. A ByteReader fails once and
// for good: after the first bad read every read gives zero or an empty view, and ok() is false;
// loops over a decoded count must stop when ok() turns false. Nothing is ever read beyond the input
// and no count is trusted for an allocation, so memory stays within a constant factor of the input.
// Views returned point into the input. Thread: values, no shared state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace quorate::object {

// Totals of counters: 64-bit increments never overflow it.
__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

// Writes into memory that is known to suffice: for what is written in its place.
class PlaceWriter {
 public:
  static constexpr size_t kVarintBytesMax = 10;

  explicit PlaceWriter(char* out) : out_(out) {}

  void byte(uint8_t value) { *out_++ = static_cast<char>(value); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<uint8_t>(value | 0x80));
    byte(static_cast<uint8_t>(value));
  }
  void raw(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(out_, bytes.data(), bytes.size());
    out_ += bytes.size();
  }
  char* end() const { return out_; }

 private:
  char* out_;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }

  void varint(uint64_t value) {
    if (value < 0x80) return byte(static_cast<uint8_t>(value));
    std::array<char, PlaceWriter::kVarintBytesMax> bytes{};
    PlaceWriter place(bytes.data());
    place.varint(value);
    out_.append(bytes.data(), place.end());
  }

  // Zigzag, low half first: a small total of either sign takes two bytes.
  void signed128(Int128 value) {
    const auto zigzag = (static_cast<Uint128>(value) << 1) ^
                        static_cast<Uint128>(value < 0 ? Int128{-1} : Int128{0});
    varint(static_cast<uint64_t>(zigzag));
    varint(static_cast<uint64_t>(zigzag >> 64));
  }

  void fixed64(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<uint8_t>(value >> shift));
  }

  void raw(std::string_view bytes) { out_.append(bytes); }

  void sized(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

 private:
  std::string& out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] bool finished() const { return ok_ && rest_.empty(); }

  // Marks the input malformed: for what the caller finds wrong in a well-formed value.
  void reject() {
    ok_ = false;
    rest_ = {};
  }

  uint8_t byte() {
    if (rest_.empty()) {
      reject();
      return 0;
    }
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      if (!ok_) return 0;
      if ((shift == 63 && part > 1) || (shift > 0 && part == 0)) break;
      value |= static_cast<uint64_t>(part & 0x7f) << shift;
      if (part < 0x80) return value;
    }
    reject();
    return 0;
  }

  Int128 signed128() {
    const uint64_t low = varint();
    const uint64_t high = varint();
    const Uint128 zigzag = (static_cast<Uint128>(high) << 64) | low;
    return static_cast<Int128>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  }

  uint64_t fixed64() {
    const std::string_view bytes = raw(8);
    uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    }
    return value;
  }

  std::string_view raw(uint64_t size) {
    if (size > rest_.size()) {
      reject();
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view sized() { return raw(varint()); }

  // A count of items that take at least `item_bytes` each: more than the input can hold is
  // malformed.
  uint64_t count(std::size_t item_bytes) {
    const uint64_t items = varint();
    if (items > rest_.size() / item_bytes) {
      reject();
      return 0;
    }
    return items;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace quorate::object
