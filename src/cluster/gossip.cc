#include "quorate/cluster/gossip.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include "cluster/gossip_message.h"
#include "cluster/liveness_table.h"
#include "cluster/rumor_queue.h"

namespace quorate::cluster {
namespace {

using object::NodeId;
using Kind = GossipMessage::Kind;

constexpr unsigned kHealthMax = 8;  // Lifeguard's S
constexpr unsigned kSuspicionSpan = 6;
constexpr unsigned kFirstExchanges = 3;
constexpr size_t kRelaysMax = 1024;
// A timer that is so late says that this loop stood still and has answers to read.
constexpr uint64_t kLatenessUs = 100'000;
constexpr unsigned kDoubtedAsked = 4;  // times, before who is doubted is suspected
// Lists that still differ this long after the last change here will not become equal by themselves.
constexpr uint64_t kDigestPatienceUs = 3'000'000;

class GossipOfMembers final : public Gossip {
 public:
  GossipOfMembers(Parts parts, const GossipSettings& settings, MemberList members,
                  const NodeId& self, uint64_t incarnation)
      : loop_(parts.loop),
        random_(parts.random),
        transport_(parts.transport),
        observer_(parts.observer),
        settings_(settings),
        list_(std::move(members)),
        self_(self),
        incarnation_(incarnation) {
    for (const auto& [id, member] : list_.members()) take_up(member);
  }

  void start() override;
  void receive(const NodeId& from, std::string_view bytes) override;
  void doubt(const NodeId& member) override;
  void exchange_with(const NodeId& peer) override { send_list(peer, Kind::exchange); }
  void announce(const Member& record) override;
  void announce(const Setting& record) override;

  const MemberList& members() const override { return list_; }
  Liveness liveness(const NodeId& member) const override {
    return member == self_ ? Liveness::alive : beliefs_.belief(member).liveness;
  }
  unsigned health() const override { return health_; }
  const Statistics& statistics() const override { return statistics_; }

 private:
  using TimerHandle = std::unique_ptr<runtime::Timer>;
  struct Probe {
    NodeId target{};
    uint64_t sequence = 0;  // 0: none under way
    unsigned nacks_due = 0;
  };
  struct Doubt {
    uint64_t sequence = 0;  // of its probe; 0: it has answered
    uint64_t due_us = 0;
    TimerHandle timer;
  };
  struct Relay {  // a probe for someone else
    NodeId asker{};
    uint64_t sequence = 0;  // the asker's
    TimerHandle timer;
  };
  struct Suspicion {
    uint64_t since_us = 0;
    uint64_t due_us = 0;
    TimerHandle timer;
  };

  uint64_t now_us() const { return loop_.clock().monotonic_us(); }
  TimerHandle after(uint64_t delay_us, runtime::Task task) {
    return loop_.start_timer(delay_us, 0, std::move(task));
  }

  // ---- probing
  void probe_next();
  void conclude_probe(bool stalled);
  void ask_doubted(const NodeId& member);
  void conclude_doubt(const NodeId& member);
  void ask_others(uint64_t sequence);
  const NodeId* next_target();
  void relay(const NodeId& asker, const GossipMessage& message);
  void take_ack(uint64_t sequence);
  void change_health(int by);

  // ---- sending
  void send(const NodeId& to, GossipMessage message);
  // Without records: only what is known of each member's liveness.
  void send_list(const NodeId& to, Kind kind, bool records = true);
  void keep_rounds();
  void run_round();
  void run_exchanges();
  std::vector<NodeId> pick(size_t count, const NodeId& except, Liveness worst) const;
  unsigned transmissions() const;

  // ---- hearing
  void hear(const NodeId& from, const GossipMessage& message);
  void hear(const LivenessRumor& rumor);
  void refute(uint64_t incarnation);
  void hear_member(const Member& record);
  void hear_news(const News& news, bool of_list);
  void compare_lists(const NodeId& from, uint64_t digest);
  void take_up(const Member& member);
  void say_alive();

  // ---- suspicion
  double scale() const { return std::max(1.0, std::log10(static_cast<double>(list_.size()))); }
  SuspicionTimes suspicion_times() const;
  void watch(const NodeId& member, const LivenessTable::Belief& belief);
  void give_up(const NodeId& member);

  runtime::Loop& loop_;
  runtime::Random& random_;
  GossipTransport& transport_;
  GossipObserver& observer_;
  const GossipSettings settings_;
  MemberList list_;
  const NodeId self_;
  uint64_t incarnation_;
  LivenessTable beliefs_;
  RumorQueue rumors_;
  Statistics statistics_;

