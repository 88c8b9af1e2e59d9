#include "redis/peer_requests.h"

#include <algorithm>
#include <vector>

#include "quorate/cluster/ring.h"
#include "quorate/object/codec.h"

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

// A request that a peer may have run here: of data, with one key of this shard.
bool decode_single(object::ByteReader& in, BatchRun& run, std::vector<std::string_view>& args) {
  ShardEngine& engine = run.engine();
  auto request = decode_request(in, engine, args);
  if (!request) return false;
  const Coordination coordination = request->spec->coordination;
  const bool data = coordination == Coordination::read || coordination == Coordination::write ||
                    coordination == Coordination::update;
  KeyIndexes indexes;
  if (!data || !keys_of(*request->spec, args, indexes) || indexes.size() != 1) return false;
  const auto key = object::Key::of(args[*indexes.begin()], request->db, engine.hash_seed());
  if (!engine.store().shape().owns(key.slot)) return false;
  request->keys = {&key, 1};
  run.add(*request);
  return true;
}

}  // namespace

void encode_request(const Request& request, std::string& out) {
  object::ByteWriter writer(out);
  writer.varint(request.db);
  writer.byte(static_cast<uint8_t>((request.protocol == 3 ? kResp3 : 0) |
                                   (request.no_touch ? kNoTouch : 0) |
                                   (request.quorums.empty() ? 0 : kOwnQuorums)));
  if (!request.quorums.empty()) {
    writer.byte(request.quorums.read);
    writer.byte(request.quorums.write);
  }
  writer.varint(request.args.size());
  for (const std::string_view arg : request.args) writer.sized(arg);
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

bool decode_requests(std::string_view question, BatchRun& run) {
  object::ByteReader in(question);
  std::vector<std::string_view> args;
  while (in.ok() && in.remaining() > 0) {
    if (!decode_single(in, run, args)) return false;
  }
  return in.ok() && run.size() > 0;
}

std::string encode_replies(const BatchRun& run) {
  std::string answer;
  object::ByteWriter writer(answer);
  for (size_t i = 0; i < run.size(); ++i) writer.sized(run.reply(i));
  return answer;
}

void serve_peer_requests(ShardEngine& engine, cluster::PeerCalls& calls) {
  calls.serve(kRequestService, [&engine](const object::NodeId&, std::string_view question,
                                         cluster::PeerCalls::Reply reply) {
    const auto run = std::make_shared<BatchRun>(engine);
    if (!decode_requests(question, *run)) return;
    engine.statistics().peer_commands += run->size();
    run->set_asker(reply);
    run->start(engine.loop(), [run = run.get(), reply] { reply(encode_replies(*run)); });
  });
}

}  // namespace quorate::redis
