// Requests on their way to the node that coordinates their key, and the replies on their way back
// (DESIGN 8): what one node's redis room says to another's.
//
//   question = request …      request = db varint, flags u8, quorums, arguments varint, argument …
//                             quorums = nothing, or R u8, W u8 if a flag says so; 0: the cluster's
//   answer   = reply …        reply   = bytes as the client gets them, sized
//
// Replies stand in the order of the requests. A reply that begins with -TRYAGAIN says that nothing
// was done because this node is not, or not any more, the one to ask; a client never sees it unless
// its deadline passes. Decoding trusts nothing: an unknown command, one without exactly one key, or
// one for another shard makes the whole question malformed, and it is not answered.
// Thread: the shard's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/object/codec.h"
#include "quorate/redis/shard_engine.h"

#include "redis/batch_run.h"

namespace quorate::redis {

// The service of cluster::PeerCalls that runs requests.
inline constexpr uint8_t kRequestService = 3;

inline constexpr std::string_view kTryAgain = "-TRYAGAIN ";

void encode_request(const Request& request, std::string& out);
// Reads a request, without its keys; `args` keeps its arguments, which view the input. Nothing if
// it is malformed, or no request for a command and database that are here.
std::optional<Request> decode_request(object::ByteReader& in, ShardEngine& engine,
                                      std::vector<std::string_view>& args);
// Adds the requests of a question to `run`. False if it is malformed; `run` is not to be started.
bool decode_requests(std::string_view question, BatchRun& run);
// The answer. REQUIRES: all have run.
std::string encode_replies(const BatchRun& run);

// Serves the requests of other nodes.
void serve_peer_requests(ShardEngine& engine, cluster::PeerCalls& calls);

}  // namespace quorate::redis
