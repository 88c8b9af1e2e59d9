// PeerCalls: questions to other nodes and their answers, over the links of one lane.
//
// call() sends a question to a service of another node and calls back exactly once: with the
// answer, or with what became of it. What matters to whoever must not do a thing twice is kept
// apart: `not_sent` says that the other node never saw the question, `no_answer` that it may have
// (its connection ended, the deadline passed, or it does not seem well any more). A service answers
// when it can, from a later turn if it likes; an answer that comes after the caller gave up is
// dropped. Questions to one node arrive in the order in which they were asked as long as its
// connection lasts; answers come in any order. An answer may also come by another way than the
// reply, inside of a question of the node that was asked: whichever is first ends the call.
//
// Bodies of questions and answers are the services' own matter. Who does not know a service answers
// so, and the caller is told: two releases share a cluster. Thread: that of the loop. Units:
// microseconds, bytes. Source: DESIGN 7, 8.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/cluster/node_id.h"
#include "quorate/cluster/peer_links.h"

namespace quorate::cluster {

enum class CallFailure : uint8_t {
  not_sent,         // the node cannot be reached, or does not keep up
  no_answer,        // it may have seen the question
  unknown_service,  // it has seen it and has done nothing
};

// Who may connect, and where who is to be reached.
class PeerDirectory {
 public:
  virtual ~PeerDirectory() = default;
  virtual std::optional<NodeAddress> address_of(const object::NodeId& node) = 0;
  virtual runtime::Status judge(const PeerHello& peer) = 0;
  virtual void on_up(const object::NodeId& /*node*/) {}
  virtual void on_down(const object::NodeId& /*node*/, const std::string& /*reason*/) {}
  // Questions wait for the node, which has said nothing at all for PeerCalls::kSilenceUs. Again and
  // again while that is so.
  virtual void on_silent(const object::NodeId& /*node*/) {}
};

// How long a question waits, and as long again as its bytes take at kSlowestBytesPerUs. While large
// messages of the node that was asked keep coming, the answer may be one of them or stand behind
// them: then as long again as the largest message takes, at most.
struct Patience {
  static constexpr uint64_t kSlowestBytesPerUs = 16;
  static uint64_t travel_us(size_t bytes) { return bytes / kSlowestBytesPerUs; }

  // NOLINTNEXTLINE(google-explicit-constructor): a time is what most have to say.
  Patience(uint64_t of_us) : timeout_us(of_us) {}
  // Also no longer than until give_up_on(): for questions that another node can answer instead.
  static Patience while_healthy(uint64_t timeout_us) {
    Patience patience(timeout_us);
    patience.ends_with_health = true;
    return patience;
  }

  uint64_t timeout_us;
  bool ends_with_health = false;
};

class PeerCalls final : private PeerLinksOwner {
 public:
  static constexpr uint64_t kSilenceUs = 400'000;
  // Large messages of a node that has sent nothing of them for so long do not keep coming.
  static constexpr uint64_t kDeliveryPauseUs = 1'000'000;

  struct Parts {
    runtime::Loop& loop;
    runtime::Connector& connector;
    runtime::Random& random;
    PeerDirectory& directory;
  };
  struct Statistics {
    uint64_t asked = 0, answered = 0;  // by this node's questions
    uint64_t not_sent = 0, no_answer = 0;
    uint64_t served = 0;     // questions of others
    uint64_t malformed = 0;  // messages
    uint64_t late = 0;       // answers that nobody waited for any more
  };

  // The way back to who asked. To be used once, on the loop's thread, while the PeerCalls lives; a
  // question that is never answered ends at its caller's deadline.
  class Reply {
   public:
    void operator()(std::string_view body) const { calls_->answer(to_, id_, body); }
    // For what is large: calls `run`, which answers, when it delays little else; see PeerLinks.
    void when_free(std::move_only_function<void()> run) const {
      calls_->links_.when_free(to_, std::move(run));
    }
    // Who asked, and what answered_by() there needs.
    const object::NodeId& to() const { return to_; }
    uint64_t id() const { return id_; }

