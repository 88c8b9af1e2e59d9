#include "quorate/storage/saved_slot.h"

#include <map>

#include "quorate/object/codec.h"
#include "quorate/object/key.h"

namespace quorate::storage {
namespace {

constexpr uint8_t kFormat = 2;
constexpr uint8_t kRowsAhead = 1, kRowsShared = 2, kTombstones = 4, kFlushed = 8, kContexts = 16;
constexpr std::string_view kClockPrefix = "clock/";
constexpr std::string_view kCountPrefix = "count/";

std::string record_name(std::string_view prefix, uint16_t slot) {
  std::string name(prefix);
  name.push_back(static_cast<char>(slot >> 8));
  name.push_back(static_cast<char>(slot & 0xff));
  return name;
}

std::optional<uint16_t> slot_of(std::string_view name, std::string_view prefix) {
  if (name.size() != prefix.size() + 2) return std::nullopt;
  const auto high = static_cast<uint8_t>(name[prefix.size()]);
  const auto low = static_cast<uint8_t>(name[prefix.size() + 1]);
  const auto slot = static_cast<uint16_t>(high << 8 | low);
  return slot < object::kSlots ? std::optional(slot) : std::nullopt;
}

}  // namespace

std::string clock_record_name(uint16_t slot) { return record_name(kClockPrefix, slot); }
std::string count_record_name(uint16_t slot) { return record_name(kCountPrefix, slot); }

std::string encode_counts(const std::vector<SavedCounts>& counts) {
  std::string bytes;
  object::ByteWriter out(bytes);
  out.byte(kFormat);
  out.varint(counts.size());
  for (const SavedCounts& of : counts) {
    out.varint(of.db);
    out.varint(of.keys);
    out.varint(of.volatile_keys);
    out.fixed64(of.next_expiry_ms);
    out.byte(static_cast<uint8_t>(
        (of.rows_ahead ? kRowsAhead : 0) | (of.rows_shared ? kRowsShared : 0) |
        (of.tombstones != 0 ? kTombstones : 0) | (of.flushed.empty() ? 0 : kFlushed) |
        (of.contexts_ahead ? kContexts : 0)));
    if (of.tombstones != 0) out.varint(of.tombstones);
    if (!of.flushed.empty()) of.flushed.write_to(out);
  }
  return bytes;
}

std::optional<std::vector<SavedCounts>> decode_counts(std::string_view bytes) {
  object::ByteReader in(bytes);
  const uint8_t format = in.byte();
  if (format == 0 || format > kFormat) return std::nullopt;
  std::vector<SavedCounts> counts;
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    SavedCounts of;
    of.db = static_cast<uint16_t>(in.varint());
    of.keys = static_cast<uint32_t>(in.varint());
    of.volatile_keys = static_cast<uint32_t>(in.varint());
    of.next_expiry_ms = in.fixed64();
    const uint8_t flags = format == 1 ? kRowsAhead | kRowsShared : in.byte();
    if (flags >= 2 * kContexts) in.reject();
    of.rows_ahead = (flags & kRowsAhead) != 0;
    of.rows_shared = (flags & kRowsShared) != 0;
    of.contexts_ahead = (flags & kContexts) != 0;
    if ((flags & kTombstones) != 0) of.tombstones = static_cast<uint32_t>(in.varint());
    if ((flags & kFlushed) != 0) of.flushed = object::CausalContext::read_from(in);
    if (of.tombstones > of.keys) in.reject();
    counts.push_back(std::move(of));
  }
  if (!in.finished()) return std::nullopt;
  return counts;
}

runtime::Result<std::vector<SavedSlot>> read_saved_slots(RowStore::ReadTransaction& rows) {
  std::map<uint16_t, SavedSlot> slots;
  std::string problem;
  const auto read = [&](std::string_view prefix, auto&& take) {
    return rows.scan_meta(prefix, [&](std::string_view name, std::string_view value) {
      const auto slot = slot_of(name, prefix);
      if (!slot || !take(slots[*slot], value)) problem = name;
    });
  };
  auto status = read(kClockPrefix, [](SavedSlot& saved, std::string_view value) {
    auto clock = object::CausalContext::decode(value);
    if (clock) saved.clock = std::move(*clock);
    return clock.has_value();
  });
  if (!status) return std::unexpected(status.error());
  status = read(kCountPrefix, [](SavedSlot& saved, std::string_view value) {
    auto counts = decode_counts(value);
    if (counts) saved.databases = std::move(*counts);
    return counts.has_value();
  });
  if (!status) return std::unexpected(status.error());
  if (!problem.empty()) {
    return runtime::fail("the saved record of a slot is damaged or of a newer format: " +
                         problem.substr(0, problem.find('/')));
  }
  std::vector<SavedSlot> ordered;
  for (auto& [slot, saved] : slots) {
    saved.slot = slot;
    ordered.push_back(std::move(saved));
  }
  return ordered;
}

}  // namespace quorate::storage
