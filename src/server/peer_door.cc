#include "server/peer_door.h"

#include <spdlog/spdlog.h>
#include <utility>

namespace quorate::server {
namespace {

using cluster::LaneRequest;

constexpr size_t kLooksMax = 128;
constexpr uint64_t kLanePatienceUs = 2'000'000;

}  // namespace

void PeerDoor::take(int descriptor) {
  if (looks_.size() >= kLooksMax) return runtime::refuse_socket(descriptor, {});
  const uint64_t id = ++looked_;
  const auto request = std::make_shared<LaneRequest>();
  looks_[id] = loop_.peek_socket(
      descriptor, {cluster::kLanePeekBytes, kLanePatienceUs},
      [request](std::string_view bytes) {
        *request = cluster::peek_lane(bytes);
        return request->state != LaneRequest::State::incomplete;
      },
      [this, id, request](runtime::Result<int> socket) {
        decided(id, std::move(socket), *request);
      });
}

void PeerDoor::decided(uint64_t id, runtime::Result<int> descriptor, const LaneRequest& request) {
  looks_.erase(id);
  if (!descriptor) return spdlog::debug("{}", descriptor.error().message);
  const bool known = request.state == LaneRequest::State::known;
  if (!known || request.lane == cluster::PeerLane::gossip) return ways_.gossip(*descriptor);
  ways_.shard(request, *descriptor);
}

}  // namespace quorate::server
