// Arbitrary bytes as a batch of changes from another node.
//
// Nothing may crash, and what decodes must say the same after it was encoded and decoded once more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/change.h"

namespace {

using namespace quorate::object;

void require(bool holds) {
  if (!holds) std::abort();
}

void describe(const Change& change, std::string& out) {
  ByteWriter writer(out);
  writer.byte(static_cast<uint8_t>(change.kind));
  for (const uint64_t number :
       {uint64_t{change.slot}, uint64_t{change.db}, static_cast<uint64_t>(change.dot.actor),
        change.dot.n, change.hlc, change.expiry_ms}) {
    writer.varint(number);
  }
  writer.signed128(change.total);
  writer.sized(change.key);
  writer.sized(change.payload);
  for (const Dot dot : change.superseded) {
    writer.varint(static_cast<uint64_t>(dot.actor));
    writer.varint(dot.n);
  }
}

// What can be read of the batch: described in handles of `actors`, and written again.
struct Reading {
  std::string description, batch;
};

Reading read(std::string_view batch, ActorTable& actors) {
  Reading reading;
  auto reader = ChangeReader::open(batch);
  if (!reader) return reading;
  std::vector<ActorId> handles;
  for (const Actor& actor : reader->actors()) handles.push_back(actors.intern(actor));
  ChangeWriter writer(actors);
  Change change;
  for (auto more = reader->next(handles, change); more && *more;
       more = reader->next(handles, change)) {
    require(change.dot.n != 0 && change.slot < 16384);
    if (!is_flush(change.kind)) require(delta_of(change).has_value());
    describe(change, reading.description);
    writer.add(change);
  }
  writer.finish(reading.batch);
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ActorTable actors;
  const Reading first = read({reinterpret_cast<const char*>(data), size}, actors);
  if (first.batch.empty()) return 0;
  require(read(first.batch, actors).description == first.description);
  return 0;
}
