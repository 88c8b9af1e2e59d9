// How one node tells another of a request: what it says and keeps of one that runs elsewhere or
// later.
//
//   request = db varint, flags u8, quorums, arguments varint, argument …
//   quorums = nothing, or R u8, W u8 if a flag says so; 0: the cluster's
//
// Decoding trusts nothing. Thread: any.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/codec.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

// An upper bound of what encode_request() writes.
size_t request_bytes_max(const Request& request);
// All that comes before the arguments; each of those is sized.
void encode_request_head(const Request& request, object::PlaceWriter& out);
void encode_request(const Request& request, std::string& out);
// Reads a request, without its keys; `args` keeps its arguments, which view the input. Nothing if
// it is malformed, or no request for a command and database that are here.
std::optional<Request> decode_request(object::ByteReader& in, ShardEngine& engine,
                                      std::vector<std::string_view>& args);

}  // namespace quorate::redis
