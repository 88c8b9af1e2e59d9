// GatheredReply: the replies of several nodes to one command, put together as CommandSpec::gather
// says, and what a page of SCAN says.
//
// Every reply is a part: what a node says of some slots. They come from other nodes, so nothing in
// them is trusted: a part that is not exactly what such a command answers is refused, and the
// client never sees a byte of it. Errors are no parts. Thread: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/command.h"
#include "quorate/redis/reply_writer.h"
#include "quorate/runtime/random.h"

namespace quorate::redis {

class GatheredReply {
 public:
  // REQUIRES: a `how` other than none and pages. `random` outlives this.
  GatheredReply(Gather how, runtime::Random& random) : how_(how), random_(random) {}

  // False if the part is malformed; then nothing was taken.
  [[nodiscard]] bool add(std::string_view part);
  // The whole of what was added.
  void write(ReplyWriter& reply) const;
  const std::vector<uint64_t>& sums() const { return sums_; }

 private:
  bool add_sum(std::string_view part);
  bool add_sums(std::string_view part);
  bool add_elements(std::string_view part);
  bool add_pick(std::string_view part);

  const Gather how_;
  runtime::Random& random_;
  uint64_t sum_ = 0;    // also of the weights
  uint64_t count_ = 0;  // of elements
  std::vector<uint64_t> sums_;
  std::vector<std::string> elements_;  // encoded, of each part
  std::optional<std::string> picked_;
};

// A reply to SCAN.
struct ScanPage {
  uint64_t cursor = 0;
  uint64_t count = 0;
  std::string_view keys;  // encoded

  // Nothing if that is not what the reply is. Views it.
  static std::optional<ScanPage> parse(std::string_view reply);
};

}  // namespace quorate::redis
