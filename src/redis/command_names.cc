// The names that Redis gives to command flags, ACL categories and key flags, in its order.
#include "quorate/redis/command_table.h"

namespace quorate::redis {
namespace {

constexpr NamedBit kCommandFlagNames[] = {
    {command_flag::kWrite, "write"},
    {command_flag::kReadonly, "readonly"},
    {command_flag::kDenyOom, "denyoom"},
    {command_flag::kModule, "module"},
    {command_flag::kAdmin, "admin"},
    {command_flag::kPubsub, "pubsub"},
    {command_flag::kNoScript, "noscript"},
    {command_flag::kBlocking, "blocking"},
    {command_flag::kLoading, "loading"},
    {command_flag::kStale, "stale"},
    {command_flag::kSkipMonitor, "skip_monitor"},
    {command_flag::kSkipSlowlog, "skip_slowlog"},
    {command_flag::kAsking, "asking"},
    {command_flag::kFast, "fast"},
    {command_flag::kNoAuth, "no_auth"},
    {command_flag::kMayReplicate, "may_replicate"},
    {command_flag::kNoMandatoryKeys, "no_mandatory_keys"},
    {command_flag::kNoAsyncLoading, "no_async_loading"},
    {command_flag::kNoMulti, "no_multi"},
    {command_flag::kMovableKeys, "movablekeys"},
    {command_flag::kAllowBusy, "allow_busy"},
};

constexpr NamedBit kAclCategoryNames[] = {
    {acl_category::kKeyspace, "keyspace"},
    {acl_category::kRead, "read"},
    {acl_category::kWrite, "write"},
    {acl_category::kSet, "set"},
    {acl_category::kSortedSet, "sortedset"},
    {acl_category::kList, "list"},
    {acl_category::kHash, "hash"},
    {acl_category::kString, "string"},
    {acl_category::kBitmap, "bitmap"},
    {acl_category::kHyperLogLog, "hyperloglog"},
    {acl_category::kGeo, "geo"},
    {acl_category::kStream, "stream"},
    {acl_category::kPubsub, "pubsub"},
    {acl_category::kAdmin, "admin"},
    {acl_category::kFast, "fast"},
    {acl_category::kSlow, "slow"},
    {acl_category::kBlocking, "blocking"},
    {acl_category::kDangerous, "dangerous"},
    {acl_category::kConnection, "connection"},
    {acl_category::kTransaction, "transaction"},
    {acl_category::kScripting, "scripting"},
};

constexpr NamedBit kKeyFlagNames[] = {
    {key_flag::kRo, "RO"},
    {key_flag::kRw, "RW"},
    {key_flag::kOw, "OW"},
    {key_flag::kRm, "RM"},
    {key_flag::kAccess, "access"},
    {key_flag::kUpdate, "update"},
    {key_flag::kInsert, "insert"},
    {key_flag::kDelete, "delete"},
    {key_flag::kNotKey, "not_key"},
    {key_flag::kIncomplete, "incomplete"},
    {key_flag::kVariableFlags, "variable_flags"},
};

}  // namespace

ConstList<NamedBit> command_flag_names() { return kCommandFlagNames; }
ConstList<NamedBit> acl_category_names() { return kAclCategoryNames; }
ConstList<NamedBit> key_flag_names() { return kKeyFlagNames; }

std::optional<Bits> acl_category_by_name(std::string_view name) {
  for (const NamedBit& category : kAclCategoryNames) {
    if (same_name(category.name, name)) return category.bit;
  }
  return std::nullopt;
}

}  // namespace quorate::redis
