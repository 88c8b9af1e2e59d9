// The commands about the cluster: what is typed, and what Redis 7.2 answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

using cluster::Liveness;
using object::NodeId;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string array(std::initializer_list<std::string> elements) {
  std::string reply = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) reply += element;
  return reply;
}

NodeId id_of(uint8_t node) {
  NodeId id{};
  id.fill(node);
  return id;
}
std::string id_text(uint8_t node) { return object::node_id_text(id_of(node)); }

// Three members on each of which every slot has a copy; the first is this node.
struct Three {
  cluster::MemberList list;
  std::map<NodeId, Liveness> liveness;

  Three() {
    for (uint8_t node = 1; node <= 3; ++node) {
      cluster::Member member;
      member.id = id_of(node);
      member.status = cluster::MemberStatus::normal;
      member.epoch = node;
      member.address = {"10.0.0." + std::to_string(node), 6379, 16379};
      member.zone = "zone-" + std::to_string(node);
      member.tokens = {1};
      list.merge(member);
    }
  }
  std::shared_ptr<const ClusterReplies> replies() const {
    return std::make_shared<const ClusterReplies>(cluster::ClusterView::make(
        {list, id_of(1),
         [this](const NodeId& id) {
           return liveness.contains(id) ? liveness.at(id) : Liveness::alive;
         }},
        nullptr));
  }
};

class ClusterCommands : public testing::TestWithParam<unsigned> {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  void tell(const Three& members) {
    const auto replies = members.replies();
    for (unsigned i = 0; i < GetParam(); ++i) harness_.engine(i).set_cluster(replies);
  }
  FakeClusterAdmin& admin() { return harness_.control().cluster_admin; }

  CommandHarness harness_{coordinator::ShardRigOptions{.shards = GetParam()}};
  const std::string own_ = std::string(40, 'a');
};

INSTANTIATE_TEST_SUITE_P(Shards, ClusterCommands, testing::Values(1u, 3u));

// ---- a lone node

TEST_P(ClusterCommands, ALoneNodeHasAllSlots) {
  const std::string ip = "$9\r\n127.0.0.1\r\n";
  const std::string node = "*4\r\n" + ip + ":6379\r\n" + bulk(own_);
  EXPECT_EQ(run({"CLUSTER", "SLOTS"}), "*1\r\n*3\r\n:0\r\n:16383\r\n" + node + "*0\r\n");
  const std::string shard = bulk("id") + bulk(own_) + bulk("port") + ":6379\r\n" + bulk("ip") + ip +
                            bulk("endpoint") + ip + bulk("role") + bulk("master") +
                            bulk("replication-offset") + ":0\r\n" + bulk("health") + bulk("online");
  EXPECT_EQ(run({"CLUSTER", "SHARDS"}), "*1\r\n*4\r\n" + bulk("slots") + "*2\r\n:0\r\n:16383\r\n" +
                                            bulk("nodes") + "*1\r\n*14\r\n" + shard);
  const std::string line = own_ + " 127.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-16383\n";
  EXPECT_EQ(run({"CLUSTER", "NODES"}), bulk(line));
  run({"HELLO", "3"});
  EXPECT_EQ(run({"CLUSTER", "SLOTS"}), "*1\r\n*3\r\n:0\r\n:16383\r\n" + node + "%0\r\n");
  EXPECT_THAT(run({"CLUSTER", "SHARDS"}), StartsWith("*1\r\n%2\r\n$5\r\nslots\r\n"));
  EXPECT_EQ(run({"CLUSTER", "NODES"}),
            "=" + std::to_string(line.size() + 4) + "\r\ntxt:" + line + "\r\n");
}

TEST_P(ClusterCommands, InfoIsRediss) {
  EXPECT_EQ(run({"CLUSTER", "INFO"}),
            bulk("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"
                 "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:1\r\n"
                 "cluster_size:1\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n"
                 "cluster_stats_messages_sent:7\r\ncluster_stats_messages_received:8\r\n"
                 "total_cluster_links_buffer_limit_exceeded:0\r\n"));
}

