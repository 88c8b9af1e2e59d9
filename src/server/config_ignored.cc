// Directives of Redis 7.0 and 7.2 that mean nothing to Quorate: they describe RDB and AOF files,
// replicas of one master, encodings, TLS and processes that do not exist here. Their values are
// checked as Redis checks them, so that a typing error is found in them too, and kept for CONFIG
// GET.
//
// Access rules are the exception: to start without the protection that a user, an ACL file or a
// renamed command was meant to give would open the node, so these stop the start.
#include <algorithm>
#include <array>
#include <limits>

#include "server/config_directives.h"

namespace quorate::server {
namespace {

constexpr int64_t kInt = std::numeric_limits<int32_t>::max();
constexpr int64_t kLong = std::numeric_limits<int64_t>::max();
constexpr uint8_t kFixed = 0;  // not mutable, as in Redis

struct YesNoRow {
  std::string_view name, alias, normally;
  uint8_t flags = kMutable;
};

constexpr YesNoRow kYesNo[] = {
    {"always-show-logo", "", "no", kFixed},
    {"set-proc-title", "", "yes", kFixed},
    {"syslog-enabled", "", "no", kFixed},
    {"crash-log-enabled", "", "yes"},
    {"crash-memcheck-enabled", "", "yes"},
    {"use-exit-on-panic", "", "no", kMutable | kHidden},
    {"stop-writes-on-bgsave-error", "", "yes"},
    {"rdbcompression", "", "yes"},
    {"rdbchecksum", "", "yes", kFixed},
    {"rdb-del-sync-files", "", "no"},
    {"rdb-save-incremental-fsync", "", "yes"},
    {"replica-serve-stale-data", "slave-serve-stale-data", "yes"},
    {"replica-read-only", "slave-read-only", "yes"},
    {"replica-lazy-flush", "slave-lazy-flush", "no"},
    {"replica-ignore-maxmemory", "slave-ignore-maxmemory", "yes"},
    {"replica-ignore-disk-write-errors", "", "no"},
    {"replica-announced", "", "yes"},
    {"repl-diskless-sync", "", "yes"},
    {"repl-disable-tcp-nodelay", "", "no"},
    {"disable-thp", "", "yes", kFixed},
    {"no-appendfsync-on-rewrite", "", "no"},
    {"aof-load-truncated", "", "yes"},
    {"aof-use-rdb-preamble", "", "yes"},
    {"aof-timestamp-enabled", "", "no"},
    {"aof-rewrite-incremental-fsync", "", "yes"},
    {"aof-disable-auto-gc", "", "no"},
    {"activerehashing", "", "yes"},
    {"activedefrag", "", "no"},
    {"dynamic-hz", "", "yes"},
    {"jemalloc-bg-thread", "", "yes"},
    {"io-threads-do-reads", "", "no", kFixed},
    {"lua-enable-deprecated-api", "", "no", kFixed | kHidden},
    {"cluster-require-full-coverage", "", "yes"},
    {"cluster-replica-no-failover", "cluster-slave-no-failover", "no"},
    {"cluster-allow-reads-when-down", "", "no"},
    {"cluster-allow-pubsubshard-when-down", "", "yes"},
    {"cluster-allow-replica-migration", "", "yes"},
    {"tls-replication", "", "no"},
    {"tls-cluster", "", "no"},
    {"tls-prefer-server-ciphers", "", "no"},
    {"tls-session-caching", "", "yes"},
};

struct IntegerRow {
  std::string_view name, alias, normally;
  int64_t min, max;
  uint8_t flags = kMutable;
};

constexpr IntegerRow kIntegers[] = {
    {"socket-mark-id", "", "0", 0, std::numeric_limits<uint32_t>::max(), kFixed},
    {"io-threads", "", "1", 1, 128, kFixed},
    {"shutdown-timeout", "", "10", 0, kInt},
    {"max-new-connections-per-cycle", "", "10", 1, 1000},
    {"max-new-tls-connections-per-cycle", "", "1", 1, 1000},
    {"repl-diskless-sync-delay", "", "5", 0, kInt},
    {"repl-diskless-sync-max-replicas", "", "0", 0, kInt},
    {"repl-ping-replica-period", "repl-ping-slave-period", "10", 1, kInt},
    {"repl-timeout", "", "60", 1, kInt},
    {"repl-backlog-ttl", "", "3600", 0, kLong},
    {"replica-priority", "slave-priority", "100", 0, kInt},
    {"replica-announce-port", "slave-announce-port", "0", 0, 65535},
    {"min-replicas-to-write", "min-slaves-to-write", "0", 0, kInt},
    {"min-replicas-max-lag", "min-slaves-max-lag", "10", 0, kInt},
    {"acllog-max-len", "", "128", 0, kLong},
    {"tracking-table-max-keys", "", "1000000", 0, kLong},
    {"maxmemory-eviction-tenacity", "", "10", 0, 100},
    {"busy-reply-threshold", "lua-time-limit", "5000", 0, kLong},
    {"hash-max-listpack-entries", "hash-max-ziplist-entries", "512", 0, kLong},
    {"list-max-listpack-size", "list-max-ziplist-size", "-2", -kInt - 1, kInt},
    {"list-compress-depth", "", "0", 0, kInt},
    {"set-max-intset-entries", "", "512", 0, kLong},
    {"set-max-listpack-entries", "", "128", 0, kLong},
    {"zset-max-listpack-entries", "zset-max-ziplist-entries", "128", 0, kLong},
    {"stream-node-max-entries", "", "100", 0, kLong},
    {"active-defrag-threshold-lower", "", "10", 0, 1000},
    {"active-defrag-threshold-upper", "", "100", 0, 1000},
    {"active-defrag-cycle-min", "", "1", 1, 99},
    {"active-defrag-cycle-max", "", "25", 1, 99},
    {"active-defrag-max-scan-fields", "", "1000", 1, kLong},
    {"cluster-node-timeout", "", "15000", 0, kLong},
    {"cluster-replica-validity-factor", "cluster-slave-validity-factor", "10", 0, kInt},
    {"cluster-migration-barrier", "", "1", 0, kInt},
    {"cluster-announce-tls-port", "", "0", 0, 65535},
    {"tls-port", "", "0", 0, 65535},
    {"tls-session-cache-size", "", "20480", 0, kInt},
    {"tls-session-cache-timeout", "", "300", 0, kInt},
    {"rdb-key-save-delay", "", "0", -kInt - 1, kInt, kMutable | kHidden},
    {"key-load-delay", "", "0", -kInt - 1, kInt, kMutable | kHidden},
    {"watchdog-period", "", "0", 0, kInt, kMutable | kHidden},
};

struct MemoryRow {
  std::string_view name, alias, normally;
  uint64_t min = 0;
};

constexpr MemoryRow kMemory[] = {
    {"repl-backlog-size", "", "1048576", 1},
    {"hash-max-listpack-value", "hash-max-ziplist-value", "64"},
    {"set-max-listpack-value", "", "64"},
    {"zset-max-listpack-value", "zset-max-ziplist-value", "64"},
    {"hll-sparse-max-bytes", "", "3000"},
    {"stream-node-max-bytes", "", "4096"},
    {"active-defrag-ignore-bytes", "", "104857600", 1},
    {"cluster-link-sendbuf-limit", "", "0"},
};

struct ChoiceRow {
  std::string_view name, normally;
  std::array<std::string_view, 9> choices;  // unused ones are empty
  uint8_t flags = kMutable;
};

constexpr ChoiceRow kChoices[] = {
    {"supervised", "no", {"upstart", "systemd", "auto", "no"}, kFixed},
    {"syslog-facility",
     "local0",
     {"user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"},
     kFixed},
    {"repl-diskless-load", "disabled", {"disabled", "on-empty-db", "swapdb"}},
    {"oom-score-adj", "no", {"no", "yes", "relative", "absolute"}},
    {"acl-pubsub-default", "resetchannels", {"allchannels", "resetchannels"}},
    {"sanitize-dump-payload", "no", {"no", "yes", "clients"}},
    {"propagation-error-behavior", "ignore", {"ignore", "panic", "panic-on-replicas"}},
    {"enable-protected-configs", "no", {"no", "yes", "local"}, kFixed},
    {"enable-module-command", "no", {"no", "yes", "local"}, kFixed},
    {"cluster-preferred-endpoint-type", "ip", {"ip", "hostname", "unknown-endpoint"}},
    {"tls-auth-clients", "yes", {"no", "yes", "optional"}},
    {"shutdown-on-sigint",
     "default",
     {"default", "save", "nosave", "now", "force"},
     kMutable | kWords},
    {"shutdown-on-sigterm",
     "default",
     {"default", "save", "nosave", "now", "force"},
     kMutable | kWords},
};

struct TextRow {
  std::string_view name, alias, normally;
  uint8_t flags = kMutable;
};

constexpr TextRow kTexts[] = {
    {"bind-source-addr", "", ""},
    {"proc-title-template", "", "{title} {listen-addr} {server-mode}"},
    {"locale-collate", "", ""},
    {"syslog-ident", "", "redis", kFixed},
    {"ignore-warnings", "", ""},
    {"server-cpulist", "server_cpulist", "", kFixed},
    {"bio-cpulist", "bio_cpulist", "", kFixed},
    {"aof-rewrite-cpulist", "aof_rewrite_cpulist", "", kFixed},
    {"bgsave-cpulist", "bgsave_cpulist", "", kFixed},
    {"masteruser", "", "", kMutable | kSensitive},
    {"masterauth", "", "", kMutable | kSensitive},
    {"replica-announce-ip", "slave-announce-ip", ""},
    {"cluster-config-file", "", "nodes.conf", kFixed},
    {"cluster-announce-hostname", "", ""},
    {"cluster-announce-human-nodename", "", ""},
    {"tls-cert-file", "", ""},
    {"tls-key-file", "", ""},
    {"tls-key-file-pass", "", "", kMutable | kSensitive},
    {"tls-client-cert-file", "", ""},
    {"tls-client-key-file", "", ""},
    {"tls-client-key-file-pass", "", "", kMutable | kSensitive},
    {"tls-dh-params-file", "", ""},
    {"tls-ca-cert-file", "", ""},
    {"tls-ca-cert-dir", "", ""},
    {"tls-protocols", "", ""},
    {"tls-ciphers", "", ""},
    {"tls-ciphersuites", "", ""},
};

// The accepted value as CONFIG GET shows it, or the reason against it.
using Check = std::function<runtime::Result<std::string>(Words)>;

void add(std::vector<Directive>& table, std::string_view name, std::string_view alias,
         std::string_view normally, uint8_t flags, std::string type, Check check) {
  const auto set = [name, check = std::move(check)](Config& config,
                                                    Words words) -> runtime::Status {
    auto value = check(words);
    if (!value) return std::unexpected(value.error());
    config.ignored.insert_or_assign(std::string(name), std::move(*value));
    return {};
  };
  const auto get = [name, normally](const Config& config) {
    const auto found = config.ignored.find(name);
    return found == config.ignored.end() ? std::string(normally) : found->second;
  };
  table.push_back(
      {name, alias, std::move(type), static_cast<uint8_t>(flags | kIgnored), "", set, get});
}

runtime::Result<std::string> check_choices(Words words, Words choices) {
  std::vector<std::string_view> accepted;
  for (const std::string_view word : words) {
    const auto index = parse_choice(word, choices);
    if (!index) return std::unexpected(index.error());
    accepted.push_back(choices[*index]);
  }
  if (accepted.empty()) return runtime::fail("wrong number of arguments");
  return join(accepted, " ");
}

runtime::Result<std::string> check_file_name(std::string_view directive, std::string_view name) {
  if (name.empty()) return runtime::fail(std::string(directive) + " can't be empty");
  if (name.find('/') != name.npos) {
    return runtime::fail(std::string(directive) + " can't be a path, just a filename");
  }
  return std::string(name);
}

runtime::Result<std::string> check_memory_or_percent(Words words) {
  const std::string_view word = words[0];
  if (word.ends_with('%')) {
    const auto percent = parse_integer(word.substr(0, word.size() - 1), 0, kLong);
    if (!percent) return runtime::fail("argument must be a memory or percent value");
    if (*percent > 100) {
      return runtime::fail("percentage argument must be less or equal to 100");
    }
    return std::string(word);
  }
  const auto bytes = parse_memory(word, 0, kLong);
  if (!bytes) return runtime::fail("argument must be a memory or percent value");
  return std::to_string(*bytes);
}

runtime::Result<std::string> check_oom_scores(Words words) {
  if (words.size() != 3) return runtime::fail("wrong number of arguments");
  for (const std::string_view word : words) {
    if (!parse_integer(word, -2000, 2000)) {
      return runtime::fail(
          "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    }
  }
  return join(words, " ");
}

runtime::Result<std::string> check_events(Words words) {
  constexpr std::string_view kClasses = "Ag$lshzxeKEtmdn";
  if (words[0].find_first_not_of(kClasses) != std::string_view::npos) {
    return runtime::fail("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  }
  return std::string(words[0]);
}

runtime::Result<std::string> check_replicaof(Words words) {
  if (words.size() != 2) return runtime::fail("wrong number of arguments");
  if (equal_nocase(words[0], "no") && equal_nocase(words[1], "one")) return std::string();
  if (!parse_integer(words[1], 1, 65535)) return runtime::fail("Invalid master port");
  return join(words, " ");
}

// A directive of several words that only a file or an option can hold.
Check at_least(size_t count) {
  return [count](Words words) -> runtime::Result<std::string> {
    if (words.size() < count) {
      return runtime::fail("Bad directive or wrong number of arguments");
    }
    return join(words, " ");
  };
}

Check refuse(std::string reason) {
  return [reason = std::move(reason)](Words) -> runtime::Result<std::string> {
    return runtime::fail(reason);
  };
}

void add_special(std::vector<Directive>& table) {
  constexpr uint8_t kLine = kWords | kFileOnly;
  for (const std::string_view name : {"dbfilename", "appendfilename", "appenddirname"}) {
    const std::string_view normally = name == "dbfilename"       ? "dump.rdb"
                                      : name == "appendfilename" ? "appendonly.aof"
                                                                 : "appendonlydir";
    add(table, name, "", normally, kFixed, "file name",
        [name](Words words) { return check_file_name(name, words[0]); });
  }
  add(table, "maxmemory-clients", "", "0", kMutable, "bytes or percent", check_memory_or_percent);
  add(table, "oom-score-adj-values", "", "0 200 800", kMutable | kWords, "three integers",
      check_oom_scores);
  add(table, "notify-keyspace-events", "", "", kMutable, "event classes", check_events);
  add(table, "replicaof", "slaveof", "", kFixed | kWords, "host port", check_replicaof);
  add(table, "loadmodule", "", "", kLine, "path …", at_least(1));
  add(table, "list-max-ziplist-entries", "", "", kLine, "integer", at_least(1));
  add(table, "list-max-ziplist-value", "", "", kLine, "integer", at_least(1));
  add(table, "user", "", "", kLine | kSensitive, "name rule …",
      refuse("ACL users are not supported; not starting without the protection they describe"));
  add(table, "rename-command", "", "", kLine, "name name",
      refuse("renamed commands are not supported; not starting with the command as it was"));
  add(table, "aclfile", "", "", kFixed, "path", [](Words words) -> runtime::Result<std::string> {
    if (words[0].empty()) return std::string();
    return runtime::fail(
        "ACL files are not supported; not starting without the protection they describe");
  });
}

}  // namespace

void add_ignored_directives(std::vector<Directive>& table) {
  for (const YesNoRow& row : kYesNo) {
    add(table, row.name, row.alias, row.normally, row.flags, "yes or no",
        [](Words words) -> runtime::Result<std::string> {
          const auto value = parse_yes_no(words[0]);
          if (!value) return std::unexpected(value.error());
          return *value ? "yes" : "no";
        });
  }
  for (const IntegerRow& row : kIntegers) {
    add(table, row.name, row.alias, row.normally, row.flags, "integer",
        [&row](Words words) -> runtime::Result<std::string> {
          const auto value = parse_integer(words[0], row.min, row.max);
          if (!value) return std::unexpected(value.error());
          return std::to_string(*value);
        });
  }
  for (const MemoryRow& row : kMemory) {
    add(table, row.name, row.alias, row.normally, kMutable, "bytes",
        [&row](Words words) -> runtime::Result<std::string> {
          const auto value = parse_memory(words[0], row.min, kLong);
          if (!value) return std::unexpected(value.error());
          return std::to_string(*value);
        });
  }
  for (const ChoiceRow& row : kChoices) {
    const auto count =
        static_cast<size_t>(std::find(row.choices.begin(), row.choices.end(), std::string_view{}) -
                            row.choices.begin());
    const Words choices(row.choices.data(), count);
    add(table, row.name, "", row.normally, row.flags, join(choices, ", "),
        [choices](Words words) { return check_choices(words, choices); });
  }
  for (const TextRow& row : kTexts) {
    add(table, row.name, row.alias, row.normally, row.flags, "text",
        [](Words words) -> runtime::Result<std::string> { return std::string(words[0]); });
  }
  add_special(table);
}

}  // namespace quorate::server
