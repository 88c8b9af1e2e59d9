// Gossip: how members learn of each other's records and find out who does not answer.
//
// Failure detection is SWIM's (Das, Gupta, Motivala, DSN 2002: probes in shuffled rounds, indirect
// probes, suspicion before death, refutation by incarnation, news carried on probes) with the three
// refinements of Lifeguard (Dadgar, Phillips, Currey, 2018: a node that misses answers it should
// have had trusts itself less and slows down; a suspicion runs the shorter the more members share
// it; who is suspected is told so first). Rounds of probes take a while to come to a member: who
// finds that one does not answer says so, and it is probed at once. News also leaves in rounds of
// its own while there is some, and whole lists are exchanged when two members' digests stay
// different, after a start and now and then. Members that are dead are still tried, so that a
// healed partition is noticed.
//
// Invariants: a member's incarnation is raised by that member alone; liveness never changes the
// member list. What is dead or suspected here is this node's view. Messages may be lost, repeated
// and reordered; each is complete in itself. Thread: that of the loop. Units: microseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "quorate/cluster/member_list.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"

namespace quorate::cluster {

enum class Liveness : uint8_t { alive, suspected, dead };

class GossipTransport {
 public:
  virtual ~GossipTransport() = default;
  // Best effort, never waits: a message that cannot leave now may be dropped.
  virtual void send(const object::NodeId& to, std::string message) = 0;
};

class GossipObserver {
 public:
  virtual ~GossipObserver() = default;
  // Records of the list were added or changed. The list is members().
  virtual void members_changed() = 0;
  virtual void liveness_changed(const object::NodeId& member, Liveness liveness) = 0;
  // Another node has made this one a member that left.
  virtual void removed() = 0;
  // Whether the list of someone who is no member, `theirs`, is to be merged with ours.
  virtual bool admits(const object::NodeId& /*stranger*/, std::span<const Member> /*theirs*/) {
    return true;
  }
};

struct GossipSettings {
  uint64_t probe_interval_us = 1'000'000;
  uint64_t probe_timeout_us = 500'000;  // then others are asked to probe
  uint64_t doubt_timeout_us = 400'000;  // for the answer of who is doubted
  unsigned indirect_probes = 3;
  uint64_t round_interval_us = 200'000;  // of news, while there is some
  unsigned round_peers = 3;
  unsigned retransmit_factor = 4;  // news leaves this × log10(members) times
  // A suspicion lasts probe intervals × log10(members) × this at least, if enough members share it,
  // and at most six times that.
  unsigned suspicion_factor = 4;
  uint64_t exchange_interval_us = 60'000'000;
  uint64_t reconnect_interval_us = 5'000'000;  // between attempts at some dead member
  size_t news_bytes_max = 4096;                // in a message
};

class Gossip {
 public:
  struct Parts {
    runtime::Loop& loop;
    runtime::Random& random;
    GossipTransport& transport;
    GossipObserver& observer;
  };
  struct Statistics {
    uint64_t sent = 0, received = 0, malformed = 0;
    uint64_t probes_failed = 0, suspicions = 0, deaths = 0, refutations = 0, exchanges = 0;
  };

  // `members` includes this node. `incarnation` is above all it ever had (the start counter in the
  // upper half will do). REQUIRES: the parts outlive it.
  static std::unique_ptr<Gossip> make(Parts parts, const GossipSettings& settings,
                                      MemberList members, const object::NodeId& self,
                                      uint64_t incarnation);
  virtual ~Gossip() = default;

  // Begins to probe; asks some members for what happened meanwhile.
  virtual void start() = 0;
  virtual void receive(const object::NodeId& from, std::string_view message) = 0;
  // There is reason to think that the member does not answer: its connection ended, or questions
  // wait for it. It is probed at once, directly and by others, and suspected if that is in vain.
  // Called as often as the reason is there.
  virtual void doubt(const object::NodeId& member) = 0;
  // Exchanges lists with a node, member or not: how two clusters become one.
  virtual void exchange_with(const object::NodeId& peer) = 0;
  // Spreads a record that this node has changed, with a higher version.
  virtual void announce(const Member& record) = 0;
  virtual void announce(const Setting& record) = 0;

  virtual const MemberList& members() const = 0;
  // Alive for this node itself and for who was never heard of.
  virtual Liveness liveness(const object::NodeId& member) const = 0;
  // Lifeguard's local health: 0 is well, every point slows probing by the interval once more.
  virtual unsigned health() const = 0;
  virtual const Statistics& statistics() const = 0;
};

}  // namespace quorate::cluster
