#include "quorate/repair/slot_source.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/object/change.h"

namespace quorate::repair {

using object::CausalContext;

SlotSource::SlotSource(Parts parts, Settings settings)
    : store_(parts.store),
      actors_(parts.actors),
      recent_(parts.recent),
      access_(parts.access),
      settings_(settings),
      walk_(parts.random.next() | 1) {
  // Who sends nonsense gets no answer; its deadline tells it.
  parts.calls.serve(kService, [this](const object::NodeId&, std::string_view body,
                                     cluster::PeerCalls::Reply reply) { compare(body, reply); });
  parts.bulk.serve(kService, [this](const object::NodeId&, std::string_view body,
                                    cluster::PeerCalls::Reply reply) { fetch(body, reply); });
}

// `handles`: of the actors that the clock names.
CausalContext SlotSource::missing(uint16_t slot, const Handles& handles,
                                  const CausalContext& clock) const {
  return store_.clocks().clock(slot).without(translated(clock, handles));
}

void SlotSource::compare(std::string_view body, cluster::PeerCalls::Reply reply) {
  const auto question = decode_compare(body);
  if (!question) {
    ++statistics_.refused;
    return;
  }
  const Handles handles = handles_of(question->actors, actors_);
  std::vector<Compared> answer;
  for (const SlotClock& of : question->slots) {
    if (!store_.shape().owns(of.slot)) {
      ++statistics_.refused;
      return;
    }
    const bool covered = missing(of.slot, handles, of.clock).empty();
    answer.push_back(covered ? Compared::covered : Compared::more);
  }
  statistics_.compared_slots += answer.size();
  reply(encode_compared(answer));
}

// One page, from the question to the answer.
class SlotSource::Page : public std::enable_shared_from_this<Page> {
 public:
  Page(SlotSource& source, uint16_t slot, cluster::PeerCalls::Reply reply)
      : source_(source), slot_(slot), reply_(reply), states_(source.actors_) {
    answer_.walk = source.walk_;
  }

  void begin_walk() {
    answer_.covers = source_.store_.clocks().clock(slot_);
    walk({});
  }
  void walk(Cursor from) {
    ++source_.statistics_.walk_pages;
    at_ = from;
    next_stretch();
  }
  // Becomes a walk if the keys are too many.
  void send_recent(std::vector<RecentDots::Place> places, CausalContext dots) {
    places_ = std::move(places);
    answer_.covers = std::move(dots);
    next_place();
  }

 private:
  using Portion = storage::ShardStore::Portion;

  storage::ShardStore& store() { return source_.store_; }
  bool full() const {
    return states_.bytes() >= source_.settings_.page_bytes || keys_ >= source_.settings_.page_keys;
  }

  // ---- a walk

  void next_stretch() {
    const auto databases = static_cast<uint16_t>(store().shape().databases);
    for (; at_.db < databases; ++at_.db, at_.hash = 0) {
      if (!store().table().has_database(at_.db)) continue;
      const storage::SlotCounts& counts = store().table().counts(at_.db, slot_);
      if (counts.resident == 0 && counts.cold == 0) continue;
      return store().load_portion(slot_, at_.db, at_.hash,
                                  [self = shared_from_this()](const auto& portion) {
                                    if (portion) self->take(*portion);
                                  });
    }
    answer_.last = true;
    finish();
  }

  void take(const Portion& portion) {
    answer_.damaged = answer_.damaged || !portion.unreadable.empty();
    const auto stopped_at = add_states(at_.hash, portion.end);
    if (stopped_at) {
      at_.hash = *stopped_at;
      return finish();
    }
    at_ = portion.end ? Cursor{at_.db, *portion.end} : Cursor{static_cast<uint16_t>(at_.db + 1), 0};
    if (full()) return finish();
    next_stretch();
  }

