// SplitRequest: a request over several keys as requests of one key each, for a cluster, where every
// key may have another coordinator (DESIGN 10).
//
// The parts run on their own and their replies are put together as CommandSpec::combine says. The
// request is not atomic: other clients may see some of its parts done and others not. If a part
// fails, its error is the reply, and other parts may have been done. Thread: the connection's
// shard.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/shard_engine.h"

#include "redis/cluster_batch.h"

namespace quorate::redis {

class SplitRequest : public std::enable_shared_from_this<SplitRequest> {
 public:
  // Whether its arguments are so many for each key; else the request is an error.
  static bool divides(const Request& request);
  // The parts of `request`, whose command has a `per_key`; `whole` gets the reply. What the request
  // views must stay until the last part() is used. REQUIRES: divides(request).
  SplitRequest(const CommandTable& commands, const Request& request,
               std::shared_ptr<ReplySink> whole);

  size_t size() const { return keys_.size(); }
  // Valid until the next call.
  Request part(size_t i);
  std::shared_ptr<ReplySink> sink(size_t i);

 private:
  class Part;

  void replied(size_t i, std::string_view reply);
  std::string combined() const;

  const CommandSpec& spec_;
  const CommandSpec* part_spec_;
  Request request_;
  std::span<const object::Key> keys_;
  std::vector<std::string_view> part_args_;
  std::shared_ptr<ReplySink> whole_;
  std::vector<std::string> replies_;
  size_t missing_;
};

}  // namespace quorate::redis