  std::vector<NodeId> others_;  // that belong, in the order of this round of probes
  size_t next_ = 0;
  Probe probe_;
  uint64_t probe_due_us_ = 0;
  uint64_t sequence_ = 0;
  unsigned health_ = 0;
  boost::unordered_flat_map<uint64_t, Relay> relays_;  // by our sequence
  boost::unordered_flat_map<NodeId, Doubt, NodeIdHash> doubts_;
  boost::unordered_flat_map<NodeId, Suspicion, NodeIdHash> suspicions_;
  uint64_t list_changed_us_ = 0;
  uint64_t compared_us_ = 0;
  bool list_news_ = false;  // the observer is still to be told
  TimerHandle probe_timer_, ask_timer_, round_timer_, exchange_timer_, reconnect_timer_;
};

// ---- members

// Keeps others_ as the list says. New ones come at a random place of the round, as SWIM 4.3 asks.
void GossipOfMembers::take_up(const Member& member) {
  if (member.id == self_ || member.belongs() == beliefs_.watches(member.id)) return;
  if (member.belongs()) {
    const auto place = static_cast<ptrdiff_t>(random_.below(others_.size() + 1));
    others_.insert(others_.begin() + place, member.id);
    beliefs_.watch(member.id);
    return;
  }
  std::erase(others_, member.id);
  beliefs_.forget(member.id);
  suspicions_.erase(member.id);
  doubts_.erase(member.id);
  if (probe_.target == member.id) probe_.sequence = 0;
}

void GossipOfMembers::announce(const Member& record) {
  if (!list_.merge(record)) return;
  list_changed_us_ = now_us();
  take_up(record);
  rumors_.add(record);
  keep_rounds();
  observer_.members_changed();
}

void GossipOfMembers::announce(const Setting& record) {
  if (!list_.merge(record)) return;
  list_changed_us_ = now_us();
  rumors_.add(record);
  keep_rounds();
  observer_.members_changed();
}

void GossipOfMembers::hear_member(const Member& record) {
  const Member* known = list_.find(record.id);
  if (known != nullptr && *known == record) return;
  if (record.id == self_ && record.belongs()) {
    // Someone has an older life's or a foreign record of this node: ours must be above it.
    if (known == nullptr || record.version < known->version) return;
    Member own = *known;
    own.version = record.version + 1;
    return announce(own);
  }
  if (!list_.merge(record)) return;
  list_changed_us_ = now_us();
  list_news_ = true;
  take_up(record);
  rumors_.add(record);
  if (record.id == self_) observer_.removed();
}

void GossipOfMembers::hear_news(const News& news, bool of_list) {
  for (const Member& record : news.members) hear_member(record);
  for (const Setting& record : news.settings) {
    if (!list_.merge(record)) continue;
    list_changed_us_ = now_us();
    list_news_ = true;
    rumors_.add(record);
  }
  for (LivenessRumor rumor : news.liveness) {
    // What one side of a partition found dead may be alive on the other: it shall have the time to
    // refute.
    if (of_list && rumor.liveness == Liveness::dead) rumor.liveness = Liveness::suspected;
    hear(rumor);
  }
  if (std::exchange(list_news_, false)) observer_.members_changed();
  keep_rounds();
}

// ---- probing

void GossipOfMembers::start() {
  say_alive();
  for (const NodeId& peer : pick(kFirstExchanges, self_, Liveness::dead)) exchange_with(peer);
  // Nodes that start together do not probe together.
  const uint64_t delay_us = random_.below(settings_.probe_interval_us);
  probe_due_us_ = now_us() + delay_us;
  probe_timer_ = after(delay_us, [this] { probe_next(); });
  exchange_timer_ = loop_.start_timer(random_.below(settings_.exchange_interval_us) + 1,
                                      settings_.exchange_interval_us, [this] { run_exchanges(); });
  reconnect_timer_ =
      loop_.start_timer(settings_.reconnect_interval_us, settings_.reconnect_interval_us, [this] {
        std::vector<NodeId> dead;
        for (const NodeId& id : others_) {
          if (liveness(id) == Liveness::dead) dead.push_back(id);
        }
        if (!dead.empty()) exchange_with(dead[random_.below(dead.size())]);
      });
}

void GossipOfMembers::probe_next() {
  conclude_probe(now_us() > probe_due_us_ + kLatenessUs);
  const uint64_t interval_us = settings_.probe_interval_us * (health_ + 1);
  probe_due_us_ = now_us() + interval_us;
  probe_timer_ = after(interval_us, [this] { probe_next(); });
  const NodeId* const target = next_target();
  if (target == nullptr) return;
  probe_ = {*target, ++sequence_, 0};
  send(*target, {Kind::probe, sequence_, *target, 0, {}});
  ask_timer_ = after(settings_.probe_timeout_us * (health_ + 1),
                     [this, sequence = sequence_] { ask_others(sequence); });
}

const NodeId* GossipOfMembers::next_target() {
  for (size_t tries = 0; tries < others_.size(); ++tries) {
    if (next_ >= others_.size()) {
      for (size_t i = others_.size(); i > 1; --i) {
        std::swap(others_[i - 1], others_[random_.below(i)]);
      }
      next_ = 0;
    }
    const NodeId& candidate = others_[next_++];
    if (liveness(candidate) != Liveness::dead) return &candidate;
  }
  return nullptr;
}

void GossipOfMembers::ask_others(uint64_t sequence) {
  if (probe_.sequence != sequence) return;
  const NodeId target = probe_.target;
  for (const NodeId& peer : pick(settings_.indirect_probes, target, Liveness::alive)) {
    ++probe_.nacks_due;
    send(peer, {Kind::probe_request, sequence, target, 0, {}});
  }
}

void GossipOfMembers::conclude_probe(bool stalled) {
  if (probe_.sequence == 0) return;
  const Probe failed = std::exchange(probe_, {});
  ++statistics_.probes_failed;
  if (stalled) return change_health(1);
  // Who should have answered that the target does not, and was not heard either, speaks against us.
  const bool asked = settings_.indirect_probes > 0 && others_.size() > 1;
  change_health(asked ? static_cast<int>(failed.nacks_due) : 1);
  hear(LivenessRumor{failed.target, Liveness::suspected, beliefs_.belief(failed.target).incarnation,
                     self_});
  keep_rounds();
}

// Its time passes also after an answer: one doubt at a time.
void GossipOfMembers::doubt(const NodeId& member) {
  const bool in_question = beliefs_.watches(member) && liveness(member) == Liveness::alive;
  if (!in_question || doubts_.contains(member)) return;
  const uint64_t patience_us = settings_.doubt_timeout_us * (health_ + 1);
  doubts_[member] = {++sequence_, now_us() + patience_us, nullptr};
  ask_doubted(member);
}

// Several times: who is just starting again hears only the last.
void GossipOfMembers::ask_doubted(const NodeId& member) {
  Doubt& doubt = doubts_[member];
  const uint64_t now = now_us();
  if (now >= doubt.due_us) return conclude_doubt(member);
  const uint64_t pause_us = settings_.doubt_timeout_us / kDoubtedAsked * (health_ + 1);
  doubt.timer = after(std::min(pause_us, doubt.due_us - now), [this, member] {
    const TimerHandle timer = std::move(doubts_[member].timer);
    ask_doubted(member);
  });
  if (doubt.sequence == 0) return;
  send(member, {Kind::probe, doubt.sequence, member, 0, {}});
  for (const NodeId& peer : pick(settings_.indirect_probes, member, Liveness::alive)) {
    send(peer, {Kind::probe_request, doubt.sequence, member, 0, {}});
  }
}

void GossipOfMembers::conclude_doubt(const NodeId& member) {
  const Doubt doubt = std::move(doubts_[member]);
  doubts_.erase(member);
  if (doubt.sequence == 0 || liveness(member) != Liveness::alive) return;
  ++statistics_.probes_failed;
  if (now_us() > doubt.due_us + kLatenessUs) return change_health(1);
  hear(LivenessRumor{member, Liveness::suspected, beliefs_.belief(member).incarnation, self_});
  keep_rounds();
}

void GossipOfMembers::relay(const NodeId& asker, const GossipMessage& message) {
  if (relays_.size() >= kRelaysMax || !beliefs_.watches(message.target)) return;
  const uint64_t sequence = ++sequence_;
  // Before the asker's own patience ends.
  auto nack = [this, sequence] {
    const auto at = relays_.find(sequence);
    if (at == relays_.end()) return;
    const Relay unanswered = std::move(at->second);
    relays_.erase(at);
    send(unanswered.asker, {Kind::nack, unanswered.sequence, {}, 0, {}});
  };
  const uint64_t patience_us = std::min(settings_.probe_timeout_us,
                                        settings_.probe_interval_us - settings_.probe_timeout_us) /
                               5 * 4;
  relays_[sequence] = {asker, message.sequence, after(patience_us, std::move(nack))};
  send(message.target, {Kind::probe, sequence, message.target, 0, {}});
}

void GossipOfMembers::take_ack(uint64_t sequence) {
  if (sequence == probe_.sequence && sequence != 0) {
    probe_ = {};
    return change_health(-1);
  }
  for (auto& [member, doubt] : doubts_) {
    if (doubt.sequence == sequence && sequence != 0) doubt.sequence = 0;
  }
  const auto at = relays_.find(sequence);
  if (at == relays_.end()) return;
  const Relay answered = std::move(at->second);
  relays_.erase(at);
  send(answered.asker, {Kind::ack, answered.sequence, {}, 0, {}});
}

void GossipOfMembers::change_health(int by) {
  health_ = static_cast<unsigned>(
      std::clamp(static_cast<int>(health_) + by, 0, static_cast<int>(kHealthMax)));
}

// ---- sending

unsigned GossipOfMembers::transmissions() const {
  const double members = static_cast<double>(list_.size()) + 1;
  return settings_.retransmit_factor * static_cast<unsigned>(std::ceil(std::log10(members)));
}

void GossipOfMembers::send(const NodeId& to, GossipMessage message) {
  message.digest = list_.digest();
  const LivenessTable::Belief& belief = beliefs_.belief(to);
  if (belief.liveness != Liveness::alive) {
    message.news.liveness.push_back({to, belief.liveness, belief.incarnation, self_});
  }
  rumors_.take(message.news, settings_.news_bytes_max, transmissions());
  ++statistics_.sent;
  transport_.send(to, encode_gossip(message));
}

void GossipOfMembers::send_list(const NodeId& to, Kind kind, bool records) {
  GossipMessage message;
  message.kind = kind;
  message.digest = list_.digest();
  if (records) {
    for (const auto& [id, member] : list_.members()) message.news.members.push_back(member);
    for (const auto& [name, setting] : list_.settings()) message.news.settings.push_back(setting);
  }
  for (const auto& [id, belief] : beliefs_.beliefs()) {
    message.news.liveness.push_back({id, belief.liveness, belief.incarnation, self_});
  }
  message.news.liveness.push_back({self_, Liveness::alive, incarnation_, self_});
  ++statistics_.exchanges;
  ++statistics_.sent;
  transport_.send(to, encode_gossip(message));
}

void GossipOfMembers::keep_rounds() {
  if (rumors_.empty() || round_timer_ || others_.empty()) return;
  round_timer_ = after(settings_.round_interval_us, [this] { run_round(); });
}

void GossipOfMembers::run_round() {
  round_timer_.reset();
  for (const NodeId& peer : pick(settings_.round_peers, self_, Liveness::suspected)) {
    if (rumors_.empty()) break;
    send(peer, {Kind::news, 0, {}, 0, {}});
  }
  keep_rounds();
}

void GossipOfMembers::run_exchanges() {
  for (const NodeId& peer : pick(1, self_, Liveness::alive)) exchange_with(peer);
}

// Others that belong and are no worse than `worst`, in random order.
std::vector<NodeId> GossipOfMembers::pick(size_t count, const NodeId& except,
                                          Liveness worst) const {
  std::vector<NodeId> picked;
  if (others_.empty()) return picked;
  // Going on from a random place prefers nobody for long: the order is shuffled every round.
  const size_t first = random_.below(others_.size());
  for (size_t i = 0; i < others_.size() && picked.size() < count; ++i) {
    const NodeId& id = others_[(first + i) % others_.size()];
    if (id != except && liveness(id) <= worst) picked.push_back(id);
  }
  return picked;
}

// ---- hearing

void GossipOfMembers::receive(const NodeId& from, std::string_view bytes) {
  const auto message = decode_gossip(bytes);
  if (!message) {
    ++statistics_.malformed;
    return;
  }
  ++statistics_.received;
  const auto doubted = doubts_.find(from);
  if (doubted != doubts_.end()) doubted->second.sequence = 0;
  hear(from, *message);
}

void GossipOfMembers::hear(const NodeId& from, const GossipMessage& message) {
  const bool lists = message.kind == Kind::exchange || message.kind == Kind::exchange_reply;
  if (!lists && !beliefs_.watches(from)) {
    // One that was removed while it was away must learn of it.
    if (list_.find(from) != nullptr) send_list(from, Kind::exchange_reply);
    return;
  }
  if (lists && !beliefs_.watches(from) && !observer_.admits(from, message.news.members)) return;
  const uint64_t own_digest = list_.digest();
  hear_news(message.news, lists);
  switch (message.kind) {
    case Kind::probe:
      if (message.target == self_) send(from, {Kind::ack, message.sequence, {}, 0, {}});
      break;
    case Kind::probe_request:
      relay(from, message);
      break;
    case Kind::ack:
      take_ack(message.sequence);
      break;
    case Kind::nack:
      if (message.sequence == probe_.sequence && probe_.nacks_due > 0) --probe_.nacks_due;
      break;
    case Kind::exchange:
      send_list(from, Kind::exchange_reply, message.digest != own_digest);
      break;
    case Kind::news:
    case Kind::exchange_reply:
      break;
  }
  if (!lists) compare_lists(from, message.digest);
}

void GossipOfMembers::compare_lists(const NodeId& from, uint64_t digest) {
  if (digest == list_.digest()) return;
  const uint64_t now = now_us();
  if (now < list_changed_us_ + kDigestPatienceUs) return;
  if (now < compared_us_ + settings_.probe_interval_us) return;
  compared_us_ = now;
  exchange_with(from);
}

void GossipOfMembers::hear(const LivenessRumor& rumor) {
  if (rumor.about == self_) {
    const bool wrong = rumor.liveness != Liveness::alive && rumor.incarnation >= incarnation_;
    if (wrong || rumor.incarnation > incarnation_) {
      refute(rumor.incarnation);
    } else if (rumor.liveness != Liveness::alive) {
      say_alive();  // someone has missed the refutation
    }
    return;
  }
  const Liveness before = beliefs_.belief(rumor.about).liveness;
  const auto outcome = beliefs_.apply(rumor);
  if (outcome == LivenessTable::Outcome::known) return;
  const LivenessTable::Belief& belief = beliefs_.belief(rumor.about);
  if (outcome == LivenessTable::Outcome::changed ||
      belief.accusers.size() <= suspicion_times().accusers_wanted + 1) {
    rumors_.add(rumor);
  }
  if (belief.liveness == Liveness::suspected) {
    watch(rumor.about, belief);
  } else {
    suspicions_.erase(rumor.about);
  }
  if (belief.liveness == before) return;
  if (belief.liveness == Liveness::suspected) ++statistics_.suspicions;
  if (belief.liveness == Liveness::dead) ++statistics_.deaths;
  observer_.liveness_changed(rumor.about, belief.liveness);
}

void GossipOfMembers::refute(uint64_t incarnation) {
  incarnation_ = incarnation + 1;
  ++statistics_.refutations;
  change_health(1);
  say_alive();
}

void GossipOfMembers::say_alive() {
  rumors_.add(LivenessRumor{self_, Liveness::alive, incarnation_, self_});
  keep_rounds();
}

// ---- suspicion

SuspicionTimes GossipOfMembers::suspicion_times() const {
  const auto min_us = static_cast<uint64_t>(scale() * settings_.suspicion_factor *
                                            static_cast<double>(settings_.probe_interval_us));
  // Beside the suspected one and the first accuser there may not be that many.
  const size_t others = list_.size() > 2 ? list_.size() - 2 : 0;
  const unsigned wanted = std::max(settings_.suspicion_factor, 2U) - 2;
  return {min_us, kSuspicionSpan * min_us, static_cast<unsigned>(std::min<size_t>(wanted, others))};
}

void GossipOfMembers::watch(const NodeId& member, const LivenessTable::Belief& belief) {
  Suspicion& suspicion = suspicions_[member];
  if (belief.accusers.size() <= 1) suspicion.since_us = now_us();
  suspicion.due_us = suspicion.since_us + suspicion_times().duration_us(belief.accusers.size());
  const uint64_t now = now_us();
  suspicion.timer = after(suspicion.due_us > now ? suspicion.due_us - now : 0,
                          [this, member] { give_up(member); });
}

void GossipOfMembers::give_up(const NodeId& member) {
  Suspicion& suspicion = suspicions_[member];
  if (now_us() > suspicion.due_us + kLatenessUs) {
    suspicion.due_us = now_us() + settings_.probe_timeout_us;
    suspicion.timer = after(settings_.probe_timeout_us, [this, member] { give_up(member); });
    return;
  }
  hear(LivenessRumor{member, Liveness::dead, beliefs_.belief(member).incarnation, self_});
  keep_rounds();
}

}  // namespace

std::unique_ptr<Gossip> Gossip::make(Parts parts, const GossipSettings& settings,
                                     MemberList members, const NodeId& self, uint64_t incarnation) {
  return std::make_unique<GossipOfMembers>(parts, settings, std::move(members), self, incarnation);
}

}  // namespace quorate::cluster
