// The bytes on their way to one connection: replies are appended at the end, the socket takes them
// from the front.
//
// One contiguous allocation whose size is a power of two (a jemalloc size class), so that the whole
// of a loop turn's replies leaves in one write. It grows geometrically and keeps what a busy
// connection uses; it shrinks when it has been drained kDrainsBeforeShrink times in a row without
// using a quarter of it, and to nothing when release_idle() finds it empty.
//
// Invariant: begin_ <= end_ <= capacity_, and begin_ == end_ == 0 when empty. Pointers and views
// into the buffer are valid until the next call that is not const. Sizes are bytes. Running out of
// memory throws std::bad_alloc, as every container here. Thread: its connection's.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace quorate::redis {

class OutputBuffer {
 public:
  static constexpr size_t kSmallestBytes = 512;
  static constexpr size_t kKeptBytes = 16 * 1024;  // never shrunk below this while in use
  static constexpr uint32_t kDrainsBeforeShrink = 32;

  OutputBuffer() = default;
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;
  OutputBuffer(OutputBuffer&& other) noexcept;
  OutputBuffer& operator=(OutputBuffer&& other) noexcept;
  ~OutputBuffer();

  // Room for at least `bytes` behind the end; commit() says how much of it was written.
  char* reserve(size_t bytes) {
    if (capacity_ - end_ < bytes) [[unlikely]] {
      make_room(bytes);
    }
    return data_ + end_;
  }
  void commit(size_t bytes) {
    assert(bytes <= capacity_ - end_);
    end_ += bytes;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  const char* data() const { return data_ + begin_; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::string_view view() const { return {data_ + begin_, end_ - begin_}; }

  // What the connection costs in memory, whatever is in it.
  size_t capacity() const { return capacity_; }

  // Drops the first `bytes`, which the socket has taken. REQUIRES: bytes <= size().
  void consume(size_t bytes) {
    assert(bytes <= size());
    begin_ += bytes;
    if (begin_ == end_) drained();
  }
  void clear() { consume(size()); }

  // Cuts what was appended after the buffer had `bytes`: a reply is taken back.
  // REQUIRES: bytes <= size().
  void truncate(size_t bytes) {
    assert(bytes <= size());
    end_ = begin_ + bytes;
    if (bytes == 0) begin_ = end_ = 0;
  }

  // For a timer: gives the memory of an idle connection back.
  void release_idle();

 private:
  void make_room(size_t bytes);
  void resize(size_t capacity);
  void drained() {
    if (capacity_ > kKeptBytes) [[unlikely]] {
      note_drain();
    }
    begin_ = end_ = 0;
  }
  void note_drain();

  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t peak_ = 0;  // largest end_ of the drains counted in small_drains_
  uint32_t small_drains_ = 0;
};

}  // namespace quorate::redis
