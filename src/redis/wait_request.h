// WaitRequest: a WAIT under way (Redis: blockForReplication()).
//
// Every shard of every node that coordinated some of the connection's writes is asked how many
// other replicas have all that it changed in their slots; the least of these numbers is the reply.
// Who says too few is asked again, for more, and answers when there are more: nobody looks at
// intervals. Only a node that does not answer is, since its answer is missing whatever happens, and
// a connection that has ended is noticed when a question ends. Counts only grow: what a replica has
// it keeps. Thread: the connection's shard.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "quorate/coordinator/copy_waits.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/redis/written_slots.h"

namespace quorate::redis {

class WaitRequest : public std::enable_shared_from_this<WaitRequest> {
 public:
  // How many replicas have what a connection wrote that wrote nothing: all that are well.
  static unsigned replicas_at_hand(ShardEngine& engine);

  // `client` is looked at now, later only by its number. `timeout_ms` 0: never ends by itself.
  static void start(ShardEngine& engine, const ClientState& client, int64_t wanted,
                    uint64_t timeout_ms, Finish finish);

  WaitRequest(ShardEngine& engine, uint64_t client_id, int64_t wanted, Finish finish)
      : engine_(engine), client_id_(client_id), wanted_(wanted), finish_(std::move(finish)) {}

 private:
  struct Part {
    std::optional<object::NodeId> node;  // nothing: this one
    unsigned shard = 0;
    object::SlotSet slots;
    unsigned copies = 0;
    bool heard = false;
  };

  void collect(const WrittenSlots& written);
  void begin(uint64_t timeout_ms);
  void ask(size_t i);
  void answered(size_t i, std::optional<unsigned> copies);
  void look_again();
  bool over();
  void finish();
  unsigned copies() const;
  uint64_t question_us() const;

  ShardEngine& engine_;
  const uint64_t client_id_;
  const int64_t wanted_;
  Finish finish_;  // null when it has ended
  std::vector<Part> parts_;
  uint64_t deadline_us_ = UINT64_MAX;
  std::unique_ptr<runtime::Timer> deadline_;
};

}  // namespace quorate::redis
