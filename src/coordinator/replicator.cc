#include "quorate/coordinator/replicator.h"

#include <algorithm>
#include <climits>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/coordinator/catch_up.h"
#include "quorate/object/codec.h"
#include "quorate/runtime/mutants.h"

#include "coordinator/change_intake.h"
#include "coordinator/change_message.h"
#include "coordinator/early_answers.h"
#include "coordinator/message_memory.h"

namespace quorate::coordinator {
namespace {

using object::NodeId;
using Group = ReplicationWindow::Group;
using PeerIndex = ReplicationWindow::Peer;

constexpr uint64_t kMessageNumbersMax = uint64_t{1} << 62;  // room to count on
constexpr unsigned kQuestionsPerPace = 16, kPacesMax = 6;
constexpr size_t kQuestionBytesMax = cluster::kMessageBodyBytesMax - 1024;

// Of a message towards unacknowledged_bytes_max: one or two with the largest values there are must
// not make a replica fall behind.
size_t weight_of(size_t message_bytes) {
  constexpr size_t kMessageWeightMax = size_t{32} << 20;
  return std::min(message_bytes, kMessageWeightMax);
}

}  // namespace

Replicator::Replicator(Parts parts, ReplicatorSettings settings)
    : loop_(parts.loop),
      calls_(parts.calls),
      coordinator_(parts.coordinator),
      actors_(parts.actors),
      directory_(parts.directory),
      promises_(parts.promises),
      settings_(settings),
      digests_(parts.coordinator.store(), parts.actors),
      intake_(std::make_unique<ChangeIntake>(
          parts.coordinator, parts.directory, digests_,
          [this](const object::Change& change, uint64_t hash, const NodeId& from) {
            ++statistics_.changes_applied;
            recent_.add(change, hash);
            if (promises_ != nullptr) promises_->applied(change, from);
          })),
      memory_(std::make_unique<MessageMemory>()),
      first_message_(calls_.life() % kMessageNumbersMax + 1) {
  calls_.serve(kService, [this](const NodeId& from, std::string_view body,
                                cluster::PeerCalls::Reply reply) { serve(from, body, reply); });
}

Replicator::~Replicator() = default;

Replicator::Peer::Peer(const NodeId& node, const object::ActorTable& actors, ShardCoordinator& of)
    : id(node),
      answers(std::make_unique<EarlyAnswers>(of)),
      kept(std::make_unique<KeptMessages>()),
      changes(actors) {}

Replicator::Peer::~Peer() = default;

// ---- own changes

PeerIndex Replicator::peer_index(const NodeId& node) {
  const auto at = std::ranges::find_if(peers_, [&](const auto& peer) { return peer->id == node; });
  if (at != peers_.end()) return static_cast<PeerIndex>(at - peers_.begin());
  peers_.push_back(std::make_unique<Peer>(node, actors_, coordinator_));
  peers_.back()->missed_to = window_.last_turn();
  return static_cast<PeerIndex>(peers_.size() - 1);
}

void Replicator::set_map(std::shared_ptr<const ReplicaMap> map) {
  for (const uint16_t number : std::exchange(turn_groups_, {})) {
    add_quorums(number, quorums_before_);
  }
  for (const auto& peer : peers_) peer->answers->take_back_turn();
  map_since_ = turn_of_last_change();
  map_ = std::move(map);
  groups_ = map_->groups;
  const auto own_number = [this](PeerIndex& peer) { peer = peer_index(map_->peers[peer]); };
  for (ReplicaMap::Group& group : groups_) {
    std::ranges::for_each(group.peers, own_number);
    for (ReplicaMap::Quorum& quorum : group.quorums) {
      std::ranges::for_each(quorum.others.peers, own_number);
    }
  }
  for (size_t i = 0; i < map_->peers.size(); ++i) {
    const PeerIndex peer = peer_index(map_->peers[i]);
    window_.set_down(peer, map_->down[i]);
    peers_[peer]->down = map_->down[i];
    if (peers_[peer]->round == 0) begin_round(peer);
  }
  in_turn_.assign(groups_.size(), 0);
  release_settled();
}

// A group's quorums, as this turn's changes need them.
void Replicator::add_quorums(uint16_t number, std::vector<Group>& quorums) const {
  const ReplicaMap::Group& group = groups_[number];
  for (const ReplicaMap::Quorum& quorum : group.quorums) {
    quorums.push_back(group.lowered(quorum, in_turn_[number]));
  }
}

void Replicator::changed(const object::Change& change) {
  if (map_ == nullptr) return;
  const uint16_t number = map_->group_of_slot[change.slot];
  if (number == ReplicaMap::kNoGroup) return;
  const unsigned copies = std::min(groups_[number].copies_max() - 1, needed_max_) + 1;
  if (in_turn_[number] < copies) {
    if (in_turn_[number] == 0) turn_groups_.push_back(number);
    in_turn_[number] = static_cast<uint8_t>(copies);
  }
  add_to_peers(change, groups_[number]);
  ++statistics_.changes_sent;
  recent_.add(change, object::key_hash(change.key, coordinator_.store().shape().hash_seed));
}

void Replicator::add_to_peers(const object::Change& change, const ReplicaMap::Group& group) {
  const bool expects = expected_.key != nullptr && change.key == expected_.key->name &&
                       change.db == expected_.key->db;
  if (!expects) [[likely]] {
    for (const PeerIndex peer : group.peers) peers_[peer]->changes.add(change);
    return;
  }
  object::Change conditional = change;
  conditional.expected = expected_.digest;
  for (const PeerIndex peer : group.peers) peers_[peer]->changes.add(conditional);
  expected_ = {};  // what follows in this turn meets this change there
}

void Replicator::rely(uint16_t slot) {
  const uint16_t number = map_ == nullptr ? ReplicaMap::kNoGroup : map_->group_of_slot[slot];
  if (number == ReplicaMap::kNoGroup) return;
  for (const PeerIndex peer : groups_[number].peers) {
    auto& relied = peers_[peer]->relied;
    if (relied.empty() || relied.back() != slot) relied.push_back(slot);
  }
}

void Replicator::end_turn(uint64_t position) {
  for (const auto& peer : peers_) {
    if (!peer->changes.empty()) continue;
    peer->relied.clear();
    peer->answers->take_back_turn();
  }
  if (turn_groups_.empty() && quorums_before_.empty()) return;
  std::vector<Group> groups = std::exchange(quorums_before_, {});
  for (const uint16_t number : turn_groups_) {
    add_quorums(number, groups);
    in_turn_[number] = 0;
  }
  turn_groups_.clear();
  const uint64_t now = loop_.clock().monotonic_us();
  // Who waits for a turn waits for those before it, too.
  turn_deadline_us_ = std::max(turn_deadline_us_, now + write_timeout_us());
  const uint64_t turn = window_.open(position, groups, turn_deadline_us_);
  opened_us_.push_back(now);
  note_settled();
  for (PeerIndex peer = 0; peer < peers_.size(); ++peer) {
    if (!peers_[peer]->changes.empty()) send(peer, turn);
  }
  watch_deadline();
  watch_answers();
}

// For this turn: large values take longer.
uint64_t Replicator::write_timeout_us() const {
  size_t bytes = 0;
  for (const auto& peer : peers_) bytes = std::max(bytes, peer->changes.bytes());
  return settings_.write_timeout_us + cluster::Patience::travel_us(bytes);
}

void Replicator::send(PeerIndex index, uint64_t turn) {
  Peer& peer = *peers_[index];
  const bool relies = !peer.relied.empty();
  const uint64_t promise = relies ? promises_->number_of(peer.id) : 0;
  const bool counts = !relies || promise != 0;
  if (!counts) window_.refused(index, turn);
  if (!counts || !answers_may_leave(peer)) peer.answers->take_back_turn();
  const uint64_t now = loop_.clock().monotonic_us();
  Sent sent{turn, now, promise, begin_message(peer, turn, promise, counts), false, false};
  peer.changes.finish(sent.body);
  memory_->fit(sent.body);
  peer.last_turn = turn;
  if (peer.silent) return memory_->give_back(std::move(sent.body));
  if (peer.answers->any_in_turn()) peer.answers->left(turn, now);
  peer.sent_bytes += sent.body.size();
  peer.sent_weight += weight_of(sent.body.size());
  const bool too_long = sent.body.size() > kQuestionBytesMax;
  peer.sent.push_back(std::move(sent));
  if (too_long || peer.sent_weight > settings_.unacknowledged_bytes_max) {
    return fall_behind(index, "too much waits for it");
  }
  ask(index, peer.sent.back());
}

// What precedes the batch.
std::string Replicator::begin_message(Peer& peer, uint64_t turn, uint64_t promise, bool counts) {
  ChangeMessage message;
  message.promise = promise;
  if (promise != 0) message.relied.swap(peer.relied);
  if (counts) {
    const uint64_t since = std::min(window_.first_open(), turn);
    message.place = {first_message_ + turn, first_message_ + peer.last_turn,
                     first_message_ + since};
  }
  message.answers = peer.answers->encoded();
  std::string body = memory_->take();
  encode_head(message, body);
  if (promise != 0) message.relied.swap(peer.relied);  // its memory is kept
  peer.relied.clear();
  return body;
}

void Replicator::ask(PeerIndex index, Sent& sent) {
  sent.asked = true;
  ++statistics_.messages_sent;
  calls_.call(peers_[index]->id, kService, sent.body, settings_.answer_timeout_us,
              [this, index, turn = sent.turn](cluster::PeerCalls::Answer answer) {
                answered(index, turn, answer);
              });
}

void Replicator::answered(PeerIndex index, uint64_t turn, cluster::PeerCalls::Answer answer) {
  Peer& peer = *peers_[index];
  const auto at = std::ranges::lower_bound(peer.sent, turn, {}, &Sent::turn);
  if (at == peer.sent.end() || at->turn != turn) return;
  at->asked = false;
  const auto verdict =
      answer && answer->size() == 1 ? static_cast<Verdict>(answer->front()) : Verdict::later;
  switch (verdict) {
    case Verdict::unpromised:
      peer.answers->take_back(turn);
      window_.refused(index, turn);
      if (promises_ != nullptr) promises_->broken_by(peer.id, at->promise);
      acknowledged(index, *at);
      return release_settled();
    case Verdict::unexpected:
      peer.answers->take_back(turn);
      window_.refused(index, turn);
      acknowledged(index, *at);
      return release_settled();
    case Verdict::applied:
      peer.answers->given(turn);
      return acknowledged(index, *at);
    case Verdict::unanswered:
      peer.answers->take_back(turn);
      acknowledged(index, *at);
      return release_settled();
    case Verdict::malformed:
      fall_behind(index, "it cannot read them");
      return release_settled();
    case Verdict::later:
      break;
  }
  peer.answers->take_back(turn);
  release_settled();
  retry_later(index);
}

void Replicator::acknowledged(PeerIndex index, Sent& sent) {
  Peer& peer = *peers_[index];
  sent.acknowledged = true;
  const uint64_t first = peer.sent.front().turn;
  uint64_t up_to = 0;
  while (!peer.sent.empty() && peer.sent.front().acknowledged) {
    up_to = peer.sent.front().turn;
    peer.sent_bytes -= peer.sent.front().body.size();
    peer.sent_weight -= weight_of(peer.sent.front().body.size());
    memory_->give_back(std::move(peer.sent.front().body));
    peer.sent.pop_front();
  }
  peer.acknowledged_us = loop_.clock().monotonic_us();
  if (up_to == 0) return;
  window_.acknowledged(index, up_to);
  if (heard_) heard_(first, peer.sent.empty() ? UINT64_MAX : peer.sent.front().turn);
  release_settled();
  tell_of_room();
}

bool Replicator::has_room(const Peer& peer) const {
  const size_t waiting = peer.sent_weight + peer.changes.bytes();
  if (waiting <= settings_.unacknowledged_bytes_max / 2 || peer.down || peer.silent) [[likely]]
    return true;
  if (peer.sent.empty()) return false;
  const uint64_t since_us = std::max(peer.acknowledged_us, peer.sent.front().since_us);
  return loop_.clock().monotonic_us() > since_us + settings_.stalled_us;
}

bool Replicator::has_room(uint16_t slot) const {
  const uint16_t number = map_ == nullptr ? ReplicaMap::kNoGroup : map_->group_of_slot[slot];
  if (number == ReplicaMap::kNoGroup) return true;
  for (const PeerIndex peer : groups_[number].peers) {
    if (has_room(*peers_[peer])) continue;
    room_asked_for_ = true;
    return false;
  }
  return true;
}

void Replicator::tell_of_room() {
  if (std::exchange(room_asked_for_, false) && room_told_) room_told_();
}

std::vector<uint16_t> Replicator::one_of_each_group(const object::SlotSet& slots) const {
  std::vector<uint16_t> chosen;
  std::vector<bool> known(groups_.size() + 1);  // the last: slots that are not held here
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    if (!slots.contains(slot)) continue;
    const uint16_t group = map_ == nullptr ? ReplicaMap::kNoGroup : map_->group_of_slot[slot];
    const size_t at = std::min<size_t>(group, groups_.size());
    if (!known[at]) chosen.push_back(slot);
    known[at] = true;
  }
  return chosen;
}

