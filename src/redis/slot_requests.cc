#include "redis/slot_requests.h"

#include <memory>
#include <utility>

#include "redis/peer_requests.h"
#include "redis/request_copies.h"

namespace quorate::redis {
namespace {

// What a message of a link can hold beside its own header.
constexpr size_t kAnswerBytesMax = cluster::kMessageBodyBytesMax - 1024;

constexpr std::string_view kNotCoordinator =
    "-TRYAGAIN this node does not coordinate all of the slots\r\n";
constexpr std::string_view kTooLarge = "-ERR what one slot has is too much for one answer\r\n";

class SlotsRun : public std::enable_shared_from_this<SlotsRun> {
 public:
  using Done = std::move_only_function<void(std::string_view part)>;

  SlotsRun(ShardEngine& engine, const Request& request, const object::SlotSet& slots, Done done)
      : engine_(engine), slots_(slots), done_(std::move(done)) {
    copies_.add(request);
    copies_.seal();
  }

  void start() {
    Request request = copies_.request(0);
    request.slots = &slots_;
    bool deferred = false;
    engine_.run(request, part_, nullptr, [self = shared_from_this(), &deferred] {
      deferred = true;
      return Finish([self](const std::function<void(ReplyWriter&)>& write) {
        ReplyWriter reply(self->part_, self->copies_.request(0).protocol);
        write(reply);
        self->ended();
      });
    });
    if (!deferred) ended();
  }

 private:
  void ended() {
    engine_.coordinator().after_turn(
        engine_.loop(), [self = shared_from_this()] { self->done_(self->part_.view()); });
  }

  ShardEngine& engine_;
  RequestCopies copies_;
  const object::SlotSet slots_;
  Done done_;
  OutputBuffer part_;
};

void answer(cluster::PeerCalls::Reply reply, size_t slots, std::string_view part) {
  if (part.size() <= kPartBytesMax || (slots == 1 && part.size() <= kAnswerBytesMax)) {
    return reply(part);
  }
  if (slots == 1) return reply(kTooLarge);
  reply(std::string(kSplit) + std::to_string(part.size() / kPartBytesMax + 1) + "\r\n");
}

}  // namespace

std::string encode_slot_question(const object::SlotSet& slots, const Request& request) {
  std::string question;
  slots.encode(question);
  encode_request(request, question);
  return question;
}

std::unique_ptr<SlotQuestion> decode_slot_question(std::string_view question, ShardEngine& engine) {
  object::ByteReader in(question);
  const auto slots = object::SlotSet::decode(in);
  if (!slots || slots->empty()) return nullptr;
  auto decoded = std::make_unique<SlotQuestion>();
  decoded->slots = *slots;
  const auto request = decode_request(in, engine, decoded->args);
  if (!request || !in.finished() || request->spec->gather == Gather::none) return nullptr;
  decoded->request = *request;
  return decoded;
}

void run_for_slots(ShardEngine& engine, const Request& request, const object::SlotSet& slots,
                   std::move_only_function<void(std::string_view part)> done) {
  std::make_shared<SlotsRun>(engine, request, slots, std::move(done))->start();
}

void ask_for_slots(ShardEngine& engine, const std::optional<object::NodeId>& node,
                   const Request& request, const object::SlotSet& slots, uint64_t timeout_us,
                   cluster::PeerCalls::Done done) {
  if (!node) {
    return run_for_slots(engine, request, slots,
                         [done = std::move(done)](std::string_view part) mutable { done(part); });
  }
  ++engine.statistics().forwarded_commands;
  engine.shard_cluster()->calls().call(*node, kSlotService, encode_slot_question(slots, request),
                                       cluster::Patience::while_healthy(timeout_us),
                                       std::move(done));
}

void serve_slot_questions(ShardEngine& engine, cluster::PeerCalls& calls) {
  calls.serve(kSlotService, [&engine](const object::NodeId&, std::string_view body,
                                      cluster::PeerCalls::Reply reply) {
    const auto question = decode_slot_question(body, engine);
    if (question == nullptr) return;
    if (!engine.clustered() || !engine.shard_cluster()->coordinates(question->slots)) {
      return reply(kNotCoordinator);
    }
    ++engine.statistics().peer_commands;
    run_for_slots(engine, question->request, question->slots,
                  [reply, slots = question->slots.size()](std::string_view part) {
                    answer(reply, slots, part);
                  });
  });
}

}  // namespace quorate::redis
