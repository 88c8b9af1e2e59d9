// What the redis.conf files that Redis ships say, without their comments.
#pragma once

#include <array>
#include <string_view>

namespace quorate::server {

// Every active line of Debian's redis.conf of Redis 7.0.15.
inline constexpr std::string_view kStockRedis70 = R"(bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize yes
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir /var/lib/redis
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
)";

// What the redis.conf of Redis 7.2 says besides or otherwise.
inline constexpr std::string_view kStockRedis72 = R"(locale-collate ""
set-max-listpack-entries 128
set-max-listpack-value 64
daemonize no
logfile ""
dir ./
)";

// The directives that these files only show as examples, each with an accepted value.
inline constexpr std::array kCommentedInStock{
    std::string_view("bind-source-addr 10.0.0.1"),
    std::string_view("enable-protected-configs no"),
    std::string_view("enable-debug-command no"),
    std::string_view("enable-module-command no"),
    std::string_view("unixsocket /run/redis.sock"),
    std::string_view("unixsocketperm 700"),
    std::string_view("socket-mark-id 0"),
    std::string_view("tls-port 6379"),
    std::string_view("tls-cert-file redis.crt"),
    std::string_view("tls-key-file redis.key"),
    std::string_view("tls-key-file-pass secret"),
    std::string_view("tls-client-cert-file client.crt"),
    std::string_view("tls-client-key-file client.key"),
    std::string_view("tls-client-key-file-pass secret"),
    std::string_view("tls-dh-params-file redis.dh"),
    std::string_view("tls-ca-cert-file ca.crt"),
    std::string_view("tls-ca-cert-dir /etc/ssl/certs"),
    std::string_view("tls-auth-clients optional"),
    std::string_view("tls-replication yes"),
    std::string_view("tls-cluster yes"),
    std::string_view("tls-protocols \"TLSv1.2 TLSv1.3\""),
    std::string_view("tls-ciphers DEFAULT:!MEDIUM"),
    std::string_view("tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
    std::string_view("tls-prefer-server-ciphers yes"),
    std::string_view("tls-session-caching no"),
    std::string_view("tls-session-cache-size 5000"),
    std::string_view("tls-session-cache-timeout 60"),
    std::string_view("supervised auto"),
    std::string_view("syslog-enabled no"),
    std::string_view("syslog-ident redis"),
    std::string_view("syslog-facility local0"),
    std::string_view("crash-log-enabled no"),
    std::string_view("crash-memcheck-enabled no"),
    std::string_view("save 3600 1 300 100 60 10000"),
    std::string_view("sanitize-dump-payload clients"),
    std::string_view("replicaof 10.0.0.1 6379"),
    std::string_view("slaveof no one"),
    std::string_view("masterauth secret"),
    std::string_view("masteruser name"),
    std::string_view("repl-ping-replica-period 10"),
    std::string_view("repl-timeout 60"),
    std::string_view("repl-backlog-size 1mb"),
    std::string_view("repl-backlog-ttl 3600"),
    std::string_view("propagation-error-behavior ignore"),
    std::string_view("replica-ignore-disk-write-errors no"),
    std::string_view("replica-announced yes"),
    std::string_view("min-replicas-to-write 3"),
    std::string_view("min-replicas-max-lag 10"),
    std::string_view("replica-announce-ip 5.5.5.5"),
    std::string_view("replica-announce-port 1234"),
    std::string_view("tracking-table-max-keys 1000000"),
    std::string_view("aclfile \"\""),
    std::string_view("acl-pubsub-default resetchannels"),
    std::string_view("requirepass foobared"),
    std::string_view("maxclients 10000"),
    std::string_view("maxmemory 100mb"),
    std::string_view("maxmemory-policy noeviction"),
    std::string_view("maxmemory-samples 5"),
    std::string_view("maxmemory-eviction-tenacity 10"),
    std::string_view("replica-ignore-maxmemory yes"),
    std::string_view("active-expire-effort 1"),
    std::string_view("io-threads 4"),
    std::string_view("io-threads-do-reads no"),
    std::string_view("shutdown-timeout 10"),
    std::string_view("shutdown-on-sigint default"),
    std::string_view("shutdown-on-sigterm nosave force"),
    std::string_view("lua-time-limit 5000"),
    std::string_view("busy-reply-threshold 5000"),
    std::string_view("cluster-enabled yes"),
    std::string_view("cluster-config-file nodes-6379.conf"),
    std::string_view("cluster-node-timeout 15000"),
    std::string_view("cluster-port 0"),
    std::string_view("cluster-replica-validity-factor 10"),
    std::string_view("cluster-migration-barrier 1"),
    std::string_view("cluster-allow-replica-migration yes"),
    std::string_view("cluster-require-full-coverage yes"),
    std::string_view("cluster-replica-no-failover no"),
    std::string_view("cluster-allow-reads-when-down no"),
    std::string_view("cluster-allow-pubsubshard-when-down yes"),
    std::string_view("cluster-link-sendbuf-limit 0"),
    std::string_view("cluster-announce-hostname \"\""),
    std::string_view("cluster-announce-human-nodename \"\""),
    std::string_view("cluster-preferred-endpoint-type ip"),
    std::string_view("cluster-announce-ip 10.1.1.5"),
    std::string_view("cluster-announce-tls-port 6379"),
    std::string_view("cluster-announce-port 0"),
    std::string_view("cluster-announce-bus-port 6380"),
    std::string_view("latency-tracking yes"),
    std::string_view("latency-tracking-info-percentiles 50 99 99.9"),
    std::string_view("client-query-buffer-limit 1gb"),
    std::string_view("maxmemory-clients 5%"),
    std::string_view("maxmemory-clients 1g"),
    std::string_view("proto-max-bulk-len 512mb"),
    std::string_view("lfu-log-factor 10"),
    std::string_view("lfu-decay-time 1"),
    std::string_view("activedefrag no"),
    std::string_view("active-defrag-ignore-bytes 100mb"),
    std::string_view("active-defrag-threshold-lower 10"),
    std::string_view("active-defrag-threshold-upper 100"),
    std::string_view("active-defrag-cycle-min 1"),
    std::string_view("active-defrag-cycle-max 25"),
    std::string_view("active-defrag-max-scan-fields 1000"),
    std::string_view("server_cpulist 0-7:2"),
    std::string_view("bio_cpulist 1,3"),
    std::string_view("aof_rewrite_cpulist 8-11"),
    std::string_view("bgsave_cpulist 1,10-11"),
    std::string_view("ignore-warnings ARM64-COW-BUG"),
    std::string_view("loadmodule /path/to/module.so argument"),
};

}  // namespace quorate::server