unsigned Replicator::copies(uint16_t slot, uint64_t turn) const {
  const uint16_t number = map_ == nullptr ? ReplicaMap::kNoGroup : map_->group_of_slot[slot];
  if (number == ReplicaMap::kNoGroup || turn > window_.last_turn()) return 0;
  unsigned fewest = UINT_MAX;
  for (const ReplicaMap::Quorum& quorum : groups_[number].quorums) {
    const auto have = static_cast<unsigned>(std::ranges::count_if(
        quorum.others.peers, [&](PeerIndex peer) { return peers_[peer]->has(turn); }));
    fewest = std::min(fewest, have - (quorum.own ? 0 : std::min(have, 1U)));
  }
  return fewest;
}

bool Replicator::waits_for(const NodeId& node, uint64_t turn) const {
  const auto at = std::ranges::find_if(peers_, [&](const auto& peer) { return peer->id == node; });
  return at != peers_.end() && !(*at)->sent.empty() && (*at)->sent.front().turn <= turn;
}

// A connection is made only when something is sent.
void Replicator::retry_later(PeerIndex index) {
  Peer& peer = *peers_[index];
  if (peer.retry != nullptr) return;
  peer.retry = loop_.start_timer(settings_.retry_us, 0, [this, index] {
    const auto timer = std::move(peers_[index]->retry);
    ask_again(index);
  });
}

