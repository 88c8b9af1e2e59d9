// RequestCopies: requests that outlive the input they were parsed from, in a few allocations for
// all of them.
//
// add() while requests are being collected, then seal(), then request(i). Thread: one at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

class RequestCopies {
 public:
  void add(const Request& request) {
    if (items_.empty()) reserve_some();
    items_.push_back({request, args_.size(), keys_.size()});
    for (const std::string_view arg : request.args) {
      args_.emplace_back(bytes_.size(), arg.size());
      bytes_.append(arg);
    }
    for (const object::Key& key : request.keys) {
      keys_.push_back(key);
      // Keys are arguments: remember which one.
      size_t arg = 0;
      while (request.args[arg].data() != key.name.data()) ++arg;
      key_args_.push_back(items_.back().first_arg + arg);
    }
  }

  // Nothing may be added after it.
  void seal() {
    views_.reserve(args_.size());
    for (const auto& [offset, size] : args_) {
      views_.emplace_back(std::string_view(bytes_).substr(offset, size));
    }
    for (size_t i = 0; i < keys_.size(); ++i) keys_[i].name = views_[key_args_[i]];
    for (Item& item : items_) {
      item.request.args = {views_.data() + item.first_arg, item.request.args.size()};
      item.request.keys = {keys_.data() + item.first_key, item.request.keys.size()};
    }
  }

  size_t size() const { return items_.size(); }
  const Request& request(size_t i) const { return items_[i].request; }

 private:
  struct Item {
    Request request;
    size_t first_arg, first_key;
  };

  // Growing from nothing would take most of the allocations of a short pipeline.
  void reserve_some() {
    constexpr size_t kRequests = 8;
    bytes_.reserve(kRequests * 128);
    args_.reserve(kRequests * 3);
    keys_.reserve(kRequests);
    key_args_.reserve(kRequests);
    items_.reserve(kRequests);
  }

  std::string bytes_;
  std::vector<std::pair<size_t, size_t>> args_;  // offset, size
  std::vector<std::string_view> views_;
  std::vector<object::Key> keys_;
  std::vector<size_t> key_args_;
  std::vector<Item> items_;
};

}  // namespace quorate::redis
