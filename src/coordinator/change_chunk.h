// ChangeChunk: some changes of a batch, brought to hand together.
//
// A replica applies what it is sent to keys all over memory, and waits for each of them in turn if
// it looks at one after the other. So a few are read first, their cells are prefetched, then their
// entries, and only then are they applied (DESIGN 3). Only changes that view nothing but the batch
// go in: those up to ChangeKind::remove. Thread: any one.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <span>

#include "quorate/object/change.h"
#include "quorate/object/key.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

class ChangeChunk {
 public:
  struct Item {
    object::Change change;
    object::Key key;
    boost::container::small_vector<object::Dot, 2> superseded;
  };

  static bool takes(const object::Change& change) {
    return change.kind <= object::ChangeKind::remove;
  }
  bool full() const { return size_ == items_.size(); }
  bool empty() const { return size_ == 0; }

  // REQUIRES: takes(change), !full(); the batch that it views stays until clear().
  void add(const object::Change& change, const object::Key& key) {
    Item& item = items_[size_++];
    item.change = change;
    item.key = key;
    item.superseded.assign(change.superseded.begin(), change.superseded.end());
    item.change.superseded = {item.superseded.data(), item.superseded.size()};
  }

  void prefetch(const storage::ShardStore& store) const {
    store.prefetch(0, size_, storage::ShardStore::For::change,
                   [this](size_t i) -> const auto& { return items_[i].key; });
  }

  std::span<const Item> items() const { return {items_.data(), size_}; }
  void clear() { size_ = 0; }

 private:
  // What they prefetch, some 600 bytes each, must not push each other out of the core's own caches.
  static constexpr size_t kItems = 32;

  std::array<Item, kItems> items_;
  size_t size_ = 0;
};

}  // namespace quorate::coordinator
