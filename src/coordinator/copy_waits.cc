#include "quorate/coordinator/copy_waits.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "quorate/object/codec.h"

namespace quorate::coordinator {
namespace {

constexpr uint64_t kAnswerUs = 2'000'000;  // beside what the question waits for

}  // namespace

CopyWaits::CopyWaits(runtime::Loop& loop, cluster::PeerCalls& calls, Replicator& replicator)
    : loop_(loop), calls_(calls), replicator_(replicator) {
  calls_.serve(kService, [this](const object::NodeId&, std::string_view body,
                                cluster::PeerCalls::Reply reply) {
    const auto question = decode(body);
    if (!question) return;
    count(*question, [reply](unsigned copies) {
      const char byte = static_cast<char>(copies);
      reply({&byte, 1});
    });
  });
  replicator_.on_acknowledged([this](uint64_t first, uint64_t end) { heard(first, end); });
}

CopyWaits::~CopyWaits() { replicator_.on_acknowledged(nullptr); }

bool CopyWaits::reached(const Needs& needs, uint64_t turn) const {
  return std::ranges::all_of(needs, [&](const Need& need) {
    return need.copies == 0 || replicator_.copies(need.slot, turn) >= need.copies;
  });
}

void CopyWaits::wait(Needs needs, uint64_t turn, uint64_t timeout_us, Done done) {
  if (reached(needs, turn)) return done(true);
  const auto at = waiters_.emplace(turn, Waiter{std::move(needs), std::move(done), nullptr});
  at->second.timer = loop_.start_timer(timeout_us, 0, [this, at] {
    Waiter waiter = std::move(at->second);  // with the timer that calls
    waiters_.erase(at);
    waiter.done(false);
  });
}

// Only turns in [first, end) have come to be on one more replica.
void CopyWaits::heard(uint64_t first, uint64_t end) {
  std::vector<Done> reached_now;
  const auto last = waiters_.lower_bound(end);
  for (auto at = waiters_.lower_bound(first); at != last;) {
    if (reached(at->second.needs, at->first)) {
      reached_now.push_back(std::move(at->second.done));
      at = waiters_.erase(at);
    } else {
      ++at;
    }
  }
  for (Done& done : reached_now) done(true);
}

// ---- WAIT

std::string CopyWaits::encode(const Question& question) {
  std::string bytes;
  object::ByteWriter out(bytes);
  out.byte(static_cast<uint8_t>(question.wanted));
  out.varint(question.timeout_us);
  question.slots.encode(bytes);
  return bytes;
}

std::optional<CopyWaits::Question> CopyWaits::decode(std::string_view bytes) {
  object::ByteReader in(bytes);
  Question question;
  question.wanted = in.byte();
  question.timeout_us = in.varint();
  const auto slots = object::SlotSet::decode(in);
  if (!slots || slots->empty() || !in.finished() || question.timeout_us > kQuestionUs) return {};
  question.slots = *slots;
  return question;
}

// Replicas acknowledge in the order of turns: who has the last one that was opened has all before.
void CopyWaits::count(const Question& question, Counted done) {
  const uint64_t turn = replicator_.window().last_turn();
  Needs needs;
  for (const uint16_t slot : replicator_.one_of_each_group(question.slots)) {
    needs.push_back({slot, question.wanted});
  }
  wait(needs, turn, question.timeout_us, [this, needs, turn, done = std::move(done)](bool) mutable {
    unsigned least = UINT8_MAX;
    for (const Need& need : needs) least = std::min(least, replicator_.copies(need.slot, turn));
    done(least);
  });
}

void CopyWaits::ask(const object::NodeId& node, const Question& question, Answered done) {
  calls_.call(node, kService, encode(question),
              cluster::Patience::while_healthy(question.timeout_us + kAnswerUs),
              [done = std::move(done)](cluster::PeerCalls::Answer answer) mutable {
                if (!answer || answer->size() != 1) return done({});
                done(static_cast<uint8_t>(answer->front()));
              });
}

}  // namespace quorate::coordinator
