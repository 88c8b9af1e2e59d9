// A request about all keys (CommandSpec::gather) on its way to a node that coordinates some of the
// slots, and that node's part of the answer on its way back (DESIGN 10).
//
//   question = the slots (object::SlotSet), request (request_codec.h)
//   answer   = the part: a reply as CommandSpec::gather says, or an error
//
// Who is asked answers for all of these slots or for none: with -TRYAGAIN if it does not coordinate
// every one of them, so that no slot is answered for twice or by nobody, whatever two nodes think
// of the cluster. It gathers over its own shards. A part too large for one message is answered with
// "-SPLIT n": ask for about an n-th of the slots. Decoding trusts nothing; what is malformed is not
// answered. Thread: the shard's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/object/slot_set.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

// The service of cluster::PeerCalls that runs requests for slots.
inline constexpr uint8_t kSlotService = 8;
inline constexpr std::string_view kSplit = "-SPLIT ";
inline constexpr size_t kPartBytesMax = size_t{8} << 20;
// After which who was refused, or could not reach whom it asked, looks again whom to ask.
inline constexpr uint64_t kAskAgainUs = 20'000;

// Whether asking the node is in vain: it is held for dead, or suspected and was asked before.
inline bool is_down(const cluster::ClusterView::Node& node, bool asked_before) {
  return node.liveness == cluster::Liveness::dead || (asked_before && !node.healthy());
}

struct SlotQuestion {
  object::SlotSet slots;
  std::vector<std::string_view> args;
  Request request;  // views args
};

std::string encode_slot_question(const object::SlotSet& slots, const Request& request);
// Nothing if it is malformed. Views the question.
std::unique_ptr<SlotQuestion> decode_slot_question(std::string_view question, ShardEngine& engine);

// Runs the request for these slots on every shard of this node, whoever coordinates them; `done`
// gets the part when it may be answered for.
void run_for_slots(ShardEngine& engine, const Request& request, const object::SlotSet& slots,
                   std::move_only_function<void(std::string_view part)> done);

// Has the node, or this one, run the request for these slots.
void ask_for_slots(ShardEngine& engine, const std::optional<object::NodeId>& node,
                   const Request& request, const object::SlotSet& slots, uint64_t timeout_us,
                   cluster::PeerCalls::Done done);

// Serves the questions of other nodes.
void serve_slot_questions(ShardEngine& engine, cluster::PeerCalls& calls);

}  // namespace quorate::redis