TEST_P(ClusterCommands, TheNodeSaysItsName) {
  EXPECT_EQ(run({"CLUSTER", "MYID"}), bulk(own_));
  EXPECT_EQ(run({"CLUSTER", "MYSHARDID"}), bulk(own_));
  EXPECT_EQ(run({"CLUSTER", "MYID", "x"}), wrong_arity("cluster|myid"));
}

TEST_P(ClusterCommands, ClientsAreToldWhetherItIsACluster) {
  EXPECT_THAT(run({"INFO", "cluster"}), HasSubstr("cluster_enabled:0"));
  harness_.control().server.cluster_enabled = true;
  EXPECT_THAT(run({"INFO", "cluster"}), HasSubstr("cluster_enabled:1"));
  EXPECT_THAT(run({"INFO", "server"}), HasSubstr("redis_mode:cluster"));
  EXPECT_THAT(run({"HELLO"}), HasSubstr(bulk("mode") + bulk("cluster")));
  harness_.control().server.cluster_enabled = false;
  tell({});
  EXPECT_THAT(run({"INFO", "cluster"}), HasSubstr("cluster_enabled:1")) << "with others it is one";
}

TEST_P(ClusterCommands, ModesOfAConnectionAreAccepted) {
  for (const char* name : {"readonly", "readwrite", "asking"}) {
    EXPECT_EQ(run({name}), kOk);
    EXPECT_EQ(run({name, "x"}), wrong_arity(name));
  }
}

// ---- keys of a slot

TEST_P(ClusterCommands, KeysHaveRediss) {
  EXPECT_EQ(run({"CLUSTER", "KEYSLOT", "foo"}), integer(12182));
  EXPECT_EQ(run({"CLUSTER", "KEYSLOT", "a{foo}b"}), integer(12182));
  EXPECT_EQ(run({"CLUSTER", "KEYSLOT", ""}), integer(0));
  EXPECT_EQ(run({"CLUSTER", "KEYSLOT"}), wrong_arity("cluster|keyslot"));
}

TEST_P(ClusterCommands, KeysOfASlotAreCountedAndListed) {
  for (const char* key : {"{foo}1", "{foo}2", "{foo}3", "other"}) run({"SET", key, "v"});
  EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", "12182"}), integer(3));
  EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", "0"}), integer(0));
  EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", "12182", "0"}), "*0\r\n");
  EXPECT_THAT(run({"CLUSTER", "GETKEYSINSLOT", "12182", "2"}), StartsWith("*2\r\n$6\r\n{foo}"));
  const std::string all = run({"CLUSTER", "GETKEYSINSLOT", "12182", "99"});
  EXPECT_THAT(all, AllOf(StartsWith("*3\r\n"), HasSubstr("{foo}1"), HasSubstr("{foo}2"),
                         HasSubstr("{foo}3"), Not(HasSubstr("other"))));
  harness_.restart();
  EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", "12182"}), integer(3)) << "cold ones, too";
  EXPECT_THAT(run({"CLUSTER", "GETKEYSINSLOT", "12182", "99"}), StartsWith("*3\r\n"));
  run({"SELECT", "1"});
  EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", "12182"}), integer(0)) << "of this database";
  EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", "12182", "9"}), "*0\r\n");
}

TEST_P(ClusterCommands, SlotsAreChecked) {
  for (const char* slot : {"-1", "16384"}) {
    EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", slot}), error("ERR Invalid slot"));
    EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", slot, "1"}),
              error("ERR Invalid slot or number of keys"));
  }
  EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", "1", "-1"}),
            error("ERR Invalid slot or number of keys"));
  EXPECT_EQ(run({"CLUSTER", "COUNTKEYSINSLOT", "x"}), kNotAnInteger);
  EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", "1", "x"}), kNotAnInteger);
  EXPECT_EQ(run({"CLUSTER", "GETKEYSINSLOT", "1"}), wrong_arity("cluster|getkeysinslot"));
}