   private:
    friend class PeerCalls;
    Reply(PeerCalls& calls, const object::NodeId& to, uint64_t id)
        : calls_(&calls), to_(to), id_(id) {}
    PeerCalls* calls_;
    object::NodeId to_;
    uint64_t id_;
  };
  // `body` is valid until this returns.
  using Service =
      std::function<void(const object::NodeId& from, std::string_view body, Reply reply)>;
  using Answer = std::expected<std::string_view, CallFailure>;
  using Done = std::move_only_function<void(Answer)>;

  // REQUIRES: the parts outlive it.
  PeerCalls(Parts parts, PeerLinksSettings settings);
  ~PeerCalls() override;
  PeerCalls(const PeerCalls&) = delete;
  PeerCalls& operator=(const PeerCalls&) = delete;

  PeerLinks& links() { return links_; }
  // Before the first question can arrive. REQUIRES: nobody serves it yet.
  void serve(uint8_t service, Service handler);
  // `done` may be called before this returns, with not_sent.
  void call(const object::NodeId& to, uint8_t service, std::string_view body, Patience patience,
            Done done);
  // The answer of a node to the question of that id, by another way than its reply: all is as if
  // that had come. Dropped if nobody waits for it any more, or another node was asked.
  void answered_by(const object::NodeId& from, uint64_t id, std::string_view body);
  // The node has stopped being healthy: questions that wait for it only while it is have no_answer.
  void give_up_on(const object::NodeId& node);
  // At the end of each turn: one write for each node.
  void flush() { links_.flush(); }

  // Random, other than that of earlier lives.
  uint64_t life() const { return life_; }
  size_t open_calls() const { return open_.size(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  enum Type : uint8_t { question = 1, answered = 2, unknown = 3 };
  struct Open {
    object::NodeId to{};
    uint64_t deadline_us = 0;
    bool sent = false;  // or waiting for its connection
    bool ends_with_health = false;
    Done done;
  };

  // PeerLinksOwner
  std::optional<NodeAddress> address_of(const object::NodeId& node) override {
    return directory_.address_of(node);
  }
  runtime::Status judge(const PeerHello& peer) override { return directory_.judge(peer); }
  void on_message(const object::NodeId& from, uint8_t type, std::string_view body) override;
  void on_up(const object::NodeId& node) override;
  void on_down(const object::NodeId& node, const std::string& reason) override;

  void serve_question(const object::NodeId& from, uint64_t id, std::string_view rest);
  bool answers_for_another(const object::NodeId& from, uint64_t id);
  void answer(const object::NodeId& to, uint64_t id, std::string_view body);
  // `service`: the byte of a question, nothing of others.
  bool send(const object::NodeId& to, Type type, uint64_t id, std::string_view service,
            std::string_view body);
  void finish(uint64_t id, Answer result);
  void give_up_late_ones();
  void watch(uint64_t deadline_us);
  void watch_silence();
  void look_at_nodes();
  uint64_t put_off_until_us(const Open& open) const;

  runtime::Loop& loop_;
  PeerDirectory& directory_;
  std::array<Service, 256> services_;
  // In the order of asking. Numbers begin anywhere, so that an answer to an earlier life is not
  // taken for one to this.
  boost::unordered_flat_map<uint64_t, Open> open_;
  // What is known of a node that was asked or heard of. Open questions to one that stands still may
  // be hundreds of thousands: whether it is silent must not take a look at each.
  struct Asked {
    uint64_t heard_us = 0;    // the last message
    uint64_t waiting_us = 0;  // since when there are open ones, if there are
    size_t open = 0;
    uint64_t large_frame_bytes = 0;       // at the last look
    std::optional<uint64_t> delivers_us;  // when there were last more of them
  };
  boost::unordered_flat_map<object::NodeId, Asked, NodeIdHash> asked_;
  std::unique_ptr<runtime::Timer> silence_;  // while there are open ones
  const uint64_t life_;
  uint64_t next_id_ = life_;
  std::string head_;  // of a message that is being sent
  std::unique_ptr<runtime::Timer> timer_;
  uint64_t watched_us_ = UINT64_MAX;  // when it is due
  Statistics statistics_;
  PeerLinks links_;  // the first to go
};

}  // namespace quorate::cluster