void Replicator::ask_again(PeerIndex index) {
  for (size_t i = 0; i < peers_[index]->sent.size(); ++i) {
    Sent& sent = peers_[index]->sent[i];
    if (sent.asked || sent.acknowledged) continue;
    ++statistics_.messages_resent;
    ask(index, sent);
    if (peers_[index]->retry != nullptr) return;  // it cannot be reached
  }
}

void Replicator::on_up(const NodeId& node) { ask_again(peer_index(node)); }

// ---- who falls behind, and comes back

void Replicator::fall_behind(PeerIndex index, const char* why) {
  Peer& peer = *peers_[index];
  spdlog::warn("Node {} gets no more changes until it can catch up: {}",
               object::node_id_text(peer.id).substr(0, 12), why);
  ++statistics_.fell_behind;
  peer.behind = peer.silent = true;
  if (peer.missed_to < peer.missed_from) peer.missed_from = UINT64_MAX;
  if (!peer.sent.empty()) peer.missed_from = std::min(peer.missed_from, peer.sent.front().turn);
  peer.missed_to = UINT64_MAX;
  peer.sent.clear();
  peer.sent_bytes = peer.sent_weight = 0;
  peer.answers->take_back_all();
  begin_round(index);
}

void Replicator::begin_round(PeerIndex index) {
  Peer& peer = *peers_[index];
  peer.questions = 0;
  // Distinct in all lives of this node, if they do not begin in the same millisecond.
  peer.round = (loop_.clock().wall_ms() << 16) + ++rounds_ % (1u << 16);
  catch_up_later(index);
}