// ---- several nodes

TEST_P(ClusterCommands, TheFirstHealthyMemberComesFirst) {
  Three members;
  tell(members);
  const std::string before = run({"CLUSTER", "SLOTS"});
  EXPECT_THAT(before, HasSubstr(bulk("10.0.0.2") + ":6379\r\n" + bulk(id_text(2))));
  members.liveness[id_of(2)] = Liveness::dead;
  tell(members);
  const std::string after = run({"CLUSTER", "SLOTS"});
  EXPECT_THAT(after, Not(HasSubstr("10.0.0.2"))) << "who is down is not asked";
  const std::string nodes = run({"CLUSTER", "NODES"});
  EXPECT_THAT(nodes, HasSubstr(id_text(2) + " 10.0.0.2:6379@16379 master,fail - 0 0 2 "
                                            "disconnected\n"));
  EXPECT_THAT(nodes, HasSubstr(id_text(1) + " 10.0.0.1:6379@16379 myself,master - 0 0 1 "
                                            "connected "));
  const std::string shards = run({"CLUSTER", "SHARDS"});
  EXPECT_THAT(shards, HasSubstr(bulk("health") + bulk("fail")));
  EXPECT_THAT(run({"CLUSTER", "INFO"}),
              AllOf(HasSubstr("cluster_state:ok"), HasSubstr("cluster_known_nodes:3"),
                    HasSubstr("cluster_size:2"), HasSubstr("cluster_slots_ok:16384"),
                    HasSubstr("cluster_current_epoch:3")));
  members.liveness[id_of(3)] = Liveness::suspected;
  tell(members);
  EXPECT_THAT(run({"CLUSTER", "NODES"}), HasSubstr("10.0.0.3:6379@16379 master,fail? - "));
  EXPECT_THAT(run({"CLUSTER", "INFO"}), HasSubstr("cluster_state:fail")) << "one of W=2 is left";
}

// The ranges of a reply to CLUSTER SLOTS about three members: their slots, and the members' part.
std::vector<std::tuple<int, int, std::string>> ranges_of(std::string_view slots) {
  constexpr std::string_view kRange = "*5\r\n:";
  std::vector<std::tuple<int, int, std::string>> ranges;
  for (size_t at = slots.find(kRange); at != std::string_view::npos;) {
    const size_t next = slots.find(kRange, at + 1);
    const std::string range(slots.substr(at + kRange.size(), next - at - kRange.size()));
    const size_t second = range.find(':') + 1;
    ranges.emplace_back(std::stoi(range), std::stoi(range.substr(second)),
                        range.substr(range.find('*')));
    at = next;
  }
  return ranges;
}

TEST_P(ClusterCommands, RangesCoverEachSlotOnceAndAreMerged) {
  tell({});
  const auto ranges = ranges_of(run({"CLUSTER", "SLOTS"}));
  std::set<std::string> lists;
  std::string before;
  int next = 0;
  for (const auto& [first, last, members] : ranges) {
    EXPECT_EQ(first, next);
    next = last + 1;
    EXPECT_NE(members, before) << "neighbours with equal lists are one range";
    before = members;
    lists.insert(members);
  }
  EXPECT_EQ(next, 16384);
  EXPECT_THAT(run({"CLUSTER", "SHARDS"}), StartsWith("*" + std::to_string(lists.size()) + "\r\n"))
      << "equal lists are one shard";
}

TEST_P(ClusterCommands, AReplyIsMadeOnceForAllShards) {
  const auto replies = Three().replies();
  EXPECT_EQ(replies->slots(2, "a"), replies->slots(2, "b")) << "the address is known";
  EXPECT_NE(replies->slots(2, ""), replies->slots(3, ""));
  EXPECT_NE(replies->slots(2, ""), replies->shards(2, ""));
  const auto alone = cluster_of_one(own_);
  EXPECT_NE(alone->nodes(2, "127.0.0.1"), alone->nodes(2, "10.0.0.9"));
  EXPECT_EQ(alone->nodes(2, "127.0.0.1"), alone->nodes(2, "127.0.0.1"));
}

