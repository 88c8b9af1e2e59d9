#include "redis/peer_requests.h"

#include <vector>

#include "quorate/object/codec.h"

#include "redis/request_codec.h"

namespace quorate::redis {
namespace {

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
  run.add_held(*request);
  return true;
}

}  // namespace

bool decode_requests(std::string_view question, BatchRun& run) {
  object::ByteReader in(run.hold(question));
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