void Replicator::catch_up_later(PeerIndex index) {
  // Who cannot catch up is not to be kept busy trying.
  const unsigned doublings = std::min(peers_[index]->questions++ / kQuestionsPerPace, kPacesMax);
  const uint64_t delay_us = settings_.catch_up_us << doublings;
  peers_[index]->catch_up = loop_.start_timer(delay_us, 0, [this, index] {
    const auto timer = std::move(peers_[index]->catch_up);
    bring_up(index);
  });
}

void Replicator::bring_up(PeerIndex index) {
  const Peer& peer = *peers_[index];
  const std::string question = peer.silent ? CatchUp::probe() : CatchUp::question(peer.round);
  calls_.call(peer.id, CatchUp::kService, question, settings_.catch_up_us,
              [this, index, round = peer.round](cluster::PeerCalls::Answer answer) {
                told(index, round, answer);
              });
}

void Replicator::told(PeerIndex index, uint64_t round, cluster::PeerCalls::Answer answer) {
  Peer& peer = *peers_[index];
  if (round != peer.round) return;
  const auto told = answer ? CatchUp::answer_of(*answer) : std::nullopt;
  if (told && peer.silent) {
    // In this order: what changes from here on is queued, what changed before is found by
    // comparing.
    peer.silent = false;
    peer.missed_to = window_.last_turn();
    window_.missed(index);
    peer.questions = 0;
    return bring_up(index);
  }
  if (told != CatchUp::Answer::done || peer.silent) return catch_up_later(index);
  peer.missed_from = 1;
  peer.missed_to = 0;
  if (heard_) heard_(0, UINT64_MAX);
  if (!std::exchange(peer.behind, false)) return;
  ++statistics_.caught_up;
  spdlog::info("Node {} has caught up", object::node_id_text(peer.id).substr(0, 12));
}

