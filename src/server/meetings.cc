#include "server/meetings.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <utility>

namespace quorate::server {
namespace {

using object::NodeId;

constexpr uint64_t kMeetingPatienceUs = 15'000'000;  // of CLUSTER MEET, as Redis's node timeout
constexpr uint64_t kRetryUs = 1'000'000;
constexpr unsigned kRetryDoublingsMax = 5;  // seeds: up to every 32 s
constexpr uint64_t kAnswerUs = 1'000'000;   // for the exchange of lists

}  // namespace

std::string Meetings::Meeting::name() const {
  return fmt::format("{} {}:{}", kind == Kind::seed ? "Seed" : "CLUSTER MEET", whom.host,
                     whom.peer_port);
}

uint64_t Meetings::add(Kind kind, const ClusterSeed& whom) {
  const uint64_t id = ++begun_;
  Meeting& meeting = meetings_[id];
  meeting.kind = kind;
  meeting.whom = whom;
  meeting.give_up_us = now_us() + kMeetingPatienceUs;
  return id;
}

std::vector<ClusterSeed> Meetings::of_commands() const {
  std::vector<ClusterSeed> wanted;
  for (const auto& [id, meeting] : meetings_) {
    if (meeting.kind == Kind::command) wanted.push_back(meeting.whom);
  }
  return wanted;
}

void Meetings::attempt(uint64_t id) {
  const ClusterSeed& whom = meetings_.at(id).whom;
  parts_.links().meet(whom.host, whom.peer_port,
                      [this, id](runtime::Result<NodeId> met) { reached(id, std::move(met)); });
}

void Meetings::reached(uint64_t id, runtime::Result<NodeId> met) {
  const auto at = meetings_.find(id);
  if (at == meetings_.end()) return;
  Meeting& meeting = at->second;
  if (!met) {
    const std::string& reason = met.error().message;
    return failed(id, reason, reason.starts_with(cluster::kRefusedPrefix));
  }
  if (*met == parts_.self) {
    if (meeting.kind == Kind::command) spdlog::warn("{}: that is this node itself", meeting.name());
    meetings_.erase(at);
    return;
  }
  meeting.reached = *met;
  parts_.introduce(*met);
  meeting.timer =
      parts_.loop.start_timer(kAnswerUs, 0, [this, id, node = *met] { check(id, node); });
}

void Meetings::check(uint64_t id, const NodeId& node) {
  const auto at = meetings_.find(id);
  if (!parts_.is_member(node)) return failed(id, "it did not tell its members", false);
  spdlog::info("{}: met node {}", at->second.name(), object::node_id_text(node));
  meetings_.erase(at);
}

void Meetings::refused(const NodeId& node, const std::string& reason) {
  std::vector<uint64_t> with;
  for (const auto& [id, meeting] : meetings_) {
    if (meeting.reached == node) with.push_back(id);
  }
  for (const uint64_t id : with) failed(id, reason, true);
}

void Meetings::failed(uint64_t id, const std::string& reason, bool for_good) {
  Meeting& meeting = meetings_.at(id);
  const bool seed = meeting.kind == Kind::seed;
  const bool ends = !seed && (for_good || now_us() >= meeting.give_up_us);
  if (ends) {
    spdlog::warn("{} failed: {}", meeting.name(), reason);
    meetings_.erase(id);
    return;
  }
  meeting.reached.reset();
  if (meeting.failures == 0) spdlog::warn("{} has not worked yet: {}", meeting.name(), reason);
  const unsigned doublings = seed ? std::min(meeting.failures, kRetryDoublingsMax) : 0;
  ++meeting.failures;
  meeting.timer = parts_.loop.start_timer(kRetryUs << doublings, 0, [this, id] { attempt(id); });
}

}  // namespace quorate::server
