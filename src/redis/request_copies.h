// RequestCopies: requests that outlive the input they were parsed from, in a few allocations for
// all of them.
//
// They are kept as one node tells another of them (request_codec.h): those for another node need no
// second copy, nor do those from one. add() while requests are being collected, or hold() and
// add_held(), then seal(), then request(i). Thread: one at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/codec.h"
#include "quorate/redis/shard_engine.h"

#include "redis/request_codec.h"

namespace quorate::redis {

class RequestCopies {
 public:
  void add(const Request& request) {
    if (items_.empty()) reserve_some();
    object::ByteWriter writer(bytes_);
    encode_request_head(request, writer);
    const size_t first_arg = args_.size();
    for (const std::string_view arg : request.args) {
      writer.varint(arg.size());
      args_.emplace_back(bytes_.size(), arg.size());
      writer.raw(arg);
    }
    add_item(request, first_arg);
  }

  // Encoded requests; returns where they are now. REQUIRES: nothing was added.
  std::string_view hold(std::string_view encoded) {
    bytes_ = encoded;
    return bytes_;
  }
  // REQUIRES: its arguments view what is held.
  void add_held(const Request& request) {
    const size_t first_arg = args_.size();
    for (const std::string_view arg : request.args) {
      args_.emplace_back(static_cast<size_t>(arg.data() - bytes_.data()), arg.size());
    }
    add_item(request, first_arg);
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
  std::string_view encoded() const { return bytes_; }
  const Request& request(size_t i) const { return items_[i].request; }

 private:
  struct Item {
    Request request;
    size_t first_arg, first_key;
  };

  void add_item(const Request& request, size_t first_arg) {
    items_.push_back({request, first_arg, keys_.size()});
    for (const object::Key& key : request.keys) {
      keys_.push_back(key);
      // Keys are arguments: remember which one.
      size_t arg = 0;
      while (request.args[arg].data() != key.name.data()) ++arg;
      key_args_.push_back(first_arg + arg);
    }
  }

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
