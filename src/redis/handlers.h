// The functions of all commands, as the command table's entries name them.
//
// Each gets a request whose arity, authentication and memory were checked, and writes one reply.
// Semantics and error texts are Redis 7.2's. Thread: the shard's.
#pragma once

#include "quorate/redis/command_context.h"

namespace quorate::redis {

// commands_string.cc
void append_command(CommandContext& context);
void decr_command(CommandContext& context);
void decrby_command(CommandContext& context);
void get_command(CommandContext& context);
void getdel_command(CommandContext& context);
void getex_command(CommandContext& context);
void getset_command(CommandContext& context);
void incr_command(CommandContext& context);
void incrby_command(CommandContext& context);
void mget_command(CommandContext& context);
void mset_command(CommandContext& context);
void psetex_command(CommandContext& context);
void set_command(CommandContext& context);
void setex_command(CommandContext& context);
void setnx_command(CommandContext& context);
void strlen_command(CommandContext& context);

// commands_generic.cc
void del_command(CommandContext& context);  // and UNLINK
void exists_command(CommandContext& context);
void expire_command(CommandContext& context);
void expireat_command(CommandContext& context);
void expiretime_command(CommandContext& context);
void persist_command(CommandContext& context);
void pexpire_command(CommandContext& context);
void pexpireat_command(CommandContext& context);
void pexpiretime_command(CommandContext& context);
void pttl_command(CommandContext& context);
void touch_command(CommandContext& context);
void ttl_command(CommandContext& context);
void type_command(CommandContext& context);

// commands_connection.cc
void auth_command(CommandContext& context);
void echo_command(CommandContext& context);
void hello_command(CommandContext& context);
void ping_command(CommandContext& context);
void quit_command(CommandContext& context);
void reset_command(CommandContext& context);
void select_command(CommandContext& context);

// commands_client.cc
void client_getname_command(CommandContext& context);
void client_help_command(CommandContext& context);
void client_id_command(CommandContext& context);
void client_info_command(CommandContext& context);
void client_list_command(CommandContext& context);
void client_no_evict_command(CommandContext& context);
void client_no_touch_command(CommandContext& context);
void client_setinfo_command(CommandContext& context);
void client_setname_command(CommandContext& context);

// commands_keyspace.cc
void dbsize_command(CommandContext& context);
void flushall_command(CommandContext& context);
void flushdb_command(CommandContext& context);
void keys_command(CommandContext& context);
void randomkey_command(CommandContext& context);

// commands_scan.cc
void scan_command(CommandContext& context);

// commands_server.cc
void bgsave_command(CommandContext& context);
void debug_command(CommandContext& context);
void lastsave_command(CommandContext& context);
void save_command(CommandContext& context);
void shutdown_command(CommandContext& context);
void time_command(CommandContext& context);

// commands_config.cc
void config_get_command(CommandContext& context);
void config_help_command(CommandContext& context);
void config_resetstat_command(CommandContext& context);
void config_set_command(CommandContext& context);

// commands_command.cc
void command_command(CommandContext& context);
void command_count_command(CommandContext& context);
void command_docs_command(CommandContext& context);
void command_getkeys_command(CommandContext& context);
void command_getkeysandflags_command(CommandContext& context);
void command_help_command(CommandContext& context);
void command_info_command(CommandContext& context);
void command_list_command(CommandContext& context);

// commands_cluster.cc
void cluster_countkeysinslot_command(CommandContext& context);
void cluster_forget_command(CommandContext& context);
void cluster_getkeysinslot_command(CommandContext& context);
void cluster_help_command(CommandContext& context);
void cluster_info_command(CommandContext& context);
void cluster_keyslot_command(CommandContext& context);
void cluster_links_command(CommandContext& context);
void cluster_meet_command(CommandContext& context);
void readonly_command(CommandContext& context);
void readwrite_command(CommandContext& context);
void asking_command(CommandContext& context);
void cluster_myid_command(CommandContext& context);  // and MYSHARDID
void cluster_nodes_command(CommandContext& context);
void cluster_refused_command(CommandContext& context);
void cluster_replicas_command(CommandContext& context);  // and SLAVES
void cluster_saveconfig_command(CommandContext& context);
void cluster_shards_command(CommandContext& context);
void cluster_slots_command(CommandContext& context);

// commands_wait.cc
void wait_command(CommandContext& context);

// commands_dyn.cc
void dyn_members_command(CommandContext& context);
void dyn_preflist_command(CommandContext& context);
void dyn_ring_command(CommandContext& context);

// commands_siblings.cc
void dyn_del_command(CommandContext& context);
void dyn_get_command(CommandContext& context);
void dyn_put_command(CommandContext& context);
void dyn_quorum_command(CommandContext& context);
void dyn_siblings_command(CommandContext& context);

// info.cc
void info_command(CommandContext& context);

}  // namespace quorate::redis
