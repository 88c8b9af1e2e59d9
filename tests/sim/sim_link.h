// SimLink: a connection between two loops of the simulator, of which each end is a runtime::Stream.
//
// As TCP: bytes arrive in order or not at all, in other pieces than they were sent in, and a sender
// has at most a window of bytes under way that the other side has not read. Every delay and every
// cut between pieces is drawn from the world's seed; bandwidth costs nothing. partition() holds
// back what one end sends, acknowledgements and its end included; heal() delivers it after all, as
// retransmission does, and who never heals has lost it. cut() ends the connection for both sides at
// once. An end that is destroyed is closed, so the other side learns of a process that crashed;
// before a node loses power, partition it. Thread: the simulator's one. The streams must not
// outlive their loops, the link may.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "quorate/runtime/stream.h"

#include "sim/sim_loop.h"

namespace quorate::sim {

class SimLink {
 public:
  enum class Side : uint8_t { first, second };
  struct Options {
    Delay delay = {50, 500};
    size_t window_bytes = size_t{256} * 1024;
  };
  struct State;

  SimLink(SimWorld& world, SimLoop& first, SimLoop& second, Options options);
  SimLink(SimWorld& world, SimLoop& first, SimLoop& second);

  // The stream of an end. REQUIRES: not called before for this side.
  std::unique_ptr<runtime::Stream> take(Side side);
  // Until it says that it has seen enough, shows `look` what has arrived at that end and was not
  // read, whenever more has. REQUIRES: the end was taken and is not read meanwhile.
  using Look = std::function<bool(std::string_view bytes)>;
  void look(Side side, Look look);

  void set_delay(Delay delay);
  void partition(Side from);
  void partition() {
    partition(Side::first);
    partition(Side::second);
  }
  void heal();
  void cut();

 private:
  std::shared_ptr<State> state_;
};

}  // namespace quorate::sim