bool Replicator::behind(const NodeId& node) const {
  return std::ranges::any_of(peers_,
                             [&](const auto& peer) { return peer->id == node && peer->behind; });
}

void Replicator::release_settled() {
  note_settled();
  coordinator_.release_held();
}

void Replicator::note_settled() {
  const uint64_t now = loop_.clock().monotonic_us();
  for (; !opened_us_.empty() && first_opened_ < window_.first_open(); ++first_opened_) {
    latency_.record(now - opened_us_.front());
    opened_us_.pop_front();
  }
}

ClusterFacts::Peer Replicator::facts_of(const NodeId& node) const {
  ClusterFacts::Peer facts;
  facts.id = node;
  const auto at = std::ranges::find_if(peers_, [&](const auto& peer) { return peer->id == node; });
  if (at == peers_.end()) return facts;
  const Peer& peer = **at;
  facts.behind = peer.behind;
  facts.unacknowledged_bytes = peer.sent_bytes;
  if (!peer.sent.empty()) {
    facts.lag_us = loop_.clock().monotonic_us() - peer.sent.front().since_us;
  }
  return facts;
}

void Replicator::watch_deadline() {
  const uint64_t due_us = window_.next_deadline_us();
  if (deadline_ != nullptr || due_us == UINT64_MAX) return;
  const uint64_t now = loop_.clock().monotonic_us();
  deadline_ = loop_.start_timer(due_us - std::min(due_us, now), 0, [this] {
    const auto timer = std::move(deadline_);
    window_.expire(loop_.clock().monotonic_us());
    release_settled();
    watch_deadline();
  });
}

// ---- early answers

bool Replicator::may_leave(const NodeId& to, uint16_t slot) const {
  const uint16_t number = map_ == nullptr ? ReplicaMap::kNoGroup : map_->group_of_slot[slot];
  if (number == ReplicaMap::kNoGroup || coordinator_.syncs_always()) return false;
  const auto& quorums = groups_[number].quorums;
  // While a member comes, a copy there is one of a quorum only.
  if (quorums.size() != 1 || !quorums[0].own || quorums[0].others.needed != 1) return false;
  return std::ranges::any_of(quorums[0].others.peers, [&](PeerIndex index) {
    const Peer& peer = *peers_[index];
    return peer.id == to && !peer.silent && !peer.changes.empty();
  });
}

void Replicator::leave(const NodeId& to, EarlyAnswer answer) {
  peers_[peer_index(to)]->answers->add(std::move(answer));
}

