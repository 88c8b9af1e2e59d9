// ConflictPolicies: what becomes of values of a key that were written without knowledge of each
// other, by the beginning of its name (DESIGN 5). A setting of the cluster.
//
// No policy takes part in merging: under any of them replicas come to hold the same. `lww` has
// whoever reads such values supersede all but the newest at once, by a change like any other.
// Thread: immutable, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/member_list.h"

namespace quorate::cluster {

enum class ConflictPolicy : uint8_t {
  siblings,  // they stay until a client has seen them and writes
  lww,       // the last write wins
};

struct ConflictRule {
  static constexpr size_t kPrefixBytesMax = 1024;
  static constexpr size_t kRulesMax = 64;

  std::string prefix;
  ConflictPolicy policy = ConflictPolicy::siblings;

  friend bool operator==(const ConflictRule&, const ConflictRule&) = default;
};

class ConflictPolicies {
 public:
  ConflictPolicies() = default;
  // Of several rules with one prefix the last one counts.
  explicit ConflictPolicies(const std::vector<ConflictRule>& rules);
  // The cluster's, from the setting in its list; none if that makes no sense.
  static ConflictPolicies of(const MemberList& members);

  // The rule with the longest prefix of the name says; without one, siblings.
  ConflictPolicy of_key(std::string_view name) const;
  bool empty() const { return rules_.empty(); }
  // As a setting of a list, written by `writer`.
  Setting setting(const object::NodeId& writer) const;

  friend bool operator==(const ConflictPolicies&, const ConflictPolicies&) = default;

 private:
  std::vector<ConflictRule> rules_;  // the longest prefix first, then in order
};

}  // namespace quorate::cluster
