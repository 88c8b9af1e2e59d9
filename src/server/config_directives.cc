#include "server/config_directives.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "server/config_types.h"

namespace quorate::server {

const std::vector<Directive>& directives() {
  static const std::vector<Directive> table = [] {
    std::vector<Directive> all;
    add_typed_directives(all);
    add_cluster_directives(all);
    add_ignored_directives(all);
    return all;
  }();
  return table;
}

const Directive* find_directive(std::string_view name) {
  static const auto index = [] {
    std::unordered_map<std::string_view, const Directive*> by_name;
    for (const Directive& directive : directives()) {
      by_name.emplace(directive.name, &directive);
      if (!directive.alias.empty()) by_name.emplace(directive.alias, &directive);
    }
    return by_name;
  }();
  const auto found = index.find(lower_case(name));
  return found == index.end() ? nullptr : found->second;
}

namespace {

std::vector<std::string_view> split_at_spaces(Words values) {
  std::vector<std::string_view> words;
  for (std::string_view value : values) {
    while (!value.empty()) {
      const size_t end = std::min(value.find(' '), value.size());
      if (end > 0) words.push_back(value.substr(0, end));
      value.remove_prefix(std::min(end + 1, value.size()));
    }
  }
  return words;
}

}  // namespace

runtime::Status apply_directive(const Directive& directive, Config& config, Words words) {
  std::vector<std::string_view> parts;
  if (directive.has(kWords)) {
    parts = split_at_spaces(words);
    words = parts;
  } else if (words.size() != 1) {
    return runtime::fail("wrong number of arguments");
  }
  const auto has_nul = [](std::string_view word) { return word.find('\0') != word.npos; };
  if (std::any_of(words.begin(), words.end(), has_nul)) {
    return runtime::fail("argument must not contain a NUL byte");
  }
  return directive.set(config, words);
}

namespace {

constexpr int64_t kIntMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kLongMax = std::numeric_limits<int64_t>::max();
constexpr uint64_t kMemoryMax = kLongMax;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr size_t kBindAddressesMax = 16;

using Table = std::vector<Directive>;

// --- values with a form of their own ---

runtime::Status set_bind(Config& config, Words words) {
  if (words.size() > kBindAddressesMax) return runtime::fail("Too many bind addresses specified.");
  config.bind.assign(words.begin(), words.end());
  return {};
}

std::string get_bind(const Config& config) {
  return join(std::vector<std::string_view>(config.bind.begin(), config.bind.end()), " ");
}

runtime::Status set_unixsocketperm(Config& config, Words words) {
  const auto value = parse_octal(words[0], 0777);
  if (!value) return std::unexpected(value.error());
  config.unixsocketperm = *value;
  return {};
}

// Redis takes any number and works with the nearest it can.
runtime::Status set_hz(Config& config, Words words) {
  const auto value = parse_integer(words[0], 0, kIntMax);
  if (!value) return std::unexpected(value.error());
  config.hz = static_cast<uint32_t>(std::clamp<int64_t>(*value, 1, 500));
  return {};
}

runtime::Status set_save(Config& config, Words words) {
  if (words.empty()) config.save.clear();
  if (words.size() % 2 != 0) return runtime::fail("Invalid save parameters");
  for (size_t i = 0; i < words.size(); i += 2) {
    const auto after_s = parse_integer(words[i], 1, kIntMax);
    const auto changes = parse_integer(words[i + 1], 0, kIntMax);
    if (!after_s || !changes) return runtime::fail("Invalid save parameters");
    config.save.push_back({static_cast<uint32_t>(*after_s), static_cast<uint32_t>(*changes)});
  }
  return {};
}

std::string get_save(const Config& config) {
  std::string result;
  for (const SavePoint& point : config.save) {
    if (!result.empty()) result += ' ';
    result += std::to_string(point.after_s) + ' ' + std::to_string(point.changes);
  }
  return result;
}

runtime::Status set_output_limits(Config& config, Words words) {
  static constexpr std::array<std::string_view, 4> kClasses{"normal", "slave", "pubsub", "replica"};
  if (words.size() % 4 != 0) {
    return runtime::fail("Wrong number of arguments in buffer limit configuration.");
  }
  for (size_t i = 0; i < words.size(); i += 4) {
    const auto name = parse_choice(words[i], kClasses);
    if (!name) {
      return runtime::fail("Invalid client class specified in buffer limit configuration.");
    }
    const auto hard = parse_memory(words[i + 1], 0, kMemoryMax);
    const auto soft = parse_memory(words[i + 2], 0, kMemoryMax);
    const auto soft_s = parse_integer(words[i + 3], 0, kIntMax);
    if (!hard || !soft || !soft_s) {
      return runtime::fail(
          "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    const size_t index = *name == 3 ? static_cast<size_t>(ClientClass::replica) : *name;
    config.client_output_buffer_limits[index] = {*hard, *soft, static_cast<uint32_t>(*soft_s)};
  }
  return {};
}

// Redis 7.2 still calls replicas "slave" here, and clients parse it.
std::string get_output_limits(const Config& config) {
  static constexpr std::array<std::string_view, 3> kClasses{"normal", "slave", "pubsub"};
  std::string result;
  for (size_t i = 0; i < kClasses.size(); ++i) {
    const OutputBufferLimit& limit = config.client_output_buffer_limits[i];
    if (i > 0) result += ' ';
    result += std::string(kClasses[i]) + ' ' + std::to_string(limit.hard_bytes) + ' ' +
              std::to_string(limit.soft_bytes) + ' ' + std::to_string(limit.soft_s);
  }
  return result;
}

runtime::Status set_percentiles(Config& config, Words words) {
  std::vector<double> values;
  for (const std::string_view word : words) {
    const auto value = parse_decimal(word);
    if (!value) return runtime::fail("Invalid latency-tracking-info-percentiles parameters");
    if (*value < 0 || *value > 100) {
      return runtime::fail(
          "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    values.push_back(*value);
  }
  config.latency_tracking_info_percentiles = std::move(values);
  return {};
}

std::string get_percentiles(const Config& config) {
  std::string result;
  for (const double value : config.latency_tracking_info_percentiles) {
    if (!result.empty()) result += ' ';
    result += format_decimal(value);
  }
  return result;
}

// --- the table, a section of conf/quorate.conf each ---

void add_network(Table& table) {
  using C = Config;
  table.push_back({"bind", "", "addresses", kWords, "Addresses to listen on", set_bind, get_bind});
  table.push_back(integer("port", &C::port, 0, 65535, 0, "TCP port; 0 for none"));
  table.push_back(yes_no("protected-mode", &C::protected_mode, kMutable,
                         "Without a password, serve only clients of this machine"));
  table.push_back(integer("tcp-backlog", &C::tcp_backlog, 0, kIntMax, 0,
                          "Connections that may wait to be accepted"));
  table.push_back(text("unixsocket", &C::unixsocket, 0, "Path of a Unix socket; empty for none"));
  table.push_back({"unixsocketperm", "", "octal 0..777", 0, "Permissions of the Unix socket",
                   set_unixsocketperm,
                   [](const Config& config) { return format_octal(config.unixsocketperm); }});
  table.push_back(integer("timeout", &C::timeout_s, 0, kIntMax, kMutable,
                          "Seconds until an idle client is disconnected; 0 for never"));
  table.push_back(integer("tcp-keepalive", &C::tcp_keepalive_s, 0, kIntMax, kMutable,
                          "Seconds between TCP keep-alive probes; 0 for none"));
  table.push_back(integer("maxclients", &C::maxclients, 1, std::numeric_limits<uint32_t>::max(),
                          kMutable, "Clients connected at a time"));
}

void add_process(Table& table) {
  using C = Config;
  table.push_back(text("requirepass", &C::requirepass, kMutable | kSensitive,
                       "Password of the default user; empty for none"));
  table.push_back(choice("enable-debug-command", &C::enable_debug_command, {"no", "yes", "local"},
                         0, "Who may use DEBUG"));
  table.push_back(integer("threads", &C::threads, 0, 256, 0,
                          "Shard threads; 0 for half of the cores, at least 1"));
  table.push_back(integer("databases", &C::databases, 1, 65536, 0, "Databases for SELECT"));
  table.push_back({"hz", "", "1..500", kMutable, "Runs of the background work in a second", set_hz,
                   [](const Config& config) { return std::to_string(config.hz); }});
  table.push_back(yes_no("daemonize", &C::daemonize, 0, "Accepted; the process stays in front"));
  table.push_back(text("pidfile", &C::pidfile, 0, "File for the process id; empty for none"));
  table.push_back(choice("loglevel", &C::loglevel,
                         {"debug", "verbose", "notice", "warning", "nothing"}, kMutable,
                         "The least important messages to log"));
  table.push_back(text("logfile", &C::logfile, 0, "Log file; empty for standard output"));
}

void add_durability(Table& table) {
  using C = Config;
  table.push_back(text("dir", &C::dir, 0, "The directory that holds the data"));
  table.push_back(choice("appendfsync", &C::appendfsync, {"everysec", "always", "no"}, kMutable,
                         "When the journal is synced to disk"));
  table.push_back(
      yes_no("appendonly", &C::appendonly, kMutable, "Accepted; the journal is always on"));
  table.push_back({"save", "", "seconds changes …", kMutable | kWords | kAccumulates,
                   "Accepted; the journal keeps every write", set_save, get_save});
  table.push_back(
      integer("auto-aof-rewrite-percentage", &C::auto_aof_rewrite_percentage, 0, kIntMax, kMutable,
              "Checkpoint when the journal reaches this part of the data; 0 for never"));
  table.push_back(memory("auto-aof-rewrite-min-size", &C::auto_aof_rewrite_min_size_bytes, 0,
                         kMemoryMax, kMutable, "Smallest journal worth a checkpoint"));
  table.push_back(memory("journal-segment-size", &C::journal_segment_size_bytes, kMiB, 4096 * kMiB,
                         0, "Size of a journal file"));
  table.push_back(yes_no("repair-journal", &C::repair_journal, 0,
                         "Start although synced journal records are damaged"));
  table.push_back(integer("cold-read-threads", &C::cold_read_threads, 1, 64, 0,
                          "Threads that read values which are not in memory"));
}

void add_memory(Table& table) {
  using C = Config;
  table.push_back(memory("maxmemory", &C::maxmemory_bytes, 0, kMemoryMax, kMutable,
                         "Memory for everything; 0 for no limit"));
  table.push_back(choice("maxmemory-policy", &C::maxmemory_policy,
                         {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
                          "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"},
                         kMutable, "Which keys are evicted"));
  table.push_back(integer("maxmemory-samples", &C::maxmemory_samples, 1, kIntMax, kMutable,
                          "Keys compared for one eviction"));
  table.push_back(memory("max-disk", &C::max_disk_bytes, 0, kMemoryMax, kMutable,
                         "Disk space for the data; 0 for no limit"));
  table.push_back(integer("lfu-log-factor", &C::lfu_log_factor, 0, kIntMax, kMutable,
                          "How slowly the LFU counter grows"));
  table.push_back(integer("lfu-decay-time", &C::lfu_decay_time_min, 0, kIntMax, kMutable,
                          "Minutes until the LFU counter sinks; 0 for at every scan"));
  table.push_back(integer("active-expire-effort", &C::active_expire_effort, 1, 10, kMutable,
                          "Effort to find expired keys"));
  table.push_back(yes_no("lazyfree-lazy-eviction", &C::lazyfree_lazy_eviction, kMutable,
                         "Free evicted values in slices"));
  table.push_back(yes_no("lazyfree-lazy-expire", &C::lazyfree_lazy_expire, kMutable,
                         "Free expired values in slices"));
  table.push_back(yes_no("lazyfree-lazy-server-del", &C::lazyfree_lazy_server_del, kMutable,
                         "Free overwritten values in slices"));
  table.push_back(yes_no("lazyfree-lazy-user-del", &C::lazyfree_lazy_user_del, kMutable,
                         "DEL frees values as UNLINK does"));
  table.push_back(yes_no("lazyfree-lazy-user-flush", &C::lazyfree_lazy_user_flush, kMutable,
                         "FLUSHALL and FLUSHDB are ASYNC unless they say SYNC"));
}

void add_clients(Table& table) {
  using C = Config;
  table.push_back(memory("proto-max-bulk-len", &C::proto_max_bulk_len_bytes, kMiB, kMemoryMax,
                         kMutable, "Longest argument of a command"));
  table.push_back(memory("client-query-buffer-limit", &C::client_query_buffer_limit_bytes, kMiB,
                         kMemoryMax, kMutable, "Most unprocessed bytes of a client"));
  table.push_back({"client-output-buffer-limit", "", "class hard soft seconds …", kMutable | kWords,
                   "Most unread bytes of a client, by class", set_output_limits,
                   get_output_limits});
}

void add_observation(Table& table) {
  using C = Config;
  table.push_back(integer("slowlog-log-slower-than", &C::slowlog_log_slower_than_us, -1, kLongMax,
                          kMutable, "Microseconds from which a command is slow; -1 for never"));
  table.push_back(integer("slowlog-max-len", &C::slowlog_max_len, 0, kLongMax, kMutable,
                          "Entries in the slow log"));
  table.push_back(integer("latency-monitor-threshold", &C::latency_monitor_threshold_ms, 0,
                          kLongMax, kMutable, "Milliseconds from which LATENCY notes; 0 for off"));
  table.push_back(yes_no("latency-tracking", &C::latency_tracking, kMutable,
                         "Keep latency percentiles of every command"));
  table.push_back({"latency-tracking-info-percentiles", "", "0..100 …", kMutable | kWords,
                   "Percentiles that INFO latencystats shows", set_percentiles, get_percentiles});
}

}  // namespace

void add_typed_directives(std::vector<Directive>& table) {
  add_network(table);
  add_process(table);
  add_durability(table);
  add_memory(table);
  add_clients(table);
  add_observation(table);
}

}  // namespace quorate::server
