// The sections of INFO, in Redis's order, and their fields.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <utility>

#include "redis/info.h"
#include "redis/info_cluster.h"
#include "redis/info_section.h"

namespace quorate::redis {
namespace {

constexpr uint64_t kSecondsPerDay = 86'400;
constexpr std::string_view kNoReplicationId = "0000000000000000000000000000000000000000";

std::string_view ok_or_err(bool ok) { return ok ? "ok" : "err"; }

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) * 100 / static_cast<double>(whole);
}

double quotient(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

void write_server(const NodeFacts& facts, InfoSection& out) {
  const ServerFacts& server = facts.server;
  const uint64_t uptime_s =
      facts.now_ms > server.started_ms ? (facts.now_ms - server.started_ms) / 1000 : 0;
  out.field("redis_version", server.redis_version);
  out.field("quorate_version", server.version);
  out.field("redis_git_sha1", "00000000");
  out.field("redis_git_dirty", 0);
  out.field("redis_build_id", server.build.empty() ? "0" : server.build);
  out.field("redis_mode", facts.is_cluster ? "cluster" : "standalone");
  out.field("os", "Linux");
  out.field("arch_bits", sizeof(void*) * 8);
  out.field("monotonic_clock", "POSIX clock_gettime");
  out.field("multiplexing_api", "epoll");
  out.field("atomicvar_api", "c11-builtin");
  out.field("gcc_version", fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  out.field("process_id", server.process_id);
  out.field("process_supervised", "no");
  out.field("run_id", server.run_id);
  out.field("node_id", server.node_id);
  out.field("tcp_port", server.tcp_port);
  out.field("server_time_usec", facts.now_ms * 1000);
  out.field("uptime_in_seconds", uptime_s);
  out.field("uptime_in_days", uptime_s / kSecondsPerDay);
  out.field("threads", server.threads);
  out.field("executable", server.executable);
  out.field("config_file", server.config_file);
  out.field("io_threads_active", 0);
}

void write_clients(const NodeFacts& facts, InfoSection& out) {
  out.field("connected_clients", facts.connections.connected);
  out.field("cluster_connections", 0);
  out.field("maxclients", facts.connections.limit);
  out.field("client_recent_max_input_buffer", facts.shards.input_bytes_max);
  out.field("client_recent_max_output_buffer", facts.shards.output_bytes_max);
  constexpr std::array<std::string_view, 5> kNone{"blocked_clients", "tracking_clients",
                                                  "clients_in_timeout_table", "total_blocking_keys",
                                                  "total_blocking_keys_on_nokey"};
  out.none(kNone);
}

void write_memory(const NodeFacts& facts, InfoSection& out) {
  const MemoryFacts& memory = facts.memory;
  const uint64_t used = memory.allocated;
  const uint64_t dataset = std::min(facts.shards.table_bytes, used);
  const auto over = [](uint64_t a, uint64_t b) {
    return static_cast<int64_t>(a) - static_cast<int64_t>(b);
  };
  out.size("used_memory", used);
  out.size("used_memory_rss", memory.resident);
  out.size("used_memory_peak", memory.peak);
  out.ratio("used_memory_peak_perc", percent(used, memory.peak), "%");
  out.field("used_memory_overhead", used - dataset);
  out.field("used_memory_startup", 0);
  out.field("used_memory_dataset", dataset);
  out.ratio("used_memory_dataset_perc", percent(dataset, used), "%");
  out.field("allocator_allocated", used);
  out.field("allocator_active", memory.resident);
  out.field("allocator_resident", memory.resident);
  constexpr std::array<std::string_view, 4> kNone{
      "used_memory_lua", "used_memory_scripts", "number_of_cached_scripts", "number_of_functions"};
  out.none(kNone);
  out.size("maxmemory", memory.limit);
  out.field("maxmemory_policy", memory.policy);
  out.ratio("allocator_frag_ratio", quotient(memory.resident, used));
  out.field("allocator_frag_bytes", over(memory.resident, used));
  out.ratio("mem_fragmentation_ratio", quotient(memory.resident, used));
  out.field("mem_fragmentation_bytes", over(memory.resident, used));
  out.field("mem_not_counted_for_evict", 0);
  constexpr std::array<std::string_view, 3> kNoReplicas{
      "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves"};
  out.none(kNoReplicas);
  out.field("mem_clients_normal", facts.shards.client_bytes);
  out.field("mem_cluster_links", 0);
  out.field("mem_aof_buffer", facts.shards.journal_memory_bytes);
  out.field("mem_allocator", "jemalloc");
  constexpr std::array<std::string_view, 3> kNotNeeded{
      "active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"};
  out.none(kNotNeeded);
  out.field("cold_keys", facts.shards.cold_keys);
}

// A checkpoint is what Redis calls a save, the journal what it calls the AOF.
void write_persistence(const NodeFacts& facts, InfoSection& out) {
  const ShardFacts& shards = facts.shards;
  const uint64_t completed = shards.store.checkpoints_completed;
  const auto last_s = static_cast<int64_t>(shards.store.checkpoint_us_last / 1'000'000);
  constexpr std::array<std::string_view, 6> kNoFork{
      "loading",          "async_loading",        "current_cow_peak",
      "current_cow_size", "current_cow_size_age", "current_fork_perc"};
  out.none(kNoFork);
  out.field("rdb_changes_since_last_save", shards.changed_keys);
  out.field("rdb_bgsave_in_progress", shards.checkpoint_running ? 1 : 0);
  out.field("rdb_last_save_time", shards.last_save_ms / 1000);
  out.field("rdb_last_bgsave_status", ok_or_err(!shards.checkpoint_failing));
  out.field("rdb_last_bgsave_time_sec", completed == 0 ? -1 : last_s);
  out.field("rdb_current_bgsave_time_sec", -1);
  out.field("rdb_saves", completed);
  out.field("rdb_last_cow_size", 0);
  out.field("rdb_last_load_keys_expired", 0);
  out.field("rdb_last_load_keys_loaded", facts.server.recovered_keys);
  out.field("aof_enabled", 1);
  out.field("aof_rewrite_in_progress", 0);
  out.field("aof_rewrite_scheduled", 0);
  out.field("aof_last_rewrite_time_sec", -1);
  out.field("aof_current_rewrite_time_sec", -1);
  out.field("aof_last_bgrewrite_status", "ok");
  out.field("aof_last_write_status", ok_or_err(!shards.writes_refused));
  out.field("aof_last_cow_size", 0);
  out.field("module_fork_in_progress", 0);
  out.field("module_fork_last_cow_size", 0);
  out.field("journal_bytes", shards.journal_bytes);
  out.field("journal_segments", shards.journal_segments);
  out.field("journal_syncs", shards.journal_syncs);
  out.field("journal_sync_lag_ms", shards.journal_sync_lag_ms);
  out.field("checkpoints_completed", completed);
  out.field("checkpoint_failures", shards.store.checkpoint_failures);
  out.field("checkpoint_in_progress", shards.checkpoint_running ? 1 : 0);
  out.field("checkpoint_last_rows", shards.store.checkpoint_rows_last);
  out.field("checkpoint_last_us", shards.store.checkpoint_us_last);
  out.field("dirty_bytes", shards.dirty_bytes);
  out.field("damaged_rows", shards.store.damaged_rows);
  out.field("recovered_keys", facts.server.recovered_keys);
  out.field("recovery_ms", facts.server.recovery_ms);
}

void write_stats(const NodeFacts& facts, InfoSection& out) {
  const EngineStatistics& engine = facts.shards.engine;
  const storage::StoreStatistics& store = facts.shards.store;
  out.field("total_connections_received", facts.connections.received);
  out.field("total_commands_processed", engine.commands);
  out.field("instantaneous_ops_per_sec", engine.commands_per_s);
  out.field("total_net_input_bytes", engine.input_bytes);
  out.field("total_net_output_bytes", engine.output_bytes);
  out.field("total_net_repl_input_bytes", 0);
  out.field("total_net_repl_output_bytes", 0);
  out.ratio("instantaneous_input_kbps", quotient(engine.input_bytes_per_s, 1024));
  out.ratio("instantaneous_output_kbps", quotient(engine.output_bytes_per_s, 1024));
  out.ratio("instantaneous_input_repl_kbps", 0);
  out.ratio("instantaneous_output_repl_kbps", 0);
  out.field("rejected_connections", facts.connections.rejected);
  constexpr std::array<std::string_view, 3> kNoReplicas{"sync_full", "sync_partial_ok",
                                                        "sync_partial_err"};
  out.none(kNoReplicas);
  out.field("expired_keys", store.expired_keys);
  out.field("evicted_keys", store.evicted_keys);
  out.field("evicted_clients", 0);
  out.field("keyspace_hits", engine.keyspace_hits);
  out.field("keyspace_misses", engine.keyspace_misses);
  constexpr std::array<std::string_view, 11> kNone{"pubsub_channels",
                                                   "pubsub_patterns",
                                                   "pubsubshard_channels",
                                                   "latest_fork_usec",
                                                   "total_forks",
                                                   "migrate_cached_sockets",
                                                   "tracking_total_keys",
                                                   "slave_expires_tracked_keys",
                                                   "tracking_total_items",
                                                   "tracking_total_prefixes",
                                                   "unexpected_error_replies"};
  out.none(kNone);
  out.field("total_error_replies", engine.error_replies);
  out.field("forwarded_commands", engine.forwarded_commands);
  out.field("peer_commands", engine.peer_commands);
  out.field("demoted_keys", store.demoted_keys);
  out.field("loaded_keys", store.loaded_keys);
}

void write_replication(const NodeFacts& facts, InfoSection& out) {
  out.field("role", "master");
  out.field("connected_slaves", 0);
  out.field("master_failover_state", "no-failover");
  out.field("master_replid", facts.server.run_id);
  out.field("master_replid2", kNoReplicationId);
  out.field("master_repl_offset", 0);
  out.field("second_repl_offset", -1);
  constexpr std::array<std::string_view, 4> kNoBacklog{"repl_backlog_active", "repl_backlog_size",
                                                       "repl_backlog_first_byte_offset",
                                                       "repl_backlog_histlen"};
  out.none(kNoBacklog);
}

void write_cpu(const NodeFacts& facts, InfoSection& out) {
  out.seconds("used_cpu_sys", facts.cpu.system_s);
  out.seconds("used_cpu_user", facts.cpu.user_s);
  out.seconds("used_cpu_sys_children", 0);
  out.seconds("used_cpu_user_children", 0);
}

void write_modules(const NodeFacts& /*facts*/, InfoSection& /*out*/) {}

// Commands are not timed one by one: that would cost more than most of them take.
void write_command_stats(const NodeFacts& facts, InfoSection& out) {
  const EngineStatistics& engine = facts.shards.engine;
  const auto write = [&](const CommandSpec& spec) {
    const uint64_t calls = engine.calls[spec.id];
    const uint64_t rejected = engine.rejected[spec.id];
    const uint64_t failed = engine.failed[spec.id];
    if (calls == 0 && rejected == 0 && failed == 0) return;
    out.field(fmt::format("cmdstat_{}", spec.full_name),
              fmt::format("calls={},usec=0,usec_per_call=0.00,rejected_calls={},failed_calls={}",
                          calls, rejected, failed));
  };
  for (const CommandSpec& spec : facts.commands.commands()) {
    write(spec);
    for (const CommandSpec& subcommand : spec.subcommands) write(subcommand);
  }
}

void write_siblings(const NodeFacts& facts, InfoSection& out) {
  out.field("siblings_seen", facts.shards.siblings_seen);
  out.field("siblings_made", facts.shards.engine.siblings_made);
  out.field("siblings_refused", facts.shards.engine.siblings_refused);
  out.field("siblings_superseded", facts.shards.engine.siblings_superseded);
}

void write_keyspace(const NodeFacts& facts, InfoSection& out) {
  for (size_t db = 0; db < facts.shards.databases.size(); ++db) {
    const KeyCounts& database = facts.shards.databases[db];
    if (database.keys == 0) continue;
    out.field(fmt::format("db{}", db),
              fmt::format("keys={},expires={},avg_ttl=0", database.keys, database.volatile_keys));
  }
}

struct SectionSpec {
  std::string_view title;
  std::string_view other_name;  // that INFO takes too
  bool by_default;
  void (*write)(const NodeFacts&, InfoSection&);
};

constexpr SectionSpec kSections[] = {
    {"Server", {}, true, &write_server},
    {"Clients", {}, true, &write_clients},
    {"Memory", {}, true, &write_memory},
    {"Persistence", {}, true, &write_persistence},
    {"Stats", {}, true, &write_stats},
    {"Replication", {}, true, &write_replication},
    {"CPU", {}, true, &write_cpu},
    {"Modules", "module_list", true, &write_modules},
    {"Commandstats", {}, false, &write_command_stats},
    {"Cluster", {}, true, &write_cluster},
    {"Quorum", {}, true, &write_quorum},
    {"Hints", {}, true, &write_hints},
    {"Peers", {}, true, &write_peers},
    {"Siblings", {}, true, &write_siblings},
    {"Keyspace", {}, true, &write_keyspace},
};

bool asks_for(std::span<const std::string> names, const SectionSpec& section) {
  if (names.empty()) return section.by_default;
  return std::ranges::any_of(names, [&](const std::string& name) {
    if (same_name(name, "all") || same_name(name, "everything")) return true;
    if (same_name(name, "default")) return section.by_default;
    return same_name(name, section.title) ||
           (!section.other_name.empty() && same_name(name, section.other_name));
  });
}

}  // namespace

bool asks_for_keyspace(std::span<const std::string> names) {
  return std::ranges::any_of(kSections, [&](const SectionSpec& section) {
    return section.write == &write_keyspace && asks_for(names, section);
  });
}

std::string info_text(const NodeFacts& facts, std::span<const std::string> names) {
  std::string text;
  for (const SectionSpec& section : kSections) {
    if (!asks_for(names, section)) continue;
    if (!text.empty()) text += "\r\n";
    fmt::format_to(std::back_inserter(text), "# {}\r\n", section.title);
    InfoSection out(text);
    section.write(facts, out);
  }
  return text;
}

}  // namespace quorate::redis
