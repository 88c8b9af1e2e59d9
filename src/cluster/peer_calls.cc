#include "quorate/cluster/peer_calls.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "quorate/object/codec.h"

namespace quorate::cluster {
using object::NodeId;

PeerCalls::PeerCalls(Parts parts, PeerLinksSettings settings)
    : loop_(parts.loop),
      directory_(parts.directory),
      life_(parts.random.next()),
      links_(PeerLinks::Parts{parts.loop, parts.connector, parts.random, *this},
             std::move(settings)) {}

PeerCalls::~PeerCalls() = default;

void PeerCalls::serve(uint8_t service, Service handler) {
  assert(!services_[service]);
  services_[service] = std::move(handler);
}

bool PeerCalls::send(const NodeId& to, Type type, uint64_t id, std::string_view service,
                     std::string_view body) {
  head_.clear();
  object::ByteWriter writer(head_);
  writer.fixed64(id);
  writer.raw(service);
  const bool awaited = type != question;  // a question that is not sent is known to be
  return links_.send(to, type, head_, body, awaited ? Need::awaited : Need::told);
}

// ---- asking

void PeerCalls::call(const NodeId& to, uint8_t service, std::string_view body, Patience patience,
                     Done done) {
  const uint64_t id = next_id_++;
  const char of = static_cast<char>(service);
  const bool up = links_.up(to);
  ++statistics_.asked;
  if (!send(to, question, id, {&of, 1}, body)) {
    ++statistics_.not_sent;
    return done(std::unexpected(CallFailure::not_sent));
  }
  const uint64_t now = loop_.clock().monotonic_us();
  const uint64_t deadline_us = now + patience.timeout_us + Patience::travel_us(body.size());
  Asked& asked = asked_[to];
  if (asked.open++ == 0) asked.waiting_us = now;
  open_.emplace(id, Open{to, deadline_us, up, patience.ends_with_health, std::move(done)});
  watch(deadline_us);
  watch_silence();
}

// Also of those that wait for a connection: they may still leave.
void PeerCalls::give_up_on(const NodeId& node) {
  std::vector<uint64_t> given_up;
  for (const auto& [id, open] : open_) {
    if (open.ends_with_health && open.to == node) given_up.push_back(id);
  }
  for (const uint64_t id : given_up) finish(id, std::unexpected(CallFailure::no_answer));
}

void PeerCalls::finish(uint64_t id, Answer result) {
  const auto at = open_.find(id);
  if (at == open_.end()) {
    ++statistics_.late;
    return;
  }
  Done done = std::move(at->second.done);
  --asked_[at->second.to].open;
  open_.erase(at);
  if (result) {
    ++statistics_.answered;
  } else if (result.error() == CallFailure::not_sent) {
    ++statistics_.not_sent;
  } else if (result.error() == CallFailure::no_answer) {
    ++statistics_.no_answer;
  }
  done(result);
}

void PeerCalls::on_up(const NodeId& node) {
  for (auto& [id, open] : open_) open.sent = open.sent || open.to == node;
  directory_.on_up(node);
}

void PeerCalls::on_down(const NodeId& node, const std::string& reason) {
  std::vector<std::pair<uint64_t, bool>> lost;
  for (const auto& [id, open] : open_) {
    if (open.to == node) lost.emplace_back(id, open.sent);
  }
  for (const auto& [id, sent] : lost) {
    finish(id, std::unexpected(sent ? CallFailure::no_answer : CallFailure::not_sent));
  }
  directory_.on_down(node, reason);
}

void PeerCalls::watch(uint64_t deadline_us) {
  if (watched_us_ <= deadline_us) return;
  watched_us_ = deadline_us;
  const uint64_t now = loop_.clock().monotonic_us();
  timer_ = loop_.start_timer(deadline_us - std::min(deadline_us, now), 0,
                             [this] { give_up_late_ones(); });
}

void PeerCalls::give_up_late_ones() {
  const uint64_t now = loop_.clock().monotonic_us();
  std::vector<uint64_t> late;
  uint64_t next_us = UINT64_MAX;
  for (const auto& [id, open] : open_) {
    uint64_t deadline_us = open.deadline_us;
    if (deadline_us <= now) deadline_us = std::max(deadline_us, put_off_until_us(open));
    if (deadline_us <= now) {
      late.push_back(id);
    } else {
      next_us = std::min(next_us, deadline_us);
    }
  }
  watched_us_ = UINT64_MAX;
  if (next_us != UINT64_MAX) watch(next_us);
  // Not yet connected is not "not sent": it may still leave.
  for (const uint64_t id : late) finish(id, std::unexpected(CallFailure::no_answer));
}

// Large answers that come together at a slow node take their time, and are not worth less for it.
uint64_t PeerCalls::put_off_until_us(const Open& open) const {
  const Asked& asked = asked_.at(open.to);
  if (!asked.delivers_us) return 0;
  return std::min(*asked.delivers_us + kDeliveryPauseUs,
                  open.deadline_us + Patience::travel_us(kMessageBodyBytesMax));
}

void PeerCalls::watch_silence() {
  constexpr uint64_t kLookUs = kSilenceUs / 4;
  if (silence_ != nullptr) return;
  silence_ = loop_.start_timer(kLookUs, 0, [this] {
    const auto timer = std::move(silence_);
    look_at_nodes();
    if (!open_.empty()) watch_silence();
  });
}

void PeerCalls::look_at_nodes() {
  const uint64_t now = loop_.clock().monotonic_us();
  std::vector<NodeId> silent;
  for (auto& [node, asked] : asked_) {
    if (asked.open == 0) continue;
    const uint64_t bytes = links_.large_frame_bytes(node);
    if (bytes > asked.large_frame_bytes) {
      asked.heard_us = now;
      asked.delivers_us = now;
    }
    asked.large_frame_bytes = bytes;
    const uint64_t since_us = std::max(asked.heard_us, asked.waiting_us);
    if (now >= since_us + kSilenceUs) silent.push_back(node);
  }
  for (const NodeId& node : silent) directory_.on_silent(node);
}

// ---- serving

void PeerCalls::on_message(const NodeId& from, uint8_t type, std::string_view body) {
  if (type != question && type != answered && type != unknown) return;  // of a later release
  asked_[from].heard_us = loop_.clock().monotonic_us();
  object::ByteReader in(body);
  const uint64_t id = in.fixed64();
  if (!in.ok()) {
    ++statistics_.malformed;
    return;
  }
  const std::string_view rest = body.substr(body.size() - in.remaining());
  if (type == question) return serve_question(from, id, rest);
  if (type == answered) return answered_by(from, id, rest);
  if (answers_for_another(from, id)) return;
  finish(id, std::unexpected(CallFailure::unknown_service));
}

void PeerCalls::answered_by(const NodeId& from, uint64_t id, std::string_view body) {
  if (!answers_for_another(from, id)) finish(id, body);
}

// Nobody answers what others were asked.
bool PeerCalls::answers_for_another(const NodeId& from, uint64_t id) {
  const auto at = open_.find(id);
  if (at == open_.end() || at->second.to == from) return false;
  ++statistics_.malformed;
  return true;
}

void PeerCalls::serve_question(const NodeId& from, uint64_t id, std::string_view rest) {
  if (rest.empty()) {
    ++statistics_.malformed;
    return;
  }
  const Service& service = services_[static_cast<uint8_t>(rest.front())];
  if (!service) {
    send(from, unknown, id, {}, {});
    return;
  }
  ++statistics_.served;
  service(from, rest.substr(1), Reply(*this, from, id));
}

void PeerCalls::answer(const NodeId& to, uint64_t id, std::string_view body) {
  send(to, answered, id, {}, body);
}

}  // namespace quorate::cluster
