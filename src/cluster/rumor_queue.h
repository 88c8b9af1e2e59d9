// RumorQueue: news that this node still has to pass on, each so many times.
//
// News of the same subject replaces what was queued of it. A message takes what has left least
// often, newest first, up to its size. Thread: the control thread's.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cluster/gossip_message.h"

namespace quorate::cluster {

class RumorQueue {
 public:
  void add(const LivenessRumor& rumor);
  void add(const Member& member);
  void add(const Setting& setting);

  bool empty() const { return rumors_.empty(); }
  // Adds to `news` up to about `bytes_max`; what has left `times_max` times is dropped.
  void take(News& news, size_t bytes_max, unsigned times_max);

 private:
  struct Rumor {
    News news;  // exactly one record
    size_t bytes = 0;
    unsigned left = 0;  // how often
    uint64_t age = 0;   // higher: newer
  };
  void add(std::string subject, News news, size_t bytes);

  std::map<std::string, Rumor> rumors_;  // by subject
  uint64_t added_ = 0;
};

}  // namespace quorate::cluster
