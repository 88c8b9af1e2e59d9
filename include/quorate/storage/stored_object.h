// What an entry and the object it stands for have to do with each other.
//
// Simple entries (one version or a deletion, whose context the slot clock says) hold their object's
// parts in place; all else is Object::encode() in the payload. Objects here are at rest (object.h).
// Thread: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/change.h"
#include "quorate/object/object.h"
#include "quorate/storage/entry.h"

namespace quorate::storage {

inline bool is_visible(const Entry* entry) {
  return entry != nullptr && entry->form() != Form::tombstone;
}

// An object without versions and without a context of its own.
inline bool is_bare_tombstone(Form form, std::string_view payload) {
  return form == Form::tombstone && payload.empty();
}

// The payload of Form::counter.
std::string encode_counter(int64_t total);
int64_t decode_counter(std::string_view payload);

// A counter with an expiry, which only a lone node makes, is the text it stands for: contributions
// have none.
object::Object object_of(const EntryState& state);

// `dot` and `hlc` as Entry says, unless one version is all there is. `scratch` holds the payload.
// REQUIRES: `object` at rest.
EntryState entry_state_of(const object::Object& object, const object::ActorTable& actors,
                          object::Dot dot, object::Hlc hlc, std::string& scratch);

// The change of `delta`, apart from slot, db and key: the compact kind that says everything, if
// there is one. `payload` and `superseded` hold what it views. REQUIRES: one own dot, `dot`.
object::Change change_of(const object::Delta& delta, object::Dot dot, object::Hlc hlc,
                         std::string& payload, std::vector<object::Dot>& superseded);

}  // namespace quorate::storage
