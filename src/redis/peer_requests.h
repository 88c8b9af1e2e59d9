// Requests on their way to the node that coordinates their key, and the replies on their way back
// (DESIGN 8): what one node's redis room says to another's.
//
//   question = request … (request_codec.h)
//   answer   = reply …      reply = bytes as the client gets them, sized
//
// Replies stand in the order of the requests. A reply that begins with -TRYAGAIN says that nothing
// was done because this node is not, or not any more, the one to ask; a client never sees it unless
// its deadline passes. Decoding trusts nothing: an unknown command, one without exactly one key, or
// one for another shard makes the whole question malformed, and it is not answered.
// Thread: the shard's.
#pragma once

#include <string>
#include <string_view>

#include "quorate/cluster/peer_calls.h"
#include "quorate/redis/shard_engine.h"

#include "redis/batch_run.h"

namespace quorate::redis {

// The service of cluster::PeerCalls that runs requests.
inline constexpr uint8_t kRequestService = 3;

inline constexpr std::string_view kTryAgain = "-TRYAGAIN ";

// Adds the requests of a question to `run`. False if it is malformed; `run` is not to be started.
bool decode_requests(std::string_view question, BatchRun& run);
// The answer. REQUIRES: all have run.
std::string encode_replies(const BatchRun& run);

// Serves the requests of other nodes.
void serve_peer_requests(ShardEngine& engine, cluster::PeerCalls& calls);

}  // namespace quorate::redis
