#include "object/slot_simulation.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace quorate::object {

namespace {

using DotSet = SlotSimulation::DotSet;

DotSet dots_of(const Object& object) {
  DotSet dots;
  for (const Element& element : object.elements) {
    for (const Version& version : element.versions) dots.insert(version.dot);
  }
  return dots;
}

void unite(DotSet& into, const DotSet& other) { into.insert(other.begin(), other.end()); }

DotSet without(const DotSet& x, const DotSet& y) {
  DotSet rest;
  std::ranges::set_difference(x, y, std::inserter(rest, rest.end()));
  return rest;
}

CausalContext context_of(const DotSet& dots) {
  CausalContext context;
  for (const Dot dot : dots) context.add(dot);
  return context;
}

}  // namespace

void SlotSimulation::Account::join(const Account& other) {
  unite(superseded, other.superseded);
  unite(increments, other.increments);
  unite(erased, other.erased);
}

SlotSimulation::SlotSimulation(uint64_t seed, int replica_count, int key_count)
    : random(seed), replicas(static_cast<std::size_t>(replica_count)), keys(key_count) {
  for (Replica& replica : replicas) {
    Actor actor;
    for (uint8_t& byte : actor.node) byte = static_cast<uint8_t>(random());
    replica.actor = actors.intern(actor);
    replica.skew_ms = random() % 3;
  }
}

const Object& SlotSimulation::record(const Replica& replica, int key) const {
  static const Object kAbsent;
  const auto found = replica.records.find(key);
  return found == replica.records.end() ? kAbsent : found->second;
}

void SlotSimulation::step() {
  now_ms_ += random() % 2;
  Replica& one = replicas[random() % replicas.size()];
  Replica& other = replicas[random() % replicas.size()];
  const int key = static_cast<int>(random() % static_cast<uint64_t>(keys));
  const uint64_t event = random() % 100;
  if (event < 45) {
    write(one, key, static_cast<Write>(std::min<uint64_t>(random() % 8, 4)));
  } else if (event < 85 && !history.empty()) {
    deliver(one, history[random() % history.size()]);
  } else if (event < 93) {
    send_state(one, other, key);
  } else if (event < 96) {
    send_slot(one, other);
  } else if (one.records.contains(key)) {
    one.records[key] = at_rest(filled_in(one.records[key], one.clock), one.clock);
    check(one, key);
  }
}

bool SlotSimulation::build(const Object& object, Operation& operation, Dot dot, Hlc hlc) {
  const auto read = read_string(object, actors);
  switch (operation.write) {
    case Write::set_integer:
    case Write::set_text:
      operation.delta = write_string(object, dot, hlc, Blob::make(operation.written), 0);
      return true;
    case Write::erase:
      operation.delta = erase(object, dot, hlc);
      return true;
    case Write::increment: {
      auto incremented = increment(object, actors, dot, hlc, operation.amount);
      if (!incremented) return false;
      operation.delta = std::move(incremented->delta);
      operation.written = std::to_string(incremented->value);
      return true;
    }
    case Write::expire: {
      if (!read || !*read) return false;
      auto delta = set_expiry(object, actors, dot, hlc, 9'000'000'000);
      operation.written = (*read)->bytes.view();
      operation.delta = std::move(*delta);
      return true;
    }
  }
  return false;
}

void SlotSimulation::account_for(Operation& operation, const Object& object, const Account& account,
                                 Dot dot) {
  operation.resolves = operation.write == Write::increment && count_values(object) > 1;
  if (operation.write == Write::increment && !operation.resolves) {
    for (const Dot known : account.increments) {
      if (known.actor == dot.actor) operation.tells.increments.insert(known);
    }
    operation.tells.increments.insert(dot);
    for (const Dot visible : dots_of(object)) {
      const Operation& writer = writer_of(visible);
      const bool contributes = writer.write == Write::increment && !writer.resolves;
      if (visible.actor == dot.actor && contributes) operation.tells.superseded.insert(visible);
    }
    return;
  }
  operation.contains = account.increments;
  operation.tells.superseded = dots_of(object);
  operation.tells.increments = account.increments;
  const bool keeps = operation.write == Write::expire || operation.resolves;
  operation.tells.erased = keeps ? account.erased : account.increments;
  if (!operation.resolves) return;
  operation.contains.insert(dot);
  operation.tells.increments.insert(dot);
}

void SlotSimulation::write(Replica& replica, int key, Write write) {
  Operation operation;
  operation.key = key;
  operation.write = write;
  operation.amount = static_cast<int64_t>(random() % 21) - 10;
  operation.written = write == Write::set_text ? "text" : std::to_string(random() % 1000);
  const Object& object = record(replica, key);
  const Dot dot = replica.clock.issue(replica.actor);
  const Hlc hlc = replica.hlc.next_after(object.highest_hlc(), now_ms_ + replica.skew_ms);
  if (!build(object, operation, dot, hlc)) return;
  Operation from_whole = operation;
  ASSERT_TRUE(build(replica.whole[key], from_whole, dot, hlc));
  ASSERT_EQ(operation.delta, from_whole.delta) << "at rest and whole are written to alike";
  ASSERT_TRUE(by_dot_.emplace(dot, history.size()).second) << "a dot was issued twice";
  account_for(operation, object, replica.accounts[key], dot);
  history.push_back(operation);
  deliver(replica, operation);
}

void SlotSimulation::deliver(Replica& to, const Operation& operation) {
  const int key = operation.key;
  const bool knows_already = to.clock.covers(operation.delta.dots);
  const bool has_record = to.records.contains(key);
  const Object next = apply(has_record ? &to.records[key] : nullptr, operation.delta, to.clock);
  if (has_record || !knows_already) to.records[key] = next;
  to.whole[key] = merge(to.whole[key], operation.delta.change);
  to.accounts[key].join(operation.tells);
  for (const auto& run : operation.delta.dots.runs()) to.applied.insert(Dot{run.actor, run.first});
  check(to, key);
}

void SlotSimulation::send_state(const Replica& from, Replica& to, int key) {
  if (!from.records.contains(key)) return;
  const Object full = filled_in(from.records.at(key), from.clock);
  const bool has_record = to.records.contains(key);
  to.records[key] = apply_state(has_record ? &to.records[key] : nullptr, full, to.clock);
  to.whole[key] = merge(to.whole[key], from.whole.at(key));
  to.accounts[key].join(from.accounts.at(key));
  check(to, key);
}

void SlotSimulation::send_slot(const Replica& from, Replica& to) {
  for (int key = 0; key < keys; ++key) send_state(from, to, key);
  to.clock.join(from.clock.have());
  unite(to.applied, from.applied);
  for (int key = 0; key < keys; ++key) check(to, key);
}

void SlotSimulation::heal_by_states() {
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      send_slot(replicas[i], replicas[(i + 1) % replicas.size()]);
    }
  }
}

