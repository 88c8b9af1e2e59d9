// What a node says of itself in the member list, at its start and when it is alone again.
//
// Thread: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quorate/cluster/member_list.h"
#include "quorate/server/cluster_control.h"

namespace quorate::server {

inline constexpr std::string_view kHashSeedSetting = "hash-seed";
cluster::Setting seed_setting(uint64_t seed, const object::NodeId& writer);
// Nothing if it is malformed.
std::optional<uint64_t> seed_of(const cluster::Setting& setting);

// The list to begin a life with, from the file's: this node's record as the configuration has it,
// with a higher version if that changed anything. While there are more members than copies, slots
// do not move because a node starts: its weight, zone and machine stay (a warning is logged).
cluster::MemberList list_at_start(const ClusterControlSettings& settings,
                                  std::optional<cluster::MemberList> file);
// Of a cluster of one. `before` is this node's record so far, or null.
cluster::MemberList list_alone(const ClusterControlSettings& settings,
                               const cluster::Member* before);

// "10.0.0.1" of "10.0.0.1:6379", "::1" of "[::1]:6379"; empty if it is no address of IP.
std::string ip_of(std::string_view address);
bool is_loopback(std::string_view ip);

}  // namespace quorate::server
