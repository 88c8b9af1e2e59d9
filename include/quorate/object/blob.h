// Immutable bytes that table, journal, peer frame, checkpoint and reply share without copying
// (DESIGN 3).
//
// A Blob is one allocation: reference count, size, bytes. Its bytes are written while it is built
// and never after. BlobRef is the handle, one pointer wide; a null BlobRef is the empty bytes, and
// building nothing gives null, so equality is of content. Thread: BlobRefs to one Blob may be
// copied and dropped in different threads; one BlobRef object belongs to one thread at a time.
// Sizes up to Blob::kMaxBytes (callers check what clients send).
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

namespace quorate::object {

class BlobRef;

class Blob {
 public:
  static constexpr std::size_t kMaxBytes = UINT32_MAX - 64;

  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;

  static BlobRef make(std::string_view bytes);

  // fill(std::span<char>) writes all `size` bytes. Not called when size is 0.
  template <class Fill>
  static BlobRef build(std::size_t size, Fill&& fill);

  [[nodiscard]] std::string_view view() const { return {bytes(), size_}; }

 private:
  friend class BlobRef;

  explicit Blob(uint32_t size) : size_(size) {}
  ~Blob() = default;

  static Blob* allocate(std::size_t size) {
    assert(size <= kMaxBytes);
    return new (::operator new(sizeof(Blob) + size)) Blob(static_cast<uint32_t>(size));
  }

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }

  // A sole owner needs no locked instruction: nobody else has a handle to copy.
  void release() {
    if (references_.load(std::memory_order_acquire) == 1 ||
        references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      this->~Blob();
      ::operator delete(static_cast<void*>(this));
    }
  }

  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }

  std::atomic<uint32_t> references_{1};
  uint32_t size_;
};

class BlobRef {
 public:
  BlobRef() = default;
  BlobRef(const BlobRef& other) : blob_(other.blob_) {
    if (blob_ != nullptr) blob_->retain();
  }
  BlobRef(BlobRef&& other) noexcept : blob_(std::exchange(other.blob_, nullptr)) {}
  BlobRef& operator=(BlobRef other) noexcept {
    std::swap(blob_, other.blob_);
    return *this;
  }
  ~BlobRef() {
    if (blob_ != nullptr) blob_->release();
  }

  [[nodiscard]] std::string_view view() const {
    return blob_ == nullptr ? std::string_view{} : blob_->view();
  }
  [[nodiscard]] std::size_t size() const { return blob_ == nullptr ? 0 : blob_->size_; }
  [[nodiscard]] bool empty() const { return blob_ == nullptr; }

  // What it takes of the heap, for memory accounting.
  [[nodiscard]] std::size_t heap_bytes() const {
    return blob_ == nullptr ? 0 : sizeof(Blob) + blob_->size_;
  }

  // Gives up the handle as a raw pointer for a packed table entry; attach() takes it back. The pair
  // must balance.
  [[nodiscard]] Blob* detach() && { return std::exchange(blob_, nullptr); }
  [[nodiscard]] static BlobRef attach(Blob* blob) { return BlobRef(blob); }

  friend bool operator==(const BlobRef& a, const BlobRef& b) {
    return a.blob_ == b.blob_ || a.view() == b.view();
  }

 private:
  friend class Blob;
  explicit BlobRef(Blob* blob) : blob_(blob) {}

  Blob* blob_ = nullptr;
};

template <class Fill>
BlobRef Blob::build(std::size_t size, Fill&& fill) {
  if (size == 0) return BlobRef{};
  Blob* blob = allocate(size);
  std::forward<Fill>(fill)(std::span<char>(blob->bytes(), size));
  return BlobRef(blob);
}

inline BlobRef Blob::make(std::string_view bytes) {
  return build(bytes.size(),
               [&](std::span<char> to) { std::memcpy(to.data(), bytes.data(), bytes.size()); });
}

}  // namespace quorate::object
