// ClusterScan: one call of SCAN in a cluster.
//
// The cursor is a position (key_walk.h), the same on every node: slots in order, within a slot the
// hash. A call goes to who coordinates the cursor's slot and walks the run of slots from there on
// that this node coordinates. If that run ends before COUNT keys have come, the call goes on with
// the next run, but with no more than kRunsMax; so an answer may have few keys or none, and a
// cursor all the same. Nothing is kept between calls: the next one may come to any node, and
// Redis's guarantee holds while coordinators have what was acknowledged: a key that is there
// throughout is answered, because each slot is walked to its end, whoever walks it. There is no
// quorum read: a coordinator that was away, or has just come, answers what it has by then. Thread:
// the connection's shard.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/object/slot_set.h"
#include "quorate/redis/shard_engine.h"

#include "redis/gathered_reply.h"
#include "redis/key_walk.h"
#include "redis/request_copies.h"

namespace quorate::redis {

inline constexpr uint64_t kScanCountUnlessGiven = 10;
inline constexpr size_t kScanOptionsBegin = 2;  // argument

class ClusterScan : public std::enable_shared_from_this<ClusterScan> {
 public:
  static constexpr unsigned kRunsMax = 512;  // so that a small key space is one page

  // REQUIRES: the engine is clustered.
  static void start(ShardEngine& engine, const Request& request, Finish finish);

  ClusterScan(ShardEngine& engine, const Request& request, Finish finish);

 private:
  void begin();
  void run_here_alone();
  void ask();
  void answered(cluster::PeerCalls::Answer answer);
  void take(const ScanPage& page);
  void try_again(std::string_view why);
  void fail(std::string_view text);
  void reply();
  uint64_t now_us() const { return engine_.loop().clock().monotonic_us(); }

  ShardEngine& engine_;
  RequestCopies request_;
  Finish finish_;
  uint64_t wanted_ = 0;                // keys: COUNT
  Position position_ = 0;              // everything below was answered
  unsigned run_end_ = 0;               // the slot behind the run under way
  unsigned run_max_ = object::kSlots;  // slots in it: fewer, if what they have is too much at once
  unsigned runs_ = 0;
  uint64_t count_ = 0;
  std::vector<std::string> pages_;  // encoded keys
  uint64_t patient_until_us_ = 0;
  bool asked_before_ = false;  // for this run
};

}  // namespace quorate::redis