void SlotSimulation::heal_by_deltas() {
  for (Replica& replica : replicas) {
    std::vector<std::size_t> order(history.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) deliver(replica, history[i]);
  }
}

const SlotSimulation::Operation& SlotSimulation::writer_of(Dot dot) const {
  return history.at(by_dot_.at(dot));
}

void SlotSimulation::check(const Replica& replica, int key) {
  if (!replica.records.contains(key)) return;
  const Object& at_rest_object = replica.records.at(key);
  const Object& whole = replica.whole.at(key);
  ASSERT_EQ(at_rest_object.elements, whole.elements);
  const Object full = filled_in(at_rest_object, replica.clock);
  ASSERT_TRUE(full.seen.covers(whole.seen)) << "at rest forgot what it has seen";
  const CausalContext others = full.seen.without(whole.seen);
  for (const auto& run : others.runs()) {
    for (uint64_t n = run.first; n <= run.last; ++n) {
      ASSERT_NE(writer_of({run.actor, n}).key, key) << "claims to have seen what it has not";
    }
  }
  for (const Dot visible : dots_of(whole)) {
    ASSERT_FALSE(replica.accounts.at(key).superseded.contains(visible)) << "superseded returned";
  }
  ASSERT_EQ(replica.clock.have(), context_of(replica.applied));
  check_value(replica, key);
}

void SlotSimulation::check_value(const Replica& replica, int key) {
  const Object& object = replica.records.at(key);
  const Account& account = replica.accounts.at(key);
  const auto read = read_string(object, actors);
  ASSERT_TRUE(read);
  DotSet counting = without(account.increments, account.erased);
  const Version* best = winner(object, actors);
  int64_t expected = 0;
  if (best != nullptr) {
    const Operation& writer = writer_of(best->dot);
    counting = without(counting, writer.contains);
    const auto integer = parse_integer(writer.written);
    if (!integer) {
      ASSERT_EQ((*read)->bytes.view(), writer.written);
      return;
    }
    expected = *integer;
  } else if (counting.empty()) {
    ASSERT_FALSE(*read);
    return;
  }
  for (const Dot dot : counting) expected += writer_of(dot).amount;
  ASSERT_TRUE(*read);
  ASSERT_EQ((*read)->bytes.view(), std::to_string(expected));
  ASSERT_EQ(counter_value(object, actors), expected);
}

void SlotSimulation::check_converged() {
  DotSet all;
  for (const auto& [dot, index] : by_dot_) all.insert(dot);
  for (const Replica& replica : replicas) {
    ASSERT_EQ(replica.clock.have(), context_of(all)) << "every write reached every replica";
  }
  for (int key = 0; key < keys; ++key) check_key_converged(key);
}

void SlotSimulation::check_key_converged(int key) {
  DotSet alive;
  Account total;
  Object merged;
  for (const Operation& operation : history) {
    if (operation.key != key) continue;
    unite(alive, dots_of(operation.delta.change));
    total.join(operation.tells);
    merged = merge(operation.delta.change, merged);
  }
  alive = without(alive, total.superseded);
  for (const Replica& replica : replicas) {
    const Object object = at_rest(filled_in(record(replica, key), replica.clock), replica.clock);
    ASSERT_TRUE(object.seen.empty()) << "the slot clock says it all";
    ASSERT_EQ(object.elements, merged.elements);
    ASSERT_EQ(dots_of(object), alive) << "lost, or came back";
    if (replica.records.contains(key)) check(replica, key);
  }
}

}  // namespace quorate::object
