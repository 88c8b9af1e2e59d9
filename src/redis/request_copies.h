// RequestCopies: requests that outlive the input they were parsed from, in a few allocations for
// all of them.
//
// They are kept as one node tells another of them (request_codec.h): those for another node need no
// second copy, nor do those from one. add() while requests are being collected, or hold() and
// add_held(), then seal(), then request(i). Thread: one at a time.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "quorate/object/codec.h"
#include "quorate/redis/shard_engine.h"

#include "redis/request_codec.h"

namespace quorate::redis {

class RequestCopies {
 public:
  void add(const Request& request) {
    make_room(request_bytes_max(request));
    object::PlaceWriter writer(bytes_.get() + size_);
    encode_request_head(request, writer);
    const size_t first_arg = args_.size();
    for (const std::string_view arg : request.args) {
      writer.varint(arg.size());
      args_.emplace_back(writer.end(), arg.size());
      writer.raw(arg);
    }
    size_ = static_cast<size_t>(writer.end() - bytes_.get());
    add_item(request, first_arg);
  }

  // Encoded requests; returns where they are now. REQUIRES: nothing was added.
  std::string_view hold(std::string_view encoded) {
    make_room(encoded.size());
    object::PlaceWriter(bytes_.get()).raw(encoded);
    size_ = encoded.size();
    return this->encoded();
  }
  // REQUIRES: its arguments view what is held.
  void add_held(const Request& request) {
    const size_t first_arg = args_.size();
    args_.insert(args_.end(), request.args.begin(), request.args.end());
    add_item(request, first_arg);
  }

  // Nothing may be added after it.
  void seal() {
    for (Item& item : items_) {
      item.request.args = {args_.data() + item.first_arg, item.request.args.size()};
      item.request.keys = {keys_.data() + item.first_key, item.request.keys.size()};
    }
  }

  size_t size() const { return items_.size(); }
  std::string_view encoded() const { return {bytes_.get(), size_}; }
  const Request& request(size_t i) const { return items_[i].request; }

 private:
  struct Item {
    Request request;
    size_t first_arg, first_key;
  };
  // Growing from nothing would take most of the allocations of a short pipeline.
  static constexpr size_t kRequests = 8;
  static constexpr size_t kBytes = kRequests * 128;

  void add_item(const Request& request, size_t first_arg) {
    if (items_.empty()) {
      items_.reserve(kRequests);
      keys_.reserve(kRequests);
    }
    items_.push_back({request, first_arg, keys_.size()});
    for (const object::Key& key : request.keys) {
      // Keys are arguments.
      size_t arg = 0;
      while (request.args[arg].data() != key.name.data()) ++arg;
      keys_.push_back(key);
      keys_.back().name = args_[first_arg + arg];
    }
  }

  void make_room(size_t bytes) {
    if (capacity_ - size_ >= bytes) return;
    if (args_.empty()) args_.reserve(kRequests * 3);
    const size_t capacity = std::max({kBytes, 2 * capacity_, size_ + bytes});
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    object::PlaceWriter(grown.get()).raw(encoded());
    for (std::string_view& arg : args_) move(arg, grown.get());
    for (object::Key& key : keys_) move(key.name, grown.get());
    bytes_ = std::move(grown);
    capacity_ = capacity;
  }
  void move(std::string_view& view, const char* to) const {
    view = {to + (view.data() - bytes_.get()), view.size()};
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0, capacity_ = 0;
  std::vector<std::string_view> args_;  // in bytes_, as the keys' names are
  std::vector<object::Key> keys_;
  std::vector<Item> items_;
};

}  // namespace quorate::redis
