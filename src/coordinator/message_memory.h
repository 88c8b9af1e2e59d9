// MessageMemory: strings that have done their service, for those to come.
//
// A message of a turn takes some tens or hundreds of KiB, and lives for a round trip. Memory of
// that size that is given back to the allocator is soon given back to the kernel, and costs a fault
// for each of its pages when it is wanted again: under a pipelined load a seventh of a shard's
// time. What was given back last is taken first: it is likely to be in the cache. Thread: one.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace quorate::coordinator {

class MessageMemory {
 public:
  // Beyond that, in bytes of capacity, memory goes to the allocator.
  explicit MessageMemory(std::size_t bytes_max = std::size_t{4} << 20) : bytes_max_(bytes_max) {}

  // Empty, with the capacity of some former one.
  [[nodiscard]] std::string take() {
    if (kept_.empty()) return {};
    std::string taken = std::move(kept_.back());
    kept_.pop_back();
    bytes_ -= taken.capacity();
    return taken;
  }
  void give_back(std::string&& used) {
    if (bytes_ + used.capacity() > bytes_max_) return;
    bytes_ += used.capacity();
    used.clear();
    kept_.push_back(std::move(used));
  }
  // Does not leave a short message much more memory than it needs: it may stay, for a replica that
  // does not answer, and what stays is counted by its size.
  void fit(std::string& message) {
    if (message.capacity() <= 2 * message.size() + kSlackBytes) return;
    std::string exact(message);
    message.swap(exact);
    give_back(std::move(exact));
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kSlackBytes = 4096;

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;  // capacity of all that is kept
  std::vector<std::string> kept_;
};

}  // namespace quorate::coordinator
