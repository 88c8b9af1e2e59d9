// Arbitrary bytes as questions and answers of a member of the cluster, to a whole node.
//
//   input = step …          step = what u8, of u8, size u16 (little endian), body
//
// A step asks the service `of` (what % 4 = 0), or says what its questions are answered from now on
// (1), has a client run one of kCommands (2) or lets time pass (3). A size beyond the end is what
// is left. Nothing may crash, whoever sent a command gets an answer, and the node serves its
// clients.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <spdlog/spdlog.h>
#include <string>
#include <string_view>

#include "sim/lying_peer.h"

namespace {

using namespace quorate;

constexpr size_t kStepsMax = 32;
constexpr uint64_t kTickUs = 10'000;

const std::array<redis::Words, 12> kCommands = {{
    {"SET", "key", "value"},
    {"GET", "key"},
    {"APPEND", "key", "more"},
    {"INCR", "counter"},
    {"DEL", "key"},
    {"SET", "key", "value", "NX", "EX", "100"},
    {"DYN.PUT", "key", "CONTEXT", "", "VALUE", "sibling"},
    {"DYN.GET", "key"},
    {"WAIT", "1", "100"},
    {"SCAN", "0"},
    {"MSET", "a", "1", "b", "2", "c", "3"},
    {"FLUSHALL"},
}};

void require(bool holds) {
  if (!holds) std::abort();
}

struct Step {
  uint8_t what = 0, of = 0;
  std::string_view body;
};

Step take_step(std::string_view& input) {
  constexpr size_t kHead = 4;
  if (input.size() < kHead) {
    input = {};
    return {3, 0, {}};
  }
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(input[at]); };
  Step step{byte(0), byte(1), {}};
  const size_t size = byte(2) + (size_t{byte(3)} << 8);
  step.body = input.substr(kHead, size);
  input.remove_prefix(kHead + step.body.size());
  return step;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  std::string_view input(reinterpret_cast<const char*>(data), size);
  sim::LyingPeer peer(1);
  for (size_t steps = 0; !input.empty() && steps < kStepsMax; ++steps) {
    const Step step = take_step(input);
    switch (step.what % 4) {
      case 0:
        peer.ask(step.of, step.body);
        peer.run_for(kTickUs);
        break;
      case 1:
        peer.will_answer(step.of, step.body);
        break;
      case 2:
        require(!peer.run(kCommands[step.of % kCommands.size()]).empty());
        break;
      default:
        peer.run_for(step.of * kTickUs);
        break;
    }
  }
  require(peer.run({"PING"}) == "+PONG\r\n");
  require(!peer.run({"GET", "key"}).empty());
  return 0;
}
