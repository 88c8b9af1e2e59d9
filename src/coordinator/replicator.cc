#include "quorate/coordinator/replicator.h"

#include <algorithm>
#include <map>
#include <spdlog/spdlog.h>
#include <utility>

namespace quorate::coordinator {
namespace {

using object::NodeId;
using Group = ReplicationWindow::Group;
using PeerIndex = ReplicationWindow::Peer;

constexpr uint16_t kNoGroup = UINT16_MAX;

}  // namespace

std::shared_ptr<const ReplicaMap> ReplicaMap::of(const cluster::ClusterView& view) {
  auto map = std::make_shared<ReplicaMap>();
  map->group_of_slot.assign(object::kSlots, kNoGroup);
  std::vector<PeerIndex> peer_of(view.members().size(), UINT32_MAX);
  std::map<std::vector<PeerIndex>, uint16_t> known;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto list = view.preference_list(static_cast<uint16_t>(slot));
    if (std::ranges::find(list, view.self()) == list.end()) continue;
    std::vector<PeerIndex> others;
    for (const auto place : list) {
      if (place == view.self()) continue;
      if (peer_of[place] == UINT32_MAX) {
        peer_of[place] = static_cast<PeerIndex>(map->peers.size());
        map->peers.push_back(view.member(place).id);
      }
      others.push_back(peer_of[place]);
    }
    std::ranges::sort(others);
    const auto [at, fresh] = known.try_emplace(others, static_cast<uint16_t>(map->groups.size()));
    if (fresh) {
      const unsigned needed = view.quorum().write - 1;
      map->groups.push_back(
          {{others.begin(), others.end()}, std::min(needed, static_cast<unsigned>(others.size()))});
    }
    map->group_of_slot[slot] = at->second;
  }
  return map;
}

Replicator::Replicator(Parts parts, ReplicatorSettings settings)
    : loop_(parts.loop),
      calls_(parts.calls),
      coordinator_(parts.coordinator),
      actors_(parts.actors),
      directory_(parts.directory),
      settings_(settings) {
  calls_.serve(kService,
               [this](const NodeId&, std::string_view body, cluster::PeerCalls::Reply reply) {
                 take(body, [reply](Verdict verdict) {
                   const char byte = static_cast<char>(verdict);
                   reply({&byte, 1});
                 });
               });
}

Replicator::~Replicator() = default;

// ---- own changes

PeerIndex Replicator::peer_index(const NodeId& node) {
  const auto at = std::ranges::find_if(peers_, [&](const auto& peer) { return peer->id == node; });
  if (at != peers_.end()) return static_cast<PeerIndex>(at - peers_.begin());
  peers_.push_back(std::make_unique<Peer>(node, actors_));
  return static_cast<PeerIndex>(peers_.size() - 1);
}

void Replicator::set_map(std::shared_ptr<const ReplicaMap> map) {
  for (const uint16_t number : std::exchange(turn_groups_, {})) {
    turn_groups_before_.push_back(groups_[number]);
  }
  map_ = std::move(map);
  groups_ = map_->groups;
  for (Group& group : groups_) {
    for (PeerIndex& peer : group.peers) peer = peer_index(map_->peers[peer]);
  }
  in_turn_.assign(groups_.size(), false);
}

void Replicator::changed(const object::Change& change) {
  if (map_ == nullptr) return;
  const uint16_t number = map_->group_of_slot[change.slot];
  if (number == kNoGroup) return;
  if (!in_turn_[number]) {
    in_turn_[number] = true;
    turn_groups_.push_back(number);
  }
  for (const PeerIndex peer : groups_[number].peers) peers_[peer]->changes.add(change);
  ++statistics_.changes_sent;
}

void Replicator::end_turn(uint64_t position) {
  if (turn_groups_.empty() && turn_groups_before_.empty()) return;
  std::vector<Group> groups = std::exchange(turn_groups_before_, {});
  for (const uint16_t number : turn_groups_) {
    in_turn_[number] = false;
    groups.push_back(groups_[number]);
  }
  turn_groups_.clear();
  const uint64_t now = loop_.clock().monotonic_us();
  const uint64_t turn = window_.open(position, groups, now + settings_.write_timeout_us);
  for (PeerIndex peer = 0; peer < peers_.size(); ++peer) {
    if (!peers_[peer]->changes.empty()) send(peer, turn);
  }
  watch_deadline();
}

void Replicator::send(PeerIndex index, uint64_t turn) {
  Peer& peer = *peers_[index];
  Sent sent{turn, {}, false, false};
  peer.changes.finish(sent.body);
  if (peer.behind) return;
  peer.sent_bytes += sent.body.size();
  peer.sent.push_back(std::move(sent));
  if (peer.sent_bytes > settings_.unacknowledged_bytes_max) {
    return fall_behind(peer, "too much waits for it");
  }
  ask(index, peer.sent.back());
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
    case Verdict::applied:
      return acknowledged(index, *at);
    case Verdict::malformed:
      return fall_behind(peer, "it cannot read them");
    case Verdict::later:
      break;
  }
  retry_later(index);
}