// What is not the turn's own question: whether all that the answers speak of is settled or was sent
// to the node.
bool Replicator::answers_may_leave(const Peer& peer) const {
  if (!peer.answers->any_in_turn()) return true;
  return !peer.silent && window_.first_open() > map_since_ &&
         !window_.given_up(peer.answers->begin(), coordinator_.store().journal().end_position());
}

void Replicator::watch_answers() {
  if (answers_deadline_ != nullptr) return;
  uint64_t first_us = UINT64_MAX;
  for (const auto& peer : peers_) first_us = std::min(first_us, peer->answers->first_left_us());
  if (first_us == UINT64_MAX) return;
  const uint64_t now = loop_.clock().monotonic_us();
  const uint64_t due_us = first_us + settings_.early_answer_us;
  answers_deadline_ = loop_.start_timer(due_us - std::min(due_us, now), 0, [this] {
    const auto timer = std::move(answers_deadline_);
    const uint64_t until_us = loop_.clock().monotonic_us() - settings_.early_answer_us;
    for (const auto& peer : peers_) peer->answers->take_back_until(until_us);
    release_settled();
    watch_answers();
  });
}

// `answers` is as in a message.
void Replicator::give_answers(const NodeId& from, std::string_view answers) {
  object::ByteReader in(answers);
  while (in.ok() && in.remaining() > 0) {
    const uint64_t id = in.fixed64();
    const std::string_view answer = in.sized();
    if (in.ok()) calls_.answered_by(from, id, answer);
  }
}

// ---- changes of others

void Replicator::serve(const NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply) {
  const auto answer = [reply](Verdict verdict) {
    const char byte = static_cast<char>(verdict);
    reply({&byte, 1});
  };
  auto message = decode_message(body);
  if (!message) {
    ++statistics_.refused;
    return answer(Verdict::malformed);
  }
  take(from, message->batch,
       [this, from, answer, promise = message->promise, relied = std::move(message->relied),
        place = message->place, answers = std::string(message->answers)](Verdict verdict) {
         // Now: in the time it took to load a key, another one may have been promised it.
         const bool kept =
             promise == 0 || (promises_ != nullptr && promises_->kept(from, promise, relied));
         if (verdict != Verdict::applied && verdict != Verdict::unexpected) return answer(verdict);
         const bool counts = kept && verdict == Verdict::applied;
         const bool all = counts && peers_[peer_index(from)]->kept->note(place);
         if (all || runtime::mutant(runtime::Mutant::early_answer_unkept)) {
           give_answers(from, answers);
         }
         if (!kept) return answer(Verdict::unpromised);
         answer(counts && !all && !answers.empty() ? Verdict::unanswered : verdict);
       });
}

void Replicator::take(const NodeId& from, std::string_view batch, Taken done) {
  intake_->take(from, batch, std::move(done));
}

void Replicator::apply(const NodeId& from, std::string_view batch,
                       std::move_only_function<void(Applied)> done) {
  take(from, batch, [done = std::move(done)](Verdict verdict) mutable {
    switch (verdict) {
      case Verdict::applied:
      case Verdict::unpromised:
      case Verdict::unexpected:
      case Verdict::unanswered:
        return done(Applied::yes);
      case Verdict::malformed:
        return done(Applied::malformed);
      case Verdict::later:
        return done(Applied::later);
    }
  });
}

Replicator::Statistics Replicator::statistics() const {
  Statistics all = statistics_;
  all.refused += intake_->refused();
  for (const auto& peer : peers_) {
    all.answers_left += peer->answers->count_given();
    all.answers_taken_back += peer->answers->count_taken_back();
  }
  return all;
}

void Replicator::push(const NodeId& to, std::string_view batch,
                      std::move_only_function<void(bool applied)> done) {
  std::string body;
  encode_head({}, body);
  body.append(batch);
  calls_.call(to, kService, body, settings_.write_timeout_us,
              [done = std::move(done)](cluster::PeerCalls::Answer answer) mutable {
                done(answer && answer->size() == 1 &&
                     static_cast<Verdict>(answer->front()) == Verdict::applied);
              });
}

}  // namespace quorate::coordinator
