#include "sim/sim_link.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

namespace quorate::sim {

class SimStream;

struct SimLink::State {
  // What travels from one end to the other.
  struct Item {
    std::string bytes;
    size_t credit = 0;  // bytes that were read
    bool end = false;
  };
  struct End {
    SimLoop* loop = nullptr;
    NodeId node = 0;
    SimStream* stream = nullptr;
    size_t room_bytes = 0;  // may still be sent
    bool partitioned = false;
    std::deque<Item> held;
    uint64_t last_arrival_us = 0;  // of what it sent
  };

  SimWorld& world;
  Options options;
  std::array<End, 2> ends;

  State(SimWorld& world_of_link, Options options_of_link)
      : world(world_of_link), options(options_of_link) {}
};

namespace {

using State = SimLink::State;

size_t index_of(SimLink::Side side) { return side == SimLink::Side::first ? 0 : 1; }

}  // namespace

class SimStream final : public runtime::Stream {
 public:
  SimStream(std::shared_ptr<State> state, size_t side) : state_(std::move(state)), side_(side) {
    own().stream = this;
  }
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;
  ~SimStream() override {
    if (!ended_) send(state_, side_, {.bytes = {}, .credit = 0, .end = true});
    own().stream = nullptr;
  }

  void start(runtime::StreamHandler& handler) override {
    handler_ = &handler;
    reading_ = true;
    in_turn(&SimStream::progress);
  }
  void pause_reading() override { reading_ = false; }
  void resume_reading() override {
    reading_ = true;
    in_turn(&SimStream::progress);
  }
  size_t try_write(std::string_view bytes) override {
    if (ended_ || writing_) return 0;
    return send_bytes(bytes);
  }
  void write(std::string_view bytes) override {
    if (ended_) return;
    writing_ = true;
    waiting_ = bytes;
    in_turn(&SimStream::progress);
  }
  void close() override {
    if (ended_) return;
    send(state_, side_, {.bytes = {}, .credit = 0, .end = true});
    end();
  }
  std::string peer_address() const override { return address_of(state_->ends[1 - side_]); }
  std::string local_address() const override { return address_of(state_->ends[side_]); }

  static void send(const std::shared_ptr<State>& state, size_t from, State::Item item) {
    State::End& sender = state->ends[from];
    if (sender.partitioned) {
      sender.held.push_back(std::move(item));
      return;
    }
    const uint64_t now_us = state->world.now_us();
    const uint64_t arrival_us =
        std::max(sender.last_arrival_us, now_us + state->world.draw(state->options.delay));
    sender.last_arrival_us = arrival_us;
    const size_t to = 1 - from;
    state->world.schedule(state->ends[to].node, arrival_us - now_us,
                          [state, to, item = std::move(item)]() mutable {
                            SimStream* stream = state->ends[to].stream;
                            if (stream != nullptr) stream->arrive(std::move(item));
                          });
  }

  void set_look(SimLink::Look look) { look_ = std::move(look); }

  // The connection is gone; the handler learns it in a turn.
  void end() {
    if (std::exchange(ended_, true)) return;
    in_turn(&SimStream::report_end);
  }

 private:
  State::End& own() { return state_->ends[side_]; }

  static std::string address_of(const State::End& end) {
    return "10.0.0." + std::to_string(end.node) + ":" + std::to_string(50'000 + end.node);
  }

  void in_turn(void (SimStream::*act)()) {
    own().loop->post([state = state_, side = side_, act] {
      SimStream* stream = state->ends[side].stream;
      if (stream != nullptr && stream->handler_ != nullptr) (stream->*act)();
    });
  }

  size_t send_bytes(std::string_view bytes) {
    const size_t size = std::min(bytes.size(), own().room_bytes);
    if (size == 0) return 0;
    own().room_bytes -= size;
    runtime::Random& random = state_->world.random();
    const size_t cut = random.below(4) == 0 ? random.below(size) : 0;
    if (cut != 0) send(state_, side_, {.bytes = std::string(bytes.substr(0, cut))});
    send(state_, side_, {.bytes = std::string(bytes.substr(cut, size - cut))});
    return size;
  }

  void arrive(State::Item item) {
    if (ended_) return;
    inbox_ += item.bytes;
    own().room_bytes += item.credit;
    peer_ended_ = peer_ended_ || item.end;
    if (look_ && look_(inbox_)) look_ = nullptr;
    in_turn(&SimStream::progress);
  }

  void progress() {
    if (!ended_) write_rest();
    if (!ended_ && reading_) read_once();
  }

  void write_rest() {
    if (!writing_) return;
    waiting_.remove_prefix(send_bytes(waiting_));
    if (!waiting_.empty()) return;
    writing_ = false;
    handler_->on_drained();
  }

  // Once a turn, as a socket is read.
  void read_once() {
    if (inbox_.empty()) {
      if (peer_ended_) close();
      return;
    }
    const std::span<char> to = handler_->read_buffer();
    const size_t size = std::min(to.size(), inbox_.size());
    std::memcpy(to.data(), inbox_.data(), size);
    inbox_.erase(0, size);
    send(state_, side_, {.bytes = {}, .credit = size});
    if (!inbox_.empty() || peer_ended_) in_turn(&SimStream::progress);
    handler_->on_read(size);
  }

  void report_end() { handler_->on_closed(); }

  const std::shared_ptr<State> state_;
  const size_t side_;
  runtime::StreamHandler* handler_ = nullptr;
  std::string inbox_;  // arrived, not yet read
  SimLink::Look look_;
  std::string_view waiting_;
  bool reading_ = false, writing_ = false;
  bool peer_ended_ = false;  // behind what is in the inbox
  bool ended_ = false;
};

SimLink::SimLink(SimWorld& world, SimLoop& first, SimLoop& second)
    : SimLink(world, first, second, Options{}) {}

SimLink::SimLink(SimWorld& world, SimLoop& first, SimLoop& second, Options options)
    : state_(std::make_shared<State>(world, options)) {
  for (const auto& [side, loop] : {std::pair(Side::first, &first), {Side::second, &second}}) {
    State::End& end = state_->ends[index_of(side)];
    end.loop = loop;
    end.node = loop->node();
    end.room_bytes = options.window_bytes;
  }
}

std::unique_ptr<runtime::Stream> SimLink::take(Side side) {
  assert(state_->ends[index_of(side)].stream == nullptr);
  return std::make_unique<SimStream>(state_, index_of(side));
}

void SimLink::look(Side side, Look look) {
  state_->ends[index_of(side)].stream->set_look(std::move(look));
}

void SimLink::set_delay(Delay delay) { state_->options.delay = delay; }

void SimLink::partition(Side from) { state_->ends[index_of(from)].partitioned = true; }

void SimLink::heal() {
  for (size_t side = 0; side < state_->ends.size(); ++side) {
    State::End& end = state_->ends[side];
    end.partitioned = false;
    for (State::Item& item : std::exchange(end.held, {})) {
      SimStream::send(state_, side, std::move(item));
    }
  }
}

void SimLink::cut() {
  for (State::End& end : state_->ends) {
    if (end.stream != nullptr) end.stream->end();
  }
}

}  // namespace quorate::sim