  // States of the keys of at_.db from one hash up to another. Where the page was full, if it was:
  // keys of one hash are never parted.
  std::optional<uint64_t> add_states(uint64_t from, std::optional<uint64_t> end) {
    std::optional<uint64_t> stopped_at;
    std::optional<uint64_t> last;
    store().table().visit_slot(at_.db, slot_, from, [&](uint64_t hash, const auto* entry) {
      if (end && hash >= *end) return false;
      if (last && hash != *last && full()) {
        stopped_at = hash;
        return false;
      }
      last = hash;
      add_state({entry->key(), hash, slot_, at_.db});
      return true;
    });
    return stopped_at;
  }

  void add_state(const object::Key& key) {
    const auto state = store().state_of(key, scratch_);
    if (!state) return;
    states_.add(*state);
    ++keys_;
    ++source_.statistics_.states_sent;
  }

  // ---- recent changes

  void next_place() {
    for (; place_ < places_.size(); ++place_) {
      if (full()) return walk_instead();
      const RecentDots::Place& place = places_[place_];
      if (store().table().has_database(place.db) &&
          store().table().counts(place.db, slot_).cold != 0) {
        return load_place();
      }
      add_place();
    }
    ++source_.statistics_.recent_pages;
    answer_.last = true;
    finish();
  }

  void load_place() {
    const RecentDots::Place& place = places_[place_];
    store().load_portion(slot_, place.db, place.hash,
                         [self = shared_from_this(), hash = place.hash](const auto& portion) {
                           if (!portion) return;
                           const auto& unreadable = portion->unreadable;
                           const bool damaged =
                               std::ranges::find(unreadable, hash) != unreadable.end();
                           self->answer_.damaged = self->answer_.damaged || damaged;
                           self->add_place();
                           ++self->place_;
                           self->next_place();
                         });
  }

  void add_place() {
    const RecentDots::Place& place = places_[place_];
    if (!store().table().has_database(place.db)) return;
    store().table().visit_slot(place.db, slot_, place.hash, [&](uint64_t hash, const auto* entry) {
      if (hash != place.hash) return false;
      add_state({entry->key(), hash, slot_, place.db});
      return true;
    });
  }

  void walk_instead() {
    states_.finish(changes_);
    changes_.clear();
    keys_ = 0;
    answer_.damaged = false;
    ++source_.statistics_.walks;
    begin_walk();
  }

  // ----

  void finish() {
    answer_.next = at_;
    if (answer_.last) {
      for (unsigned db = 0; db < store().shape().databases; ++db) {
        const auto flushes = store().flushes_of(slot_, static_cast<uint16_t>(db), scratch_);
        if (flushes) states_.add(*flushes);
      }
    }
    states_.finish(changes_);
    answer_.changes = changes_;
    source_.access_.after_journal([self = shared_from_this()] {
      self->reply_.when_free(
          [self] { self->reply_(encode_page(self->answer_, self->source_.actors_)); });
    });
  }

  SlotSource& source_;
  const uint16_t slot_;
  cluster::PeerCalls::Reply reply_;
  FetchAnswer answer_;
  Cursor at_;
  std::vector<RecentDots::Place> places_;
  size_t place_ = 0;
  object::ChangeWriter states_;
  std::string scratch_, changes_;
  size_t keys_ = 0;
};

void SlotSource::fetch(std::string_view body, cluster::PeerCalls::Reply reply) {
  const auto question = decode_fetch(body);
  if (!question || !store_.shape().owns(question->slot)) {
    ++statistics_.refused;
    return;
  }
  if (question->walk != 0 && question->walk != walk_) {
    return reply(encode_page({}, actors_));
  }
  const auto page = std::make_shared<Page>(*this, question->slot, reply);
  if (question->walk != 0) return page->walk(question->from);
  const CausalContext lacks =
      missing(question->slot, handles_of(question->actors, actors_), question->clock);
  if (auto places = recent_.find(question->slot, lacks)) {
    return page->send_recent(*std::move(places), lacks);
  }
  ++statistics_.walks;
  page->begin_walk();
}

}  // namespace quorate::repair
