#include "quorate/cluster/conflict_policies.h"

#include <algorithm>

#include "quorate/object/codec.h"

namespace quorate::cluster {
namespace {

constexpr std::string_view kConflictPolicy = "conflict-policy";
constexpr uint8_t kRulesFormat = 1;

bool goes_before(const ConflictRule& one, const ConflictRule& other) {
  if (one.prefix.size() != other.prefix.size()) return one.prefix.size() > other.prefix.size();
  return one.prefix < other.prefix;
}

}  // namespace

ConflictPolicies::ConflictPolicies(const std::vector<ConflictRule>& rules) {
  for (const ConflictRule& rule : rules) {
    const auto at = std::ranges::lower_bound(rules_, rule, goes_before);
    if (at != rules_.end() && at->prefix == rule.prefix) {
      *at = rule;
    } else {
      rules_.insert(at, rule);
    }
  }
}

ConflictPolicy ConflictPolicies::of_key(std::string_view name) const {
  for (const ConflictRule& rule : rules_) {
    if (name.starts_with(rule.prefix)) return rule.policy;
  }
  return ConflictPolicy::siblings;
}

Setting ConflictPolicies::setting(const object::NodeId& writer) const {
  Setting setting{std::string(kConflictPolicy), 1, writer, {}};
  object::ByteWriter out(setting.value);
  out.byte(kRulesFormat);
  for (const ConflictRule& rule : rules_) {
    out.sized(rule.prefix);
    out.byte(static_cast<uint8_t>(rule.policy));
  }
  return setting;
}

ConflictPolicies ConflictPolicies::of(const MemberList& members) {
  const Setting* const setting = members.setting(kConflictPolicy);
  if (setting == nullptr) return {};
  object::ByteReader in(setting->value);
  if (in.byte() != kRulesFormat) return {};
  std::vector<ConflictRule> rules;
  while (in.ok() && in.remaining() > 0 && rules.size() < ConflictRule::kRulesMax) {
    ConflictRule rule{std::string(in.sized()), ConflictPolicy::siblings};
    const uint8_t policy = in.byte();
    if (policy > static_cast<uint8_t>(ConflictPolicy::lww)) return {};
    rule.policy = static_cast<ConflictPolicy>(policy);
    rules.push_back(std::move(rule));
  }
  return in.finished() ? ConflictPolicies(rules) : ConflictPolicies();
}

}  // namespace quorate::cluster