void Replicator::acknowledged(PeerIndex index, Sent& sent) {
  Peer& peer = *peers_[index];
  sent.acknowledged = true;
  uint64_t up_to = 0;
  while (!peer.sent.empty() && peer.sent.front().acknowledged) {
    up_to = peer.sent.front().turn;
    peer.sent_bytes -= peer.sent.front().body.size();
    peer.sent.pop_front();
  }
  if (up_to == 0) return;
  window_.acknowledged(index, up_to);
  coordinator_.release_held();
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

void Replicator::fall_behind(Peer& peer, const char* why) {
  spdlog::warn("Node {} gets no more changes until it has caught up: {}",
               object::node_id_text(peer.id).substr(0, 12), why);
  peer.behind = true;
  peer.sent.clear();
  peer.sent_bytes = 0;
}

bool Replicator::behind(const NodeId& node) const {
  return std::ranges::any_of(peers_,
                             [&](const auto& peer) { return peer->id == node && peer->behind; });
}

void Replicator::watch_deadline() {
  const uint64_t due_us = window_.next_deadline_us();
  if (deadline_ != nullptr || due_us == UINT64_MAX) return;
  const uint64_t now = loop_.clock().monotonic_us();
  deadline_ = loop_.start_timer(due_us - std::min(due_us, now), 0, [this] {
    const auto timer = std::move(deadline_);
    window_.expire(loop_.clock().monotonic_us());
    coordinator_.release_held();
    watch_deadline();
  });
}

// ---- changes of others

// One batch, until all of it is applied.
class Replicator::Applying : public std::enable_shared_from_this<Applying> {
 public:
  Applying(Replicator& replicator, std::string_view body, Taken done)
      : replicator_(replicator), body_(body), done_(std::move(done)) {}

  void start() {
    auto reader = object::ChangeReader::open(body_);
    if (!reader) return refuse(reader.error().message);
    reader_.emplace(std::move(*reader));
    replicator_.directory_.intern(
        reader_->actors(),
        [self = shared_from_this()](runtime::Result<std::vector<object::ActorId>> handles) {
          if (!handles) return self->end(Verdict::later);
          self->apply_all(*handles);
        });
  }

 private:
  // A change whose key must be loaded first.
  struct Waiting {
    std::string key, payload;
    std::vector<object::Dot> superseded;
    object::Change change;

    explicit Waiting(const object::Change& of)
        : key(of.key),
          payload(of.payload),
          superseded(of.superseded.begin(), of.superseded.end()),
          change(of) {
      change.key = key;
      change.payload = payload;
      change.superseded = superseded;
    }
  };

  void apply_all(std::span<const object::ActorId> handles) {
    missing_ = 1;
    object::Change change;
    for (;;) {
      const auto more = reader_->next(handles, change);
      if (!more) return refuse(more.error().message);
      if (!*more) break;
      if (!store().shape().owns(change.slot) || change.db >= store().shape().databases) {
        return refuse("it is of a slot or database that is not here");
      }
      take(change);
    }
    one_done({});
  }

  void take(const object::Change& change) {
    if (change.kind == object::ChangeKind::flush) return note(store().apply(change));
    const object::Key key = key_of(change);
    if (replicator_.coordinator_.ready({&key, 1})) return note(store().apply(change));
    ++missing_;
    auto waiting = std::make_shared<Waiting>(change);
    replicator_.coordinator_.when_ready(
        key_of(waiting->change), [self = shared_from_this(), waiting](runtime::Status status) {
          self->one_done(status ? self->store().apply(waiting->change) : status);
        });
  }

  object::Key key_of(const object::Change& change) {
    return {change.key, object::key_hash(change.key, store().shape().hash_seed), change.slot,
            change.db};
  }
  storage::ShardStore& store() { return replicator_.coordinator_.store(); }

  void note(const runtime::Status& status) {
    if (status) {
      ++replicator_.statistics_.changes_applied;
    } else if (status_) {
      status_ = status;
    }
  }
  void one_done(const runtime::Status& status) {
    if (!status) note(status);
    if (--missing_ != 0) return;
    if (!status_) return end(Verdict::later);
    replicator_.coordinator_.after_journal(
        [self = shared_from_this()] { self->end(Verdict::applied); });
  }

  void refuse(const std::string& why) {
    ++replicator_.statistics_.refused;
    spdlog::warn("Changes from another node cannot be applied: {}", why);
    end(Verdict::malformed);
  }
  void end(Verdict verdict) {
    if (done_) std::exchange(done_, nullptr)(verdict);
  }

  Replicator& replicator_;
  const std::string body_;
  Taken done_;
  std::optional<object::ChangeReader> reader_;
  runtime::Status status_;
  size_t missing_ = 0;
};

void Replicator::take(std::string_view batch, Taken done) {
  std::make_shared<Applying>(*this, batch, std::move(done))->start();
}

void Replicator::push(const NodeId& to, std::string_view batch,
                      std::move_only_function<void(bool applied)> done) {
  calls_.call(to, kService, batch, settings_.write_timeout_us,
              [done = std::move(done)](cluster::PeerCalls::Answer answer) mutable {
                done(answer && answer->size() == 1 &&
                     static_cast<Verdict>(answer->front()) == Verdict::applied);
              });
}

}  // namespace quorate::coordinator
