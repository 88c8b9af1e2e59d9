#include "quorate/object/object.h"

#include <algorithm>

namespace quorate::object {

namespace {

using Versions = Element::Versions;

bool id_before(const Element& element, std::string_view id) { return element.id < id; }
bool dot_before(const Version& version, Dot dot) { return version.dot < dot; }

void keep_unseen(const Version& version, const CausalContext& seen_by_other, Versions& kept) {
  if (!seen_by_other.covers(version.dot)) kept.push_back(version);
}

Versions merge_versions(const Versions& x, const CausalContext& x_seen, const Versions& y,
                        const CausalContext& y_seen) {
  Versions kept;
  auto a = x.begin();
  auto b = y.begin();
  while (a != x.end() && b != y.end()) {
    if (a->dot < b->dot) {
      keep_unseen(*a++, y_seen, kept);
    } else if (b->dot < a->dot) {
      keep_unseen(*b++, x_seen, kept);
    } else {
      kept.push_back(*a++);
      ++b;
    }
  }
  for (; a != x.end(); ++a) keep_unseen(*a, y_seen, kept);
  for (; b != y.end(); ++b) keep_unseen(*b, x_seen, kept);
  return kept;
}

void keep_element(const std::string& id, Versions versions, Object& merged) {
  if (!versions.empty()) merged.elements.push_back(Element{id, std::move(versions)});
}

Object part(const Object& object, const CausalContext& seen, bool covered) {
  Object kept;
  for (const Element& element : object.elements) {
    Versions versions;
    for (const Version& version : element.versions) {
      if (seen.covers(version.dot) == covered) versions.push_back(version);
    }
    keep_element(element.id, std::move(versions), kept);
  }
  return kept;
}

}  // namespace

const Element* Object::find(std::string_view id) const {
  const auto element = std::lower_bound(elements.begin(), elements.end(), id, id_before);
  return element != elements.end() && element->id == id ? &*element : nullptr;
}

bool Object::is_tombstone() const {
  return std::all_of(elements.begin(), elements.end(), [](const Element& element) {
    return std::all_of(element.versions.begin(), element.versions.end(),
                       [](const Version& version) { return version.kind == Kind::reset; });
  });
}

Hlc Object::highest_hlc() const {
  Hlc highest = 0;
  for (const Element& element : elements) {
    for (const Version& version : element.versions) highest = std::max(highest, version.hlc);
  }
  return highest;
}

Object merge(const Object& x, const Object& y) {
  static const Versions kNone;
  Object merged;
  merged.seen = x.seen;
  merged.seen.join(y.seen);
  auto a = x.elements.begin();
  auto b = y.elements.begin();
  while (a != x.elements.end() || b != y.elements.end()) {
    const bool only_x = b == y.elements.end() || (a != x.elements.end() && a->id < b->id);
    const bool only_y = !only_x && (a == x.elements.end() || b->id < a->id);
    const std::string& id = only_y ? b->id : a->id;
    keep_element(
        id,
        merge_versions(only_y ? kNone : a->versions, x.seen, only_x ? kNone : b->versions, y.seen),
        merged);
    if (!only_y) ++a;
    if (!only_x) ++b;
  }
  return merged;
}

void Delta::write(std::string_view element, Version version) {
  remove(version.dot);
  auto& elements = change.elements;
  auto place = std::lower_bound(elements.begin(), elements.end(), element, id_before);
  if (place == elements.end() || place->id != element) {
    place = elements.insert(place, Element{std::string(element), {}});
  }
  auto& versions = place->versions;
  const auto after = std::lower_bound(versions.begin(), versions.end(), version.dot, dot_before);
  versions.insert(after, std::move(version));
}

void Delta::remove(Dot own) {
  dots.add(own);
  change.seen.add(own);
}

void Delta::supersede_all(const Object& object) {
  for (const Element& element : object.elements) {
    for (const Version& version : element.versions) supersede(version.dot);
  }
}

Object covered_part(const Object& object, const CausalContext& seen) {
  return part(object, seen, true);
}

Object uncovered_part(const Object& object, const CausalContext& seen) {
  return part(object, seen, false);
}

Object at_rest(Object object, const SlotClock& clock) {
  object.seen = object.seen.without(clock.have());
  return object;
}

Object filled_in(Object object, const SlotClock& clock) {
  object.seen.join(clock.have());
  return object;
}

Object apply(const Object* record, const Delta& delta, SlotClock& clock) {
  if (clock.covers(delta.dots)) return record == nullptr ? Object{} : *record;
  Object merged = record == nullptr ? delta.change : merge(filled_in(*record, clock), delta.change);
  clock.join(delta.dots);
  return at_rest(std::move(merged), clock);
}

Object apply_state(const Object* record, const Object& full, const SlotClock& clock) {
  if (record == nullptr) return at_rest(full, clock);
  return at_rest(merge(filled_in(*record, clock), full), clock);
}

}  // namespace quorate::object
