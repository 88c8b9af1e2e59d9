#include "quorate/redis/output_buffer.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

namespace quorate::redis {

OutputBuffer::OutputBuffer(OutputBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      peak_(std::exchange(other.peak_, 0)),
      small_drains_(std::exchange(other.small_drains_, 0)) {}

OutputBuffer& OutputBuffer::operator=(OutputBuffer&& other) noexcept {
  if (this == &other) return *this;
  std::free(data_);
  data_ = std::exchange(other.data_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  begin_ = std::exchange(other.begin_, 0);
  end_ = std::exchange(other.end_, 0);
  peak_ = std::exchange(other.peak_, 0);
  small_drains_ = std::exchange(other.small_drains_, 0);
  return *this;
}

OutputBuffer::~OutputBuffer() { std::free(data_); }

void OutputBuffer::make_room(size_t bytes) {
  const size_t used = size();
  const size_t needed = used + bytes;
  // Moving less than half of the allocation to its front is paid for by the bytes that left.
  if (begin_ > 0 && needed <= capacity_ && used <= capacity_ / 2) {
    std::memmove(data_, data_ + begin_, used);
    begin_ = 0;
    end_ = used;
    return;
  }
  resize(std::bit_ceil(std::max({needed, capacity_ + 1, kSmallestBytes})));
}

void OutputBuffer::resize(size_t capacity) {
  const size_t used = size();
  if (begin_ > 0) std::memmove(data_, data_ + begin_, used);
  begin_ = 0;
  end_ = used;
  void* const grown = std::realloc(data_, capacity);
  if (grown == nullptr) throw std::bad_alloc();
  data_ = static_cast<char*>(grown);
  capacity_ = capacity;
}

// The buffer is empty. A large one that stays mostly unused is cut to what the last drains needed.
void OutputBuffer::note_drain() {
  if (end_ > capacity_ / 4) {
    small_drains_ = 0;
    peak_ = 0;
    return;
  }
  peak_ = std::max(peak_, end_);
  if (++small_drains_ < kDrainsBeforeShrink) return;
  begin_ = end_ = 0;
  resize(std::bit_ceil(std::max(peak_, kKeptBytes)));
  small_drains_ = 0;
  peak_ = 0;
}

void OutputBuffer::release_idle() {
  if (!empty()) return;
  std::free(std::exchange(data_, nullptr));
  capacity_ = begin_ = end_ = peak_ = 0;
  small_drains_ = 0;
}

}  // namespace quorate::redis
