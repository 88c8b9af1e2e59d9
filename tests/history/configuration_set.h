// Configuration: one way in which the operations so far may have taken effect: the key's value, and
// of the operations under way, each in a slot, what is still open. ConfigurationSet: those of them
// that matter.
//
// Of an operation under way, `due` says that it must still take effect, `may` that it still can.
// An operation that nothing obliges (its client never got an answer, or it is known to fit in right
// before a write that replaced everything) is not due but may; one that took effect is neither. Of
// operations that change nothing only `due` is kept. So one configuration is at least as good as
// another with the same value if less is due and more may; the set drops what is not better than
// something else. Thread: one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "history/value_table.h"

namespace quorate::history {

// A set of slots, of at most 64 * kWords.
template <size_t kWords>
struct Slots {
  std::array<uint64_t, kWords> words{};

  bool has(size_t slot) const { return words[slot / 64] >> (slot % 64) & 1; }
  void add(size_t slot) { words[slot / 64] |= uint64_t{1} << (slot % 64); }
  void remove(size_t slot) { words[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }
  bool empty() const {
    for (const uint64_t word : words) {
      if (word != 0) return false;
    }
    return true;
  }
  bool within(const Slots& other) const {
    for (size_t i = 0; i < kWords; ++i) {
      if (words[i] & ~other.words[i]) return false;
    }
    return true;
  }
  Slots operator&(const Slots& other) const {
    Slots both;
    for (size_t i = 0; i < kWords; ++i) both.words[i] = words[i] & other.words[i];
    return both;
  }
  Slots without(const Slots& other) const {
    Slots left;
    for (size_t i = 0; i < kWords; ++i) left.words[i] = words[i] & ~other.words[i];
    return left;
  }
  // Calls `each` with every slot, ascending, until it returns false; false if it did.
  template <class Each>
  bool all_of(const Each& each) const {
    for (size_t i = 0; i < kWords; ++i) {
      for (uint64_t word = words[i]; word != 0; word &= word - 1) {
        if (!each(i * 64 + static_cast<size_t>(std::countr_zero(word)))) return false;
      }
    }
    return true;
  }
};

template <size_t kWords>
struct Configuration {
  ValueId value = kNil;
  // How many operations that nothing obliges took effect one after the other just now.
  uint32_t unobserved = 0;
  Slots<kWords> due;
  Slots<kWords> may;

  bool at_least_as_good_as(const Configuration& other) const {
    return due.within(other.due) && other.may.within(may);
  }
};

template <size_t kWords>
class ConfigurationSet {
 public:
  using Item = Configuration<kWords>;

  void clear() {
    for (const Item& item : items_) first_[item.value] = kNone;
    items_.clear();
    next_.clear();
    alive_.clear();
    live_ = 0;
  }

  // `comparisons` grows by the work done. False if something in the set is as good.
  bool insert(const Item& item, uint64_t& comparisons) {
    if (first_.size() <= item.value) first_.resize(2 * size_t{item.value} + 16, kNone);
    uint32_t* link = &first_[item.value];
    while (*link != kNone) {
      const uint32_t other = *link;
      ++comparisons;
      if (items_[other].at_least_as_good_as(item)) return false;
      if (item.at_least_as_good_as(items_[other])) {
        alive_[other] = false;
        --live_;
        *link = next_[other];
      } else {
        link = &next_[other];
      }
    }
    next_.push_back(first_[item.value]);
    first_[item.value] = static_cast<uint32_t>(items_.size());
    items_.push_back(item);
    alive_.push_back(true);
    ++live_;
    return true;
  }

  // Indices stay until clear(); what was dropped since is not alive.
  size_t bound() const { return items_.size(); }
  bool alive(size_t index) const { return alive_[index]; }
  const Item& operator[](size_t index) const { return items_[index]; }
  bool empty() const { return live_ == 0; }
  size_t size() const { return live_; }

  // Changes what every configuration says of a slot that none of them knew, or all forget.
  template <class Change>
  void change_slots(const Change& change) {
    for (Item& item : items_) change(item);
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  std::vector<Item> items_;
  std::vector<uint32_t> next_;   // of the same value
  std::vector<uint32_t> first_;  // by value
  std::vector<bool> alive_;
  size_t live_ = 0;
};

}  // namespace quorate::history