TEST_P(ClusterCommands, LinksAreThoseOfTheControlThread) {
  EXPECT_EQ(run({"CLUSTER", "LINKS"}), "*0\r\n");
  admin().link_facts = {{id_of(2), true, 1'700'000'000'123, 0}, {id_of(3), false, 5, 77}};
  const auto link = [](const std::string& direction, uint8_t node, int64_t created,
                       const std::string& events, int64_t bytes) {
    return "*12\r\n" + bulk("direction") + bulk(direction) + bulk("node") + bulk(id_text(node)) +
           bulk("create-time") + integer(created) + bulk("events") + bulk(events) +
           bulk("send-buffer-allocated") + integer(bytes) + bulk("send-buffer-used") +
           integer(bytes);
  };
  EXPECT_EQ(run({"CLUSTER", "LINKS"}),
            array({link("to", 2, 1'700'000'000'123, "r", 0), link("from", 3, 5, "rw", 77)}));
}

TEST_P(ClusterCommands, NoNodeIsAReplicaOfAnother) {
  tell({});
  for (const char* name : {"REPLICAS", "SLAVES"}) {
    EXPECT_EQ(run({"CLUSTER", name, id_text(2)}), "*0\r\n");
    EXPECT_EQ(run({"CLUSTER", name, "nobody"}), error("ERR Unknown node nobody"));
    EXPECT_EQ(run({"CLUSTER", name, id_text(9)}), error("ERR Unknown node " + id_text(9)));
  }
}

// ---- changing the cluster

TEST_P(ClusterCommands, MeetingGoesToTheControlThread) {
  EXPECT_EQ(run({"CLUSTER", "MEET", "10.0.0.2", "7001"}), kOk);
  EXPECT_EQ(admin().asked, "meet 10.0.0.2 17001");
  EXPECT_EQ(run({"CLUSTER", "MEET", "::1", "7001", "99"}), kOk);
  EXPECT_EQ(admin().asked, "meet ::1 99");
  admin().answer = runtime::fail("not here");
  EXPECT_EQ(run({"CLUSTER", "MEET", "10.0.0.2", "7001"}), error("ERR not here"));
}

TEST_P(ClusterCommands, AddressesOfMeetingsAreChecked) {
  const auto meet = [&](const Words& words) {
    Words all{"CLUSTER", "MEET"};
    all.insert(all.end(), words.begin(), words.end());
    return run(all);
  };
  EXPECT_EQ(meet({"10.0.0.2", "x"}), error("ERR Invalid base port specified: x"));
  EXPECT_EQ(meet({"10.0.0.2", "7001", "y"}), error("ERR Invalid bus port specified: y"));
  EXPECT_EQ(meet({"node-2", "7001"}), error("ERR Invalid node address specified: node-2:7001"));
  for (const char* port : {"0", "-1", "65536", "60000"}) {
    EXPECT_EQ(meet({"10.0.0.2", port}),
              error(std::string("ERR Invalid node address specified: 10.0.0.2:") + port));
  }
  EXPECT_EQ(meet({"10.0.0.2", "7001", "70000"}),
            error("ERR Invalid node address specified: 10.0.0.2:7001"));
  EXPECT_EQ(meet({"10.0.0.2", "7001", "7", "8"}),
            error("ERR unknown subcommand or wrong number of arguments for 'MEET'. Try CLUSTER "
                  "HELP."));
  EXPECT_EQ(meet({"10.0.0.2"}), wrong_arity("cluster|meet"));
  EXPECT_EQ(admin().asked, "") << "nothing of this was tried";
}

