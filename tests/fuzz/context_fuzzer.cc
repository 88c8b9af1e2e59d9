// Arbitrary bytes as what nodes store and send of objects: causal contexts, whole objects, deltas,
// tables of actors.
//
// First byte: which of them. Nothing may crash, what decodes must encode to the same bytes, and a
// decoded context must keep the laws of sets.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "quorate/object/causal_context.h"
#include "quorate/object/dot.h"
#include "quorate/object/object.h"

namespace {

using namespace quorate::object;

void require(bool holds) {
  if (!holds) std::abort();
}

template <class Value>
void check_round_trip(std::string_view bytes) {
  const auto decoded = Value::decode(bytes);
  if (!decoded) return;
  std::string encoded;
  decoded->encode(encoded);
  require(encoded == bytes);
}

void check_laws(std::string_view bytes) {
  const auto decoded = CausalContext::decode(bytes);
  if (!decoded) return;
  const CausalContext& all = *decoded;
  CausalContext half;
  CausalContext other_half;
  bool first = true;
  for (const CausalContext::Run& run : all.runs()) {
    require(run.first >= 1 && run.first <= run.last && run.last <= Dot::kMaxN);
    require(all.covers(Dot{run.actor, run.first}) && all.covers(Dot{run.actor, run.last}));
    require(!all.covers(Dot{run.actor, run.last + 1}));
    (first ? half : other_half).add(Dot{run.actor, run.first});
    (first ? half : other_half).add(Dot{run.actor, run.last});
    first = !first;
  }
  require(all.covers(half) && all.covers(other_half) && all.without(all).empty());
  CausalContext again = all.without(half);
  require(again.without(half) == again);
  again.join(half);
  require(again == all);
  half.join(other_half);
  again.join(half);
  require(again == all);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      check_round_trip<CausalContext>(bytes);
      check_laws(bytes);
      break;
    case 1:
      check_round_trip<Object>(bytes);
      break;
    case 2:
      check_round_trip<Delta>(bytes);
      break;
    default:
      check_round_trip<ActorTable>(bytes);
      break;
  }
  return 0;
}
