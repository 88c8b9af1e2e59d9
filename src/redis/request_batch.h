// RequestBatch: complete requests with all their keys hashed; storage is reused.
//
// Thread: the shard's.
#pragma once

#include <string_view>
#include <vector>

#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

class RequestBatch {
 public:
  struct Item {
    const CommandSpec* spec;
    size_t first_arg, args, first_key, keys;
    size_t input_end;  // offset behind the request in its session's input
    bool bad_keys;     // the arguments do not say which the keys are
  };

  void clear() {
    items_.clear();
    args_.clear();
    keys_.clear();
  }
  size_t size() const { return items_.size(); }
  bool full() const { return items_.size() >= kRequestsMax; }
  const Item& item(size_t i) const { return items_[i]; }

  Item& add(const CommandSpec* spec, Args args, size_t input_end) {
    items_.push_back({spec, args_.size(), args.size(), keys_.size(), 0, input_end, false});
    args_.insert(args_.end(), args.begin(), args.end());
    return items_.back();
  }
  void add_key(Item& item, const object::Key& key) {
    keys_.push_back(key);
    ++item.keys;
  }
  const std::vector<object::Key>& keys() const { return keys_; }
  Args args(const Item& item) const { return {args_.data() + item.first_arg, item.args}; }
  std::span<const object::Key> keys(const Item& item) const {
    return {keys_.data() + item.first_key, item.keys};
  }

 private:
  // What they prefetch must not push each other out of the core's own caches.
  static constexpr size_t kRequestsMax = 128;

  std::vector<Item> items_;
  std::vector<std::string_view> args_;
  std::vector<object::Key> keys_;
};

}  // namespace quorate::redis
