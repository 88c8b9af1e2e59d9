// QuorumChoice: what a connection or a call asks for in place of the cluster's R and W (DESIGN 8).
//
// It travels with the request to wherever that runs. Thread: a value.
#pragma once

#include <cstdint>

namespace quorate::coordinator {

struct QuorumChoice {
  uint8_t read = 0, write = 0;  // 0: the cluster's

  bool empty() const { return read == 0 && write == 0; }
  // What `closer` says, and for the rest this.
  QuorumChoice with(QuorumChoice closer) const {
    return {closer.read != 0 ? closer.read : read, closer.write != 0 ? closer.write : write};
  }
  friend bool operator==(QuorumChoice, QuorumChoice) = default;
};

}  // namespace quorate::coordinator
