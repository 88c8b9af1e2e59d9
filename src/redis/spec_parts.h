// What the specs of several commands have in common: where their keys are and what happens to them,
// the argument `key`, and the tips for clients that route to several nodes.
#pragma once

#include <string_view>

#include "quorate/redis/command.h"

namespace quorate::redis {

// One key, the first argument.
inline constexpr KeySpec kKeyExamined[] = {{.flags = key_flag::kRo}};
inline constexpr KeySpec kKeyRead[] = {{.flags = key_flag::kRo | key_flag::kAccess}};
inline constexpr KeySpec kKeyOverwritten[] = {{.flags = key_flag::kOw | key_flag::kUpdate}};
inline constexpr KeySpec kKeyInserted[] = {{.flags = key_flag::kOw | key_flag::kInsert}};
inline constexpr KeySpec kKeyAppended[] = {{.flags = key_flag::kRw | key_flag::kInsert}};
inline constexpr KeySpec kKeyRetimed[] = {{.flags = key_flag::kRw | key_flag::kUpdate}};
inline constexpr KeySpec kKeyModified[] = {
    {.flags = key_flag::kRw | key_flag::kAccess | key_flag::kUpdate}};
inline constexpr KeySpec kKeyTaken[] = {
    {.flags = key_flag::kRw | key_flag::kAccess | key_flag::kDelete}};

// All arguments are keys, or every other one.
inline constexpr KeySpec kKeysExamined[] = {{.flags = key_flag::kRo, .last_key = -1}};
inline constexpr KeySpec kKeysRead[] = {
    {.flags = key_flag::kRo | key_flag::kAccess, .last_key = -1}};
inline constexpr KeySpec kKeysRemoved[] = {
    {.flags = key_flag::kRm | key_flag::kDelete, .last_key = -1}};
inline constexpr KeySpec kKeysOverwritten[] = {
    {.flags = key_flag::kOw | key_flag::kUpdate, .last_key = -1, .key_step = 2}};

inline constexpr ArgSpec kKey = {.name = "key", .type = ArgType::key, .key_spec_index = 0};
inline constexpr ArgSpec kKeyArgument[] = {kKey};
inline constexpr ArgSpec kKeysArgument[] = {
    {.name = "key", .type = ArgType::key, .flags = arg_flag::kMultiple, .key_spec_index = 0}};

inline constexpr std::string_view kSumOverShardsTips[] = {"request_policy:multi_shard",
                                                          "response_policy:agg_sum"};
inline constexpr std::string_view kSumOfAllShardsTips[] = {"request_policy:all_shards",
                                                           "response_policy:agg_sum"};
inline constexpr std::string_view kLeastOfAllShardsTips[] = {"request_policy:all_shards",
                                                             "response_policy:agg_min"};
inline constexpr std::string_view kAllShardsSucceedTips[] = {"request_policy:all_shards",
                                                             "response_policy:all_succeeded"};
inline constexpr std::string_view kAllNodesSucceedTips[] = {"request_policy:all_nodes",
                                                            "response_policy:all_succeeded"};
inline constexpr std::string_view kNondeterministicTips[] = {"nondeterministic_output"};
inline constexpr std::string_view kNondeterministicOrderTips[] = {"nondeterministic_output_order"};

}  // namespace quorate::redis
