// TurnInput: what the connections of a shard have read in one turn of its loop, run together.
//
// A read is parsed, its keys hashed and their cells prefetched at once; the requests run when the
// turn ends or a batch is full. So the cache misses of many connections with one request each
// overlap just as those of one connection with many do. Requests of one connection keep their
// order; of different connections the one that was read first runs first.
//
// Thread: the shard's. A session that ends in a turn in which it has read runs that turn's input
// first: it is viewed here. Source: DESIGN section 3.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "quorate/storage/shard_store.h"

#include "redis/request_batch.h"

namespace quorate::redis {

class Session;

class TurnInput {
 public:
  explicit TurnInput(const storage::ShardStore& store);

  // Where the next read goes.
  std::span<char> read_space();
  // Takes over what was read to the start of read_space().
  void add(Session& session, size_t bytes);
  // Runs all that is held, and hands each session the rest of its read.
  void run();

  // For requests that come another way: empty, once what is held has run.
  RequestBatch& batch();
  // Starts fetching the entries of the batch's keys, whose cells are on their way.
  void prefetch_entries() const;

 private:
  struct Part {
    Session* session;
    std::string_view input;
    size_t first_item, end_item;
    size_t parsed, done;  // bytes of the input
  };

  const storage::ShardStore& store_;
  std::vector<char> space_;
  size_t used_ = 0;
  RequestBatch batch_;
  std::vector<Part> parts_;
  bool running_ = false;
};

}  // namespace quorate::redis
