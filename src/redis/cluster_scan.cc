#include "redis/cluster_scan.h"

#include <charconv>
#include <optional>
#include <utility>

#include "quorate/redis/command_table.h"

#include "redis/arguments.h"
#include "redis/peer_requests.h"
#include "redis/slot_requests.h"

namespace quorate::redis {
namespace {

using cluster::ClusterView;

constexpr uint64_t kPageUs = 5'000'000;
constexpr uint64_t kPatienceUs = 2 * kPageUs;
constexpr size_t kCursorArg = 1;

// COUNT, if the options are such as SCAN takes; whoever walks finds fault with others.
uint64_t count_of(Args args) {
  uint64_t count = kScanCountUnlessGiven;
  for (size_t i = kScanOptionsBegin; i + 1 < args.size(); i += 2) {
    if (!same_name(args[i], "COUNT")) continue;
    std::from_chars(args[i + 1].data(), args[i + 1].data() + args[i + 1].size(), count);
  }
  return count;
}

}  // namespace

void ClusterScan::start(ShardEngine& engine, const Request& request, Finish finish) {
  std::make_shared<ClusterScan>(engine, request, std::move(finish))->begin();
}

ClusterScan::ClusterScan(ShardEngine& engine, const Request& request, Finish finish)
    : engine_(engine), finish_(std::move(finish)), patient_until_us_(now_us() + kPatienceUs) {
  request_.add(request);
  request_.seal();
}

void ClusterScan::begin() {
  const Args args = request_.request(0).args;
  const auto cursor = parse_cursor(args[kCursorArg]);
  if (!cursor || *cursor >= kWalkEnd) return run_here_alone();
  position_ = *cursor;
  wanted_ = count_of(args);
  ask();
}

// A cursor that no walk gave: of no slots, for the error or the end that Redis answers.
void ClusterScan::run_here_alone() {
  run_for_slots(engine_, request_.request(0), {},
                [self = shared_from_this()](std::string_view all) {
                  self->finish_([&](ReplyWriter& reply) { reply.raw(all); });
                });
}

void ClusterScan::ask() {
  if (!engine_.clustered()) return fail("TRYAGAIN this node is no member of the cluster any more");
  const ClusterView& view = *engine_.shard_cluster()->view();
  const unsigned begin = slot_of(position_);
  run_end_ = begin;
  const auto place = view.coordinator(static_cast<uint16_t>(run_end_));
  const bool own = place == view.self();
  const bool down =
      place == ClusterView::kNobody || (!own && is_down(view.member(place), asked_before_));
  if (down) return fail("CLUSTERDOWN Hash slot not served");
  asked_before_ = true;
  object::SlotSet run;
  for (; run_end_ < object::kSlots && run_end_ - begin < run_max_; ++run_end_) {
    const auto slot = static_cast<uint16_t>(run_end_);
    if (view.coordinator(slot) != place) break;
    run.add(slot);
  }
  const std::string cursor = std::to_string(position_);
  Request request = request_.request(0);
  std::vector<std::string_view> args(request.args.begin(), request.args.end());
  args[kCursorArg] = cursor;
  request.args = args;
  const std::optional<object::NodeId> node =
      own ? std::nullopt : std::optional(view.member(place).id);
  ask_for_slots(
      engine_, node, request, run, kPageUs,
      [self = shared_from_this()](cluster::PeerCalls::Answer answer) { self->answered(answer); });
}

void ClusterScan::answered(cluster::PeerCalls::Answer answer) {
  if (!answer) return try_again("CLUSTERDOWN the coordinator of the slot cannot be reached");
  if (answer->starts_with(kTryAgain)) return try_again(answer->substr(1, answer->find("\r\n") - 1));
  if (answer->starts_with(kSplit) && run_max_ > 1) {
    run_max_ = (run_end_ - slot_of(position_) + 1) / 2;
    return ask();
  }
  if (answer->starts_with('-')) return fail(answer->substr(1, answer->find("\r\n") - 1));
  const auto page = ScanPage::parse(*answer);
  // A walk ends behind where it began.
  const bool possible =
      page &&
      (page->cursor == 0 || (page->cursor > position_ && page->cursor <= slot_begin(run_end_)));
  if (!possible) return fail("ERR another node's answer makes no sense");
  take(*page);
}

void ClusterScan::take(const ScanPage& page) {
  const bool run_ended = page.cursor == 0;
  position_ = run_ended ? slot_begin(run_end_) : page.cursor;
  count_ += page.count;
  pages_.emplace_back(page.keys);
  if (!run_ended || position_ == kWalkEnd || count_ >= wanted_ || ++runs_ == kRunsMax) {
    return reply();
  }
  asked_before_ = false;
  run_max_ = object::kSlots;
  patient_until_us_ = now_us() + kPatienceUs;
  ask();
}

void ClusterScan::try_again(std::string_view why) {
  if (now_us() + kAskAgainUs > patient_until_us_) {
    // What has come is worth a page.
    return runs_ > 0 ? reply() : fail(why);
  }
  engine_.run_after(kAskAgainUs, [self = shared_from_this()] { self->ask(); });
}

void ClusterScan::fail(std::string_view text) {
  finish_([&](ReplyWriter& reply) { reply.error(text); });
}

void ClusterScan::reply() {
  finish_([&](ReplyWriter& reply) {
    reply.array(2);
    reply.bulk(std::to_string(position_ == kWalkEnd ? 0 : position_));
    reply.array(count_);
    for (const std::string& keys : pages_) reply.raw(keys);
  });
}

}  // namespace quorate::redis