TEST_P(ClusterCommands, ForgettingGoesToTheControlThread) {
  EXPECT_EQ(run({"CLUSTER", "FORGET", id_text(2)}), kOk);
  EXPECT_EQ(admin().asked, "forget " + id_text(2));
  admin().answer = runtime::fail("Unknown node x");
  EXPECT_EQ(run({"CLUSTER", "FORGET", "x"}), error("ERR Unknown node x"));
}

TEST_P(ClusterCommands, WhatHasNoMeaningSaysSo) {
  const Words refused[] = {{"ADDSLOTS", "1"},
                           {"ADDSLOTSRANGE", "1", "2"},
                           {"BUMPEPOCH"},
                           {"DELSLOTS", "1"},
                           {"DELSLOTSRANGE", "1", "2"},
                           {"FAILOVER", "FORCE"},
                           {"FLUSHSLOTS"},
                           {"REPLICATE", id_text(2)},
                           {"RESET", "HARD"},
                           {"SET-CONFIG-EPOCH", "1"},
                           {"SETSLOT", "1", "STABLE"}};
  for (Words words : refused) {
    const std::string name = words[0];
    words.insert(words.begin(), "CLUSTER");
    EXPECT_THAT(run(words), StartsWith("-ERR CLUSTER " + name + " has no meaning here: "));
  }
  EXPECT_EQ(run({"CLUSTER", "SAVECONFIG"}), kOk);
  EXPECT_EQ(run({"CLUSTER", "NOSUCH"}),
            error("ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP."));
  EXPECT_THAT(run({"CLUSTER", "HELP"}),
              AllOf(StartsWith("*"), HasSubstr("+MEET <ip> <port> [<bus-port>]\r\n")));
}

// ---- Quorate's own

TEST_P(ClusterCommands, MembersAreListed) {
  Three members;
  members.liveness[id_of(3)] = Liveness::suspected;
  tell(members);
  const std::string reply = run({"DYN.MEMBERS"});
  EXPECT_THAT(reply, StartsWith("*3\r\n*22\r\n"));
  EXPECT_THAT(
      reply, HasSubstr(bulk("id") + bulk(id_text(3)) + bulk("ip") + bulk("10.0.0.3") +
                       bulk("port") + ":6379\r\n" + bulk("bus-port") + ":16379\r\n" + bulk("zone") +
                       bulk("zone-3") + bulk("host") + bulk("") + bulk("status") + bulk("normal") +
                       bulk("liveness") + bulk("suspected") + bulk("weight") + ":1\r\n" +
                       bulk("epoch") + ":3\r\n" + bulk("myself") + ":0\r\n"));
}

TEST_P(ClusterCommands, TheRingIsShown) {
  EXPECT_THAT(
      run({"DYN.RING"}),
      testing::EndsWith(bulk("n") + ":1\r\n" + bulk("r") + ":1\r\n" + bulk("w") + ":1\r\n" +
                        bulk("ranges") + "*1\r\n*3\r\n:0\r\n:16383\r\n*1\r\n" + bulk(own_)));
  Three members;
  tell(members);
  const std::string healthy = run({"DYN.RING"});
  members.liveness[id_of(2)] = Liveness::dead;
  tell(members);
  EXPECT_EQ(run({"DYN.RING"}), healthy) << "placement, not liveness";
}

TEST_P(ClusterCommands, APreferenceListIsShown) {
  EXPECT_EQ(run({"DYN.PREFLIST", "foo"}), "*6\r\n" + bulk("slot") + ":12182\r\n" +
                                              bulk("coordinator") + bulk(own_) + bulk("nodes") +
                                              "*1\r\n*4\r\n" + bulk(own_) + bulk("") + ":6379\r\n" +
                                              bulk("alive"));
  Three members;
  tell(members);
  const std::string before = run({"DYN.PREFLIST", "foo"});
  for (uint8_t node = 1; node <= 3; ++node) EXPECT_THAT(before, HasSubstr(id_text(node)));
  EXPECT_EQ(run({"DYN.PREFLIST"}), wrong_arity("dyn.preflist"));
}

}  // namespace
}  // namespace quorate::redis
