#include "redis/info.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "quorate/coordinator/shard_cluster.h"
#include "quorate/redis/session.h"

#include "redis/gathered_request.h"
#include "redis/handlers.h"

namespace quorate::redis {
namespace {

void add_counters(std::vector<uint64_t>& to, const std::vector<uint64_t>& from) {
  to.resize(std::max(to.size(), from.size()));
  for (size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

void add_statistics(EngineStatistics& to, const EngineStatistics& from) {
  to.commands += from.commands;
  to.forwarded_commands += from.forwarded_commands;
  to.peer_commands += from.peer_commands;
  to.keyspace_hits += from.keyspace_hits;
  to.keyspace_misses += from.keyspace_misses;
  to.input_bytes += from.input_bytes;
  to.output_bytes += from.output_bytes;
  to.error_replies += from.error_replies;
  to.siblings_made += from.siblings_made;
  to.siblings_refused += from.siblings_refused;
  to.siblings_superseded += from.siblings_superseded;
  to.commands_per_s += from.commands_per_s;
  to.input_bytes_per_s += from.input_bytes_per_s;
  to.output_bytes_per_s += from.output_bytes_per_s;
  add_counters(to.calls, from.calls);
  add_counters(to.rejected, from.rejected);
  add_counters(to.failed, from.failed);
}

void add_statistics(storage::StoreStatistics& to, const storage::StoreStatistics& from) {
  to.expired_keys += from.expired_keys;
  to.evicted_keys += from.evicted_keys;
  to.demoted_keys += from.demoted_keys;
  to.loaded_keys += from.loaded_keys;
  to.damaged_rows += from.damaged_rows;
  to.checkpoint_failures += from.checkpoint_failures;
  to.checkpoint_rows_last += from.checkpoint_rows_last;
  to.checkpoints_completed = std::min(to.checkpoints_completed, from.checkpoints_completed);
  to.checkpoint_us_last = std::max(to.checkpoint_us_last, from.checkpoint_us_last);
}

uint64_t sync_lag_ms(const storage::Journal& journal, uint64_t now_us) {
  if (journal.synced_position() >= journal.written_position()) return 0;
  const uint64_t since_us = journal.statistics().unsynced_since_monotonic_us;
  return now_us > since_us ? (now_us - since_us) / 1000 : 0;
}

void count_all_keys(const storage::ShardStore& store, ShardFacts& facts) {
  const storage::Table& table = store.table();
  const storage::ShardStore::Shape& shape = store.shape();
  const auto databases = static_cast<uint16_t>(shape.databases);
  for (uint16_t db = 0; db < databases; ++db) {
    facts.databases.push_back(count_keys(store, db, nullptr));
    if (!table.has_database(db)) continue;
    for (unsigned slot = shape.shard; slot < object::kSlots; slot += shape.shards) {
      facts.changed_keys += table.counts(db, static_cast<uint16_t>(slot)).dirty;
    }
  }
}

void count_client_buffers(const ShardEngine& engine, ShardFacts& facts) {
  for (const auto& [id, session] : engine.sessions()) {
    facts.input_bytes_max = std::max<uint64_t>(facts.input_bytes_max, session->input_bytes());
    facts.output_bytes_max = std::max<uint64_t>(facts.output_bytes_max, session->output_bytes());
    facts.client_bytes += session->memory_bytes();
  }
}

}  // namespace

uint64_t last_save_ms(ShardEngine& engine) {
  const uint64_t completed_ms = engine.store().statistics().checkpoint_completed_ms;
  return completed_ms != 0 ? completed_ms : engine.control().facts().started_ms;
}

ShardFacts shard_facts(ShardEngine& engine) {
  storage::ShardStore& store = engine.store();
  const storage::Journal& journal = store.journal();
  const storage::Journal::Statistics written = journal.statistics();
  ShardFacts facts;
  facts.engine = engine.statistics();
  facts.store = store.statistics();
  count_all_keys(store, facts);
  count_client_buffers(engine, facts);
  if (engine.clustered()) facts.cluster = engine.shard_cluster()->facts();
  facts.last_save_ms = last_save_ms(engine);
  facts.siblings_seen = engine.coordinator().keys().siblings_seen();
  facts.dirty_bytes = store.dirty_bytes();
  facts.cold_keys = store.cold_rows();
  facts.table_bytes = store.table().memory_bytes();
  facts.journal_bytes = written.bytes;
  facts.journal_segments = written.segments;
  facts.journal_memory_bytes = written.memory_bytes;
  facts.journal_syncs = written.syncs;
  facts.journal_sync_lag_ms = sync_lag_ms(journal, engine.loop().clock().monotonic_us());
  facts.checkpoint_running = store.checkpoint_running();
  facts.checkpoint_failing = store.checkpoint_failing();
  facts.writes_refused = !store.write_refusal().empty();
  return facts;
}

void ShardFacts::add(const ShardFacts& other) {
  add_statistics(engine, other.engine);
  add_statistics(store, other.store);
  databases.resize(std::max(databases.size(), other.databases.size()));
  for (size_t db = 0; db < other.databases.size(); ++db) {
    databases[db].add(other.databases[db]);
  }
  cluster.add(other.cluster);
  last_save_ms = std::min(last_save_ms, other.last_save_ms);
  changed_keys += other.changed_keys;
  siblings_seen += other.siblings_seen;
  dirty_bytes += other.dirty_bytes;
  cold_keys += other.cold_keys;
  table_bytes += other.table_bytes;
  journal_bytes += other.journal_bytes;
  journal_segments += other.journal_segments;
  journal_memory_bytes += other.journal_memory_bytes;
  journal_syncs += other.journal_syncs;
  journal_sync_lag_ms = std::max(journal_sync_lag_ms, other.journal_sync_lag_ms);
  input_bytes_max = std::max(input_bytes_max, other.input_bytes_max);
  output_bytes_max = std::max(output_bytes_max, other.output_bytes_max);
  client_bytes += other.client_bytes;
  checkpoint_running = checkpoint_running || other.checkpoint_running;
  checkpoint_failing = checkpoint_failing || other.checkpoint_failing;
  writes_refused = writes_refused || other.writes_refused;
}

namespace {

using Counts = std::vector<KeyCounts>;  // by database

// The part of an answer (Gather::sums): keys and volatile keys of each database.
void reply_key_counts(CommandContext& context) {
  context.engine.on_every_shard<Counts>(
      [slots = context.slots](ShardEngine& engine) {
        Counts counts;
        const auto databases = static_cast<uint16_t>(engine.store().shape().databases);
        for (uint16_t db = 0; db < databases; ++db) {
          counts.push_back(count_keys(engine.store(), db, slots));
        }
        return counts;
      },
      [finish = std::make_shared<Finish>(context.defer())](std::vector<Counts> shards) {
        Counts& all = shards[0];
        for (size_t i = 1; i < shards.size(); ++i) {
          for (size_t db = 0; db < all.size(); ++db) all[db].add(shards[i][db]);
        }
        (*finish)([&](ReplyWriter& reply) {
          reply.array(all.size() * 2);
          for (const KeyCounts& counts : all) {
            reply.integer(static_cast<int64_t>(counts.keys));
            reply.integer(static_cast<int64_t>(counts.volatile_keys));
          }
        });
      });
}

// Replaces what this node has by what the cluster has, as far as it can be reached.
void with_keys_of_cluster(ShardEngine& engine, const Request& request, ShardFacts shards,
                          std::move_only_function<void(ShardFacts)> done) {
  GatheredRequest::start(engine, request, GatheredRequest::Missing::leave_out,
                         [shards = std::move(shards), done = std::move(done)](
                             const runtime::Status&, const GatheredReply& reply) mutable {
                           const std::vector<uint64_t>& sums = reply.sums();
                           shards.databases.assign(sums.size() / 2, {});
                           for (size_t db = 0; db < shards.databases.size(); ++db) {
                             shards.databases[db] = {sums[db * 2], sums[db * 2 + 1]};
                           }
                           done(std::move(shards));
                         });
}

}  // namespace

void info_command(CommandContext& context) {
  if (context.slots != nullptr) return reply_key_counts(context);
  const Args args = context.args.subspan(1);
  Request part;  // what other nodes are asked; its one argument is static
  part.spec = &context.spec;
  part.args = {&context.spec.name, 1};
  context.engine.on_every_shard<ShardFacts>(
      shard_facts,
      [&engine = context.engine, part, names = std::vector<std::string>(args.begin(), args.end()),
       finish = std::make_shared<Finish>(context.defer())](std::vector<ShardFacts> shards) {
        for (size_t i = 1; i < shards.size(); ++i) shards[0].add(shards[i]);
        const auto reply = [&engine, names, finish](ShardFacts all) {
          const ServerControl& control = engine.control();
          const NodeFacts facts{control.facts(),
                                control.memory(),
                                control.cpu(),
                                control.connections(),
                                std::move(all),
                                engine.commands(),
                                engine.loop().clock().wall_ms(),
                                engine.is_cluster()};
          (*finish)([&](ReplyWriter& to) { to.verbatim("txt", info_text(facts, names)); });
        };
        if (!engine.clustered() || !asks_for_keyspace(names)) return reply(std::move(shards[0]));
        with_keys_of_cluster(engine, part, std::move(shards[0]), reply);
      });
}

}  // namespace quorate::redis
