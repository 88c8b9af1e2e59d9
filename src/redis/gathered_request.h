// GatheredRequest: a request about all keys, in a cluster: every node that coordinates slots runs
// it for those (slot_requests.h), and their parts make the reply (gathered_reply.h; DESIGN 10).
//
// Every slot is answered for once. Slots whose node cannot be reached, or does not coordinate them
// any more, are asked for again, from whoever does, until nothing has come for patience_us(). What
// changes something is refused before anything is done if some slot lacks W replicas, and is never
// asked for a second time where it may have arrived: -UNCERTAIN. Nor is it atomic: others may see
// it done for some slots and not yet for others. Thread: the connection's shard. The engine
// outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/object/slot_set.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/runtime/error.h"

#include "redis/gathered_reply.h"
#include "redis/request_copies.h"

namespace quorate::redis {

class GatheredRequest : public std::enable_shared_from_this<GatheredRequest> {
 public:
  // What becomes of slots that nobody answers for.
  enum class Missing : uint8_t { fail, leave_out };
  // An error is the text of the reply. The reply is valid during the call.
  using Done =
      std::move_only_function<void(const runtime::Status& status, const GatheredReply& reply)>;

  // REQUIRES: the engine is clustered, and how the command is gathered is known to GatheredReply.
  static void start(ShardEngine& engine, const Request& request, Missing missing, Done done);

  GatheredRequest(ShardEngine& engine, const Request& request, Missing missing, Done done);

 private:
  struct Part {
    object::SlotSet slots;
    size_t size = 0;
  };

  void ask();
  void ask_again();
  runtime::Status share_out(std::vector<std::pair<cluster::ClusterView::Place, Part>>& parts);
  void answered(const Part& part, cluster::PeerCalls::Answer answer);
  void part_done(std::string_view reply, const Part& part);
  void refused(const Part& part, std::string_view why);
  void one_answered();
  void finish(runtime::Status status);
  bool changes() const { return request_.request(0).spec->has(command_flag::kWrite); }
  uint64_t part_us() const;
  // One node may hold a part up, then another is asked.
  uint64_t patience_us() const { return part_us() * (missing_ == Missing::fail ? 2 : 1); }
  uint64_t now_us() const { return engine_.loop().clock().monotonic_us(); }

  ShardEngine& engine_;
  RequestCopies request_;
  const Missing missing_;
  Done done_;
  GatheredReply reply_;
  object::SlotSet left_ = object::SlotSet::all();  // to be asked for
  size_t under_way_ = 0;                           // parts
  size_t slots_per_part_ = object::kSlots;         // of another node
  bool asked_before_ = false;
  bool some_done_ = false;
  uint64_t patient_until_us_ = 0;
  std::string refusal_;  // why some slots must be asked for again
  runtime::Status status_;
};

// Whether the whole reply is gathered, not a part of it by the command's function.
inline bool is_gathered(const CommandSpec& spec) {
  return spec.gather != Gather::none && spec.gather != Gather::sums;
}
// Answers such a request from all over the cluster.
void answer_from_cluster(ShardEngine& engine, const Request& request, Finish finish);

}  // namespace quorate::redis
