#include "redis/request_codec.h"

#include <algorithm>

#include "quorate/cluster/ring.h"

namespace quorate::redis {
namespace {

constexpr uint8_t kResp3 = 1, kNoTouch = 2, kOwnQuorums = 4;
constexpr uint8_t kFlags = kResp3 | kNoTouch | kOwnQuorums;

coordinator::QuorumChoice decode_quorums(object::ByteReader& in) {
  const uint8_t read = in.byte(), write = in.byte();
  const coordinator::QuorumChoice quorums{read, write};
  if (quorums.empty() || std::max(read, write) > cluster::Ring::kReplicasMax) in.reject();
  return quorums;
}

}  // namespace

size_t request_bytes_max(const Request& request) {
  constexpr size_t kBytes = 3;  // flags and quorums
  constexpr size_t kVarints = 2;
  size_t bytes = kBytes + kVarints * object::PlaceWriter::kVarintBytesMax;
  for (const std::string_view arg : request.args) {
    bytes += object::PlaceWriter::kVarintBytesMax + arg.size();
  }
  return bytes;
}

void encode_request_head(const Request& request, object::PlaceWriter& out) {
  out.varint(request.db);
  out.byte(static_cast<uint8_t>((request.protocol == 3 ? kResp3 : 0) |
                                (request.no_touch ? kNoTouch : 0) |
                                (request.quorums.empty() ? 0 : kOwnQuorums)));
  if (!request.quorums.empty()) {
    out.byte(request.quorums.read);
    out.byte(request.quorums.write);
  }
  out.varint(request.args.size());
}

void encode_request(const Request& request, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + request_bytes_max(request));
  object::PlaceWriter writer(out.data() + begin);
  encode_request_head(request, writer);
  for (const std::string_view arg : request.args) {
    writer.varint(arg.size());
    writer.raw(arg);
  }
  out.resize(static_cast<size_t>(writer.end() - out.data()));
}

std::optional<Request> decode_request(object::ByteReader& in, ShardEngine& engine,
                                      std::vector<std::string_view>& args) {
  const uint64_t db = in.varint();
  const uint8_t flags = in.byte();
  const bool own_quorums = (flags & kOwnQuorums) != 0;
  const auto quorums = own_quorums ? decode_quorums(in) : coordinator::QuorumChoice{};
  args.clear();
  for (uint64_t left = in.count(1); left > 0; --left) args.push_back(in.sized());
  const bool here = db < engine.store().shape().databases;
  if (!in.ok() || args.empty() || !here || (flags & ~kFlags) != 0) return std::nullopt;
  Request request;
  request.spec = engine.commands().find(args);
  request.args = args;
  request.db = static_cast<uint16_t>(db);
  request.protocol = (flags & kResp3) != 0 ? 3 : 2;
  request.no_touch = (flags & kNoTouch) != 0;
  request.quorums = quorums;
  const bool known = request.spec != nullptr && request.spec->handler != nullptr &&
                     request.spec->arity_fits(args.size());
  if (!known) return std::nullopt;
  return request;
}

}  // namespace quorate::redis
