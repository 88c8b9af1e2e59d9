#include "redis/peer_requests.h"

#include <vector>

#include "quorate/object/codec.h"

namespace quorate::redis {
namespace {

constexpr uint8_t kResp3 = 1, kNoTouch = 2;
constexpr uint8_t kFlags = kResp3 | kNoTouch;

// A request that a peer may have run here: of data, with one key of this shard.
bool may_run(const CommandSpec* spec, Args args, KeyIndexes& indexes) {
  if (spec == nullptr || spec->handler == nullptr || !spec->arity_fits(args.size())) return false;
  const bool data = spec->coordination == Coordination::read ||
                    spec->coordination == Coordination::write ||
                    spec->coordination == Coordination::update;
  return data && keys_of(*spec, args, indexes) && indexes.size() == 1;
}

bool decode_request(object::ByteReader& in, BatchRun& run, std::vector<std::string_view>& args) {
  ShardEngine& engine = run.engine();
  const uint64_t db = in.varint();
  const uint8_t flags = in.byte();
  args.clear();
  for (uint64_t left = in.count(1); left > 0; --left) args.push_back(in.sized());
  const auto& shape = engine.store().shape();
  if (!in.ok() || args.empty() || db >= shape.databases || (flags & ~kFlags) != 0) return false;
  const CommandSpec* const spec = engine.commands().find(args);
  KeyIndexes indexes;
  if (!may_run(spec, args, indexes)) return false;
  const auto key =
      object::Key::of(args[*indexes.begin()], static_cast<uint16_t>(db), engine.hash_seed());
  if (!shape.owns(key.slot)) return false;
  run.add({spec,
           args,
           {&key, 1},
           static_cast<uint16_t>(db),
           (flags & kResp3) != 0 ? 3 : 2,
           (flags & kNoTouch) != 0});
  return true;
}

}  // namespace

void encode_request(const Request& request, std::string& out) {
  object::ByteWriter writer(out);
  writer.varint(request.db);
  writer.byte(static_cast<uint8_t>((request.protocol == 3 ? kResp3 : 0) |
                                   (request.no_touch ? kNoTouch : 0)));
  writer.varint(request.args.size());
  for (const std::string_view arg : request.args) writer.sized(arg);
}

bool decode_requests(std::string_view question, BatchRun& run) {
  object::ByteReader in(question);
  std::vector<std::string_view> args;
  while (in.ok() && in.remaining() > 0) {
    if (!decode_request(in, run, args)) return false;
  }
  return in.ok() && run.size() > 0;
}

void serve_peer_requests(ShardEngine& engine, cluster::PeerCalls& calls) {
  calls.serve(kRequestService, [&engine](const object::NodeId&, std::string_view question,
                                         cluster::PeerCalls::Reply reply) {
    const auto run = std::make_shared<BatchRun>(engine);
    if (!decode_requests(question, *run)) return;
    engine.statistics().peer_commands += run->size();
    run->start(engine.loop(), [run = run.get(), reply] {
      std::string answer;
      object::ByteWriter writer(answer);
      for (size_t i = 0; i < run->size(); ++i) writer.sized(run->reply(i));
      reply(answer);
    });
  });
}

}  // namespace quorate::redis
