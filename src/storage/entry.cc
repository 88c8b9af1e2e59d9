#include "quorate/storage/entry.h"

#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace quorate::storage {
namespace {

constexpr bool is_blob_size(size_t payload_bytes) { return payload_bytes >= Entry::kBlobBytesMin; }

// What follows the header: the key, then the payload or the pointer to it.
constexpr size_t tail_bytes(size_t key_bytes, size_t payload_bytes) {
  return key_bytes + (is_blob_size(payload_bytes) ? sizeof(object::Blob*) : payload_bytes);
}

size_t blob_memory_bytes(size_t payload_bytes) {
  return is_blob_size(payload_bytes) ? allocation_bytes(sizeof(object::Blob) + payload_bytes) : 0;
}

}  // namespace

size_t allocation_bytes(size_t bytes) {
  if (bytes <= 8) return 8;
  if (bytes <= 128) return (bytes + 15) & ~size_t{15};
  const size_t step = std::bit_floor(bytes - 1) >> 2;
  return (bytes + step - 1) & ~(step - 1);
}

Entry* Entry::allocate(std::string_view key, const EntryState& state, size_t payload_bytes) {
  assert(key.size() < kKeyBytesMax && payload_bytes <= object::Blob::kMaxBytes);
  // All of its class, which assign() may come to use.
  void* memory =
      ::operator new(allocation_bytes(sizeof(Entry) + tail_bytes(key.size(), payload_bytes)));
  // The analyzer does not see that a class is never smaller than what was asked for.
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.PlacementNew)
  auto* entry = new (memory) Entry(key);
  entry->set_header(state);
  entry->payload_bytes_ = static_cast<uint32_t>(payload_bytes);
  std::memcpy(entry->bytes(), key.data(), key.size());
  return entry;
}

Entry* Entry::make(std::string_view key, const EntryState& state) {
  const std::string_view payload = state.payload;
  Entry* entry = allocate(key, state, payload.size());
  if (is_blob_size(payload.size())) {
    entry->hold_blob(object::Blob::make(payload));
  } else if (!payload.empty()) {
    std::memcpy(entry->bytes() + key.size(), payload.data(), payload.size());
  }
  return entry;
}

Entry* Entry::make(std::string_view key, const EntryState& state, object::BlobRef blob) {
  if (!is_blob_size(blob.size())) {
    EntryState inlined = state;
    inlined.payload = blob.view();
    return make(key, inlined);
  }
  Entry* entry = allocate(key, state, blob.size());
  entry->hold_blob(std::move(blob));
  return entry;
}

void Entry::destroy(Entry* entry) {
  if (is_blob_size(entry->payload_bytes_)) {
    const object::BlobRef released = object::BlobRef::attach(entry->held_blob());
  }
  entry->~Entry();
  ::operator delete(static_cast<void*>(entry));
}

bool Entry::assign(const EntryState& state) {
  const size_t size = state.payload.size();
  if (allocation_bytes(sizeof(Entry) + tail_bytes(key_bytes_, size)) != allocated_bytes() ||
      blob_memory_bytes(size) != blob_memory_bytes(payload_bytes_)) {
    return false;
  }
  if (is_blob_size(size)) {
    // Also when the payload is this entry's own: the new blob is made before the old one goes.
    object::BlobRef blob = object::Blob::make(state.payload);
    const object::BlobRef before = object::BlobRef::attach(held_blob());
    hold_blob(std::move(blob));
  } else if (size > 0) {
    std::memmove(bytes() + key_bytes_, state.payload.data(), size);
  }
  payload_bytes_ = static_cast<uint32_t>(size);
  set_header(state);
  return true;
}

object::BlobRef Entry::blob() const {
  if (!is_blob_size(payload_bytes_)) return {};
  // A second reference: attach() takes over the entry's own, the copy gives it back.
  object::BlobRef own = object::BlobRef::attach(held_blob());
  object::BlobRef shared = own;
  static_cast<void>(std::move(own).detach());
  return shared;
}

EntryState Entry::state() const { return {form(), dot(), hlc_, expiry_ms_, payload()}; }

void Entry::set_expiry(uint64_t expiry_ms, object::Dot dot, object::Hlc hlc) {
  EntryState state = this->state();
  state.expiry_ms = expiry_ms;
  state.dot = dot;
  state.hlc = hlc;
  set_header(state);
}

size_t Entry::memory_bytes() const { return allocated_bytes() + blob_memory_bytes(payload_bytes_); }

void Entry::touch_memory() const {
  const char* last = bytes() + tail_bytes(key_bytes_, payload_bytes_) - 1;
  [[maybe_unused]] const volatile char byte = *static_cast<const volatile char*>(last);
}

size_t Entry::allocated_bytes() const {
  return allocation_bytes(sizeof(Entry) + tail_bytes(key_bytes_, payload_bytes_));
}

void Entry::set_header(const EntryState& state) {
  const auto actor = static_cast<uint32_t>(state.dot.actor);
  assert(actor < kActorsMax);
  form_ = static_cast<uint32_t>(state.form) & 3u;
  actor_ = actor & (kActorsMax - 1);
  dot_n_ = state.dot.n;
  hlc_ = state.hlc;
  expiry_ms_ = state.expiry_ms;
}

std::string_view Entry::blob_view() const { return held_blob()->view(); }

object::Blob* Entry::held_blob() const {
  object::Blob* blob;
  std::memcpy(&blob, bytes() + key_bytes_, sizeof blob);
  return blob;
}

void Entry::hold_blob(object::BlobRef blob) {
  object::Blob* const held = std::move(blob).detach();
  std::memcpy(bytes() + key_bytes_, &held, sizeof held);
}

}  // namespace quorate::storage
