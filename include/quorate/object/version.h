// One version of one element of an object (DESIGN 5).
//
// Immutable once written: its dot names it everywhere and for ever, two versions with one dot are
// the same version. Thread: values; payloads are shared (blob.h).
#pragma once

#include <cstdint>

#include "quorate/object/blob.h"
#include "quorate/object/dot.h"
#include "quorate/object/hlc.h"

namespace quorate::object {

enum class Kind : uint8_t {
  raw,          // payload: the client's bytes
  counter,      // payload: the total of all increments by the dot's actor (baseline.h)
  hyperloglog,  // payload: Redis's HYLL string
  reset,        // no payload: a delete that keeps, as its baseline, the totals it took away
};

struct Version {
  Dot dot{};
  Hlc hlc = 0;
  uint64_t expiry_ms = 0;  // absolute, 0 = none
  BlobRef payload{};
  BlobRef baseline{};  // the counter totals this version accounts for (baseline.h); empty for most
  Kind kind = Kind::raw;

  friend bool operator==(const Version&, const Version&) = default;
};

}  // namespace quorate::object
