// SlotClocks: for each slot of a shard exactly the dots this node has.
//
// The node's own dots of a slot have no gaps and come at the rate of its writes, so their newest
// number stands in an array of its own; what other actors contributed is a causal context beside
// it. Invariant: a dot is issued at most once; after a start the array begins where the saved clock
// says the actor's dots end. Thread: the shard's. Source: DESIGN section 5.
#pragma once

#include <cstdint>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/object/dot.h"
#include "quorate/storage/table_run.h"

namespace quorate::storage {

class SlotClocks {
 public:
  SlotClocks(unsigned shard, unsigned shards, object::ActorId actor)
      : shards_(shards),
        actor_(actor),
        own_((16384 - shard + shards - 1) / shards),
        saved_(own_.size()),
        others_(own_.size()),
        others_changed_(own_.size()) {}

  object::Dot issue(uint16_t slot) { return {actor_, ++own_[slot / shards_]}; }

  // Of what a change of the slot, own or not, reads and writes.
  void prefetch(uint16_t slot) const {
    prefetch_lines(&own_[slot / shards_], 1);
    prefetch_lines(&others_[slot / shards_], 2);
  }

  // What issue() will give next.
  object::Dot next(uint16_t slot) const { return {actor_, own_[slot / shards_] + 1}; }

  bool covers(uint16_t slot, object::Dot dot) const {
    if (dot.actor == actor_) return dot.n <= own_[slot / shards_];
    return others_[slot / shards_].covers(dot);
  }

  // Takes in a dot that came from the journal or a peer.
  void add(uint16_t slot, object::Dot dot) {
    if (dot.actor != actor_) {
      others_[slot / shards_].add(dot);
      others_changed_[slot / shards_] = true;
    } else if (dot.n > own_[slot / shards_]) {
      own_[slot / shards_] = dot.n;
    }
  }

  bool covers(uint16_t slot, const object::CausalContext& dots) const {
    return clock(slot).covers(dots);
  }
  void join(uint16_t slot, const object::CausalContext& dots) {
    object::CausalContext others;
    for (const object::CausalContext::Run& run : dots.runs()) {
      if (run.actor == actor_) {
        add(slot, {run.actor, run.last});
      } else {
        others.add_run(run);
      }
    }
    if (others_[slot / shards_].covers(others)) return;
    others_[slot / shards_].join(others);
    others_changed_[slot / shards_] = true;
  }

  object::CausalContext clock(uint16_t slot) const {
    object::CausalContext all = others_[slot / shards_];
    all.join(object::CausalContext::up_to({actor_, own_[slot / shards_]}));
    return all;
  }

  // Takes over what a checkpoint had saved. REQUIRES: before anything else was added to the slot.
  void restore(uint16_t slot, const object::CausalContext& saved) {
    const object::Dot own{actor_, saved.last(actor_)};
    own_[slot / shards_] = saved_[slot / shards_] = own.n;
    others_[slot / shards_] = saved.without(object::CausalContext::up_to(own));
  }

  // Whether the clock has grown since it was last marked as saved.
  bool changed(uint16_t slot) const {
    return own_[slot / shards_] != saved_[slot / shards_] || others_changed_[slot / shards_];
  }
  void mark_saved(uint16_t slot) {
    saved_[slot / shards_] = own_[slot / shards_];
    others_changed_[slot / shards_] = false;
  }
  object::ActorId actor() const { return actor_; }

 private:
  unsigned shards_;
  object::ActorId actor_;
  std::vector<uint64_t> own_, saved_;
  std::vector<object::CausalContext> others_;
  std::vector<bool> others_changed_;
};

}  // namespace quorate::storage
