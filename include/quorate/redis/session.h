// Session: one client connection, on its shard.
//
// It takes bytes in and parses every complete request of a read; the shard runs them together with
// those of its other connections (TurnInput); and it sends replies in the order of the requests. A
// request that cannot run at once (its key is cold or lives on another shard) leaves a place in the
// queue of replies and later requests go on around it; a request without one home, or over several
// keys that are not at hand, waits for all before it and holds up all behind it.
//
// Lifetime: shared, because answers from other shards and from the disk may come after the
// connection has ended. Thread: the shard's.
#pragma once

#include <boost/container/deque.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/client_state.h"
#include "quorate/redis/output_buffer.h"
#include "quorate/redis/request_parser.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/runtime/stream.h"

namespace quorate::redis {

class ClusterBatch;
class ForwardedBatch;
class ReplySink;
class RequestBatch;
class TurnInput;

class Session : public runtime::StreamHandler, public std::enable_shared_from_this<Session> {
 public:
  Session(ShardEngine& engine, std::unique_ptr<runtime::Stream> stream, uint64_t client_id);
  ~Session() override;

  void start();
  void close();
  // Closes it here, so that the connection goes on elsewhere: once it waits for its next request,
  // and until then reads no more. To be called again if there is nothing.
  std::optional<HandedOverClient> hand_over();
  // Before start(): goes on for a client that was handed over.
  void take_over(const ClientState& client);
  ClientState& client() { return client_; }
  const ClientState& client() const { return client_; }
  size_t input_bytes() const { return input_.size(); }
  size_t output_bytes() const { return out_.size() + in_flight_.size(); }
  size_t memory_bytes() const;
  // Goes on after engine_.hold_writer().
  void release_writer() { unblock(); }
  // Closes the connection if its output is over the client-output-buffer-limit.
  void enforce_output_limit();

  // StreamHandler
  std::span<char> read_buffer() override;
  void on_read(size_t size) override;
  void on_drained() override;
  void on_closed() override;

 private:
  friend class ShardEngine;
  friend class ClusterBatch;
  friend class ForwardedBatch;
  friend class TurnInput;

  // A reply that is not yet in out_: earlier ones are still missing.
  struct PendingReply {
    std::string text;          // that came whole; most take no allocation
    OutputBuffer bytes;        // what follows it, or is being written
    size_t request_bytes = 0;  // in flight_bytes_
    bool done = false;
  };
  using PendingReplies = boost::container::deque<
      PendingReply, void,
      boost::container::deque_options_t<boost::container::block_bytes<size_t{8} * 1024>>>;

  // For TurnInput. Parses what is complete, as far as it can be without being run, and starts
  // fetching all it touches; returns how many bytes that was.
  size_t parse_requests(std::string_view input, RequestBatch& batch);
  // Runs items [first, end) of the batch, which were parsed from the first `parsed` bytes of an
  // input; returns how many of these are done with.
  size_t run_requests(const RequestBatch& batch, size_t first, size_t end, size_t parsed);
  // Runs what of a read is left and can be, and keeps the rest.
  void finish_read(std::string_view input);

  void process();
  size_t take_batches(std::string_view input, size_t enough);
  size_t take_batch(std::string_view input);
  void end_read();
  enum class Next : uint8_t { go_on, stop };
  Next run_request(const Request& request);
  void run_here(const Request& request, OutputBuffer& out);
  bool check(const Request& request, OutputBuffer& out);
  bool waits_for_all(const Request& request) const;
  void suspend_single(const Request& request);
  void suspend_several(const Request& request);
  void forward(const Request& request, unsigned shard);
  void send_forwarded();
  void protocol_error(std::string_view text);

  class Place;
  Next run_in_cluster(const Request& request);
  std::optional<std::string> moved_elsewhere(const Request& request);
  Next send_home(const Request& request);
  // The batch for the request's destination, to be added to now. Null: it must wait for what this
  // connection has under way on its key.
  ClusterBatch* cluster_batch_for(const Request& request);
  struct Flight;
  bool joins(Flight& flight, const Request& request);
  void begin_flight(Flight& flight, const Request& request);
  void send_to_cluster();
  // The reply of a request that send_home() gave away.
  void replied(const object::Key& key, PendingReply& place, std::string_view reply);
  void landed(const object::Key& key);

  OutputBuffer& reply_place();
  PendingReply& new_pending();
  void reply_done(PendingReply& reply);
  void unblock();
  Finish defer();
  void drain_pending();
  void flush();
  void mark_for_flush();
  void update_limits();

  ShardEngine& engine_;
  std::unique_ptr<runtime::Stream> stream_;
  ClientState client_;
  RequestParser parser_;
  std::string input_;         // bytes not yet run, with room behind them while a read is under way
  size_t input_end_ = 0;      // of the bytes in input_
  bool reading_own_ = false;  // the read under way goes to input_
  bool gathered_ = false;     // TurnInput holds the last read
  bool late_ = false;         // the turn had lasted too long to run all that was read
  OutputBuffer out_, in_flight_;
  PendingReplies pending_;
  std::vector<std::shared_ptr<ForwardedBatch>> forwarded_;  // by shard, being filled
  // In a cluster: where the requests for a key went that are not answered yet.
  struct Flight {
    uint64_t turn = 0;
    size_t batch = 0;  // of the turn's
    unsigned requests = 0;
    bool only_reads = false;
  };
  boost::unordered_flat_map<uint64_t, Flight> flights_;         // by hash and database of the key
  std::vector<std::shared_ptr<ClusterBatch>> cluster_batches_;  // being filled
  uint64_t flight_turn_ = 0;
  size_t flight_bytes_ = 0;     // of the arguments of requests of one key that are not answered yet
  uint64_t answerable_at_ = 0;  // journal position that out_ speaks of
  uint64_t over_soft_limit_since_ms_ = 0;
  bool blocked_ = false;  // a deferred or exclusive command is under way, or a write is held up
  bool processing_ = false;
  bool marked_ = false;   // in the engine's list of sessions to flush
  bool writing_ = false;  // in_flight_ is on its way
  bool leaving_ = false;  // to be handed over
  bool closed_ = false;
};

}  // namespace quorate::redis
