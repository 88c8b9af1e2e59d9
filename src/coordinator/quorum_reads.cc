#include "quorate/coordinator/quorum_reads.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <utility>

#include "quorate/object/codec.h"
#include "quorate/object/object.h"
#include "quorate/runtime/mutants.h"
#include "quorate/storage/stored_object.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using object::NodeId;
using Verdict = Replicator::Verdict;

// `later`: it differs, and what is there did not fit into this answer.
enum class Compared : uint8_t { same = 0, differs = 1, later = 2 };
// Of the same byte: who answers is behind.
constexpr uint8_t kBehind = 0x80;

// A key that changes faster than replicas can be asked about it.
constexpr unsigned kAttemptsMax = 64;
// When nothing was late lately, and when something was.
constexpr uint64_t kHedgeTimerUs = 20'000, kHedgeTimerLatelyUs = 4'000;
constexpr uint64_t kLatelyUs = 1'000'000;
constexpr uint64_t kAskAgainUs = 20'000;

bool is_healthy(const ClusterView& view, const NodeId& id) {
  const ClusterView::Place place = view.find(id);
  return place != ClusterView::kNobody && view.member(place).healthy();
}

}  // namespace

struct QuorumReads::Check {
  object::Key key;
  unsigned quorum = 0;  // R
  ShardCoordinator::Run done;
  uint64_t digest = 0;   // what the others are asked about
  unsigned missing = 0;  // of their answers
  unsigned open = 0;     // questions that may still bring one
  unsigned besides = 0;  // of those missing, more than a quorum needs
  boost::container::small_vector<ClusterView::Place, 4> candidates;
  size_t next = 0;  // of them
  std::shared_ptr<const ClusterView> view;
  unsigned attempts = 0;
  bool differed = false;
  bool waits() const { return done && missing > 0; }  // for an answer
  // Who has taken in what is here, and what that was: who shows nothing even so has removed it.
  boost::container::small_vector<std::pair<NodeId, uint64_t>, 2> offered;
};

QuorumReads::QuorumReads(Parts parts, QuorumReadSettings settings)
    : calls_(parts.calls),
      coordinator_(parts.coordinator),
      replicator_(parts.replicator),
      actors_(parts.actors),
      catch_up_(parts.catch_up),
      digests_(parts.replicator.digests()),
      settings_(settings),
      answer_times_(settings.hedging) {
  calls_.serve(kService, [this](const NodeId&, std::string_view body,
                                cluster::PeerCalls::Reply reply) { serve(body, reply); });
}

QuorumReads::~QuorumReads() = default;

void QuorumReads::set_view(std::shared_ptr<const ClusterView> view) {
  view_ = std::move(view);
  answer_times_.keep([this](const NodeId& id) { return is_healthy(*view_, id); });
}

// ---- asking

void QuorumReads::check(const object::Key& key, unsigned read_quorum, ShardCoordinator::Run done) {
  ++statistics_.checks;
  if (view_ == nullptr || view_->alone()) return done({});
  if (read_quorum <= 1 && !catch_up_.behind() && !view_->handing_over()) return done({});
  auto check = std::make_shared<Check>();
  check->key = key;
  check->quorum = read_quorum;
  check->done = std::move(done);
  begin(check);
}

void QuorumReads::begin(const CheckRef& check) {
  check->view = view_;
  check->digest = digests_.of(check->key);
  // What replicas disagreed on must come to be what a write quorum has.
  const uint16_t slot = check->key.slot;
  const bool both = check->differed || view_->handing_over();
  const auto list = both ? view_->replicas(slot) : view_->preference_list(slot);
  const auto all = static_cast<unsigned>(list.size());
  unsigned quorum = check->quorum;
  if (check->differed) quorum = std::max(quorum, view_->quorum().write);
  if (both) quorum = any_of_both(slot, quorum);
  check->missing = std::min(quorum, all) - 1;
  check->candidates.clear();
  check->next = 0;
  const ClusterView::Place first = view_->coordinator(check->key.slot);
  if (first != view_->self() && first != ClusterView::kNobody) check->candidates.push_back(first);
  for (const bool healthy : {true, false}) {
    for (const ClusterView::Place place : list) {
      if (place == view_->self() || place == first) continue;
      if (view_->member(place).healthy() == healthy) check->candidates.push_back(place);
    }
  }
  if (catch_up_.behind()) {
    const auto well = static_cast<unsigned>(std::ranges::count_if(
        check->candidates,
        [this](ClusterView::Place place) { return view_->member(place).healthy(); }));
    check->besides = well - std::min(well, check->missing);
    check->missing += check->besides;
    if (check->besides != 0) ++statistics_.asked_besides;
  }
  if (check->missing == 0) return agreed(check);
  for (unsigned i = check->missing; i > 0; --i) {
    if (!ask_next(check)) return fail(check);
  }
}

// So many of the slot's replicas, whichever they are, that a quorum of either ring is among them.
unsigned QuorumReads::any_of_both(uint16_t slot, unsigned quorum) const {
  const unsigned copies = view_->quorum().replicas;
  const auto all = static_cast<unsigned>(view_->replicas(slot).size());
  return all - (copies - std::min(quorum, copies));
}

// Whether whoever has what two replicas have has what a write quorum has.
bool QuorumReads::two_are_enough(uint16_t slot) const {
  return view_->quorum().write <= 2 && view_->other_list(slot).empty();
}

bool QuorumReads::ask_next(const CheckRef& check) {
  if (check->next == check->candidates.size()) return false;
  const NodeId& to = check->view->member(check->candidates[check->next++]).id;
  auto at = std::ranges::find_if(batches_, [&](const auto& batch) { return batch->to == to; });
  if (at == batches_.end()) at = batches_.insert(at, std::make_shared<Batch>(to));
  (*at)->checks.push_back(check);
  ++check->open;
  return true;
}

bool QuorumReads::next_is_healthy(const Check& check) const {
  return check.next < check.candidates.size() &&
         is_healthy(*view_, check.view->member(check.candidates[check.next]).id);
}

// The one whose answer comes next is behind.
void QuorumReads::ask_besides(const CheckRef& check) {
  if (!check->waits() || !next_is_healthy(*check)) return;
  ask_next(check);
  ++check->missing;
  ++check->besides;
  ++statistics_.asked_besides;
}

void QuorumReads::end_turn() {
  if (!under_way_.empty()) hedge_late_ones();
  // Who cannot be reached is replaced at once.
  while (!batches_.empty()) {
    for (const BatchRef& batch : std::exchange(batches_, {})) send(batch);
  }
}

void QuorumReads::send(const BatchRef& batch) {
  std::string body;
  object::ByteWriter out(body);
  for (const CheckRef& check : batch->checks) {
    out.varint(check->key.db);
    out.sized(check->key.name);
    out.fixed64(check->digest);
  }
  batch->asked_us = coordinator_.loop().clock().monotonic_us();
  calls_.call(batch->to, kService, body,
              cluster::Patience::while_healthy(settings_.answer_timeout_us),
              [this, batch](cluster::PeerCalls::Answer answer) { answered(*batch, answer); });
  if (batch->checks.empty()) return;
  under_way_.push_back(batch);
  watch();
}

// A busy shard looks at the end of its turns. The timer is for one that has none: to wait with a
// time that is nearer than the kernel's next tick costs each wait half a microsecond and more.
void QuorumReads::watch() {
  if (hedge_ != nullptr || under_way_.empty()) return;
  const uint64_t now = coordinator_.loop().clock().monotonic_us();
  const bool lately = hedged_us_ != 0 && now < hedged_us_ + kLatelyUs;
  const uint64_t delay_us =
      std::max(lately ? kHedgeTimerLatelyUs : kHedgeTimerUs, answer_times_.hedge_delay_us());
  hedge_ = coordinator_.loop().start_timer(delay_us, 0, [this] {
    const auto timer = std::move(hedge_);
    hedge_late_ones();
    watch();
  });
}

// Most are answered by the time they are looked at.
void QuorumReads::hedge_late_ones() {
  const uint64_t now = coordinator_.loop().clock().monotonic_us();
  const uint64_t delay_us = answer_times_.hedge_delay_us();
  for (; !under_way_.empty(); under_way_.pop_front()) {
    const Batch& oldest = *under_way_.front();
    if (oldest.checks.empty()) continue;
    if (now < oldest.asked_us + delay_us) return;
    hedge(oldest);
  }
}

void QuorumReads::hedge(const Batch& batch) {
  for (const CheckRef& check : batch.checks) {
    if (!check->waits() || !next_is_healthy(*check)) continue;
    ask_next(check);
    hedged_us_ = coordinator_.loop().clock().monotonic_us();
    ++statistics_.hedged;
  }
}

void QuorumReads::answered(Batch& batch, cluster::PeerCalls::Answer answer) {
  const std::vector<CheckRef> checks = std::exchange(batch.checks, {});
  object::ByteReader in(answer ? *answer : std::string_view());
  if (answer) {
    const uint64_t took_us = coordinator_.loop().clock().monotonic_us() - batch.asked_us;
    latency_.record(took_us, checks.size());
    answer_times_.record(batch.to, took_us);
  }
  std::vector<std::pair<CheckRef, uint64_t>> differing;
  for (size_t i = 0; i < checks.size(); ++i) {
    const CheckRef& check = checks[i];
    coordinator_.store().prefetch_ahead(i, checks.size(), storage::ShardStore::For::look_up,
                                        [&](size_t j) -> const auto& { return checks[j]->key; });
    const uint8_t said = in.byte();
    const auto compared = static_cast<Compared>(said & ~kBehind);
    const uint64_t theirs = compared == Compared::differs ? in.fixed64() : 0;
    if (in.ok() && (said & kBehind) != 0) ask_besides(check);
    if (!in.ok()) {
      no_answer(check);
    } else if (compared == Compared::same) {
      ++statistics_.same;
      one_agrees(check);
    } else if (compared == Compared::later) {
      restart(check);
    } else {
      differing.emplace_back(check, theirs);
    }
  }
  if (differing.empty()) return;
  const std::string_view states = answer->substr(answer->size() - in.remaining());
  replicator_.take(batch.to, states,
                   [this, from = batch.to, differing = std::move(differing)](Verdict verdict) {
                     for (const auto& [check, theirs] : differing) {
                       if (verdict == Verdict::applied) {
                         compare_again(from, check, theirs);
                       } else {
                         no_answer(check);
                       }
                     }
                   });
}

void QuorumReads::no_answer(const CheckRef& check) {
  if (!check->waits()) return;
  --check->open;
  if (ask_next(check) || check->open >= check->missing) return;
  check->besides != 0 ? restart_later(check) : fail(check);
}

void QuorumReads::one_agrees(const CheckRef& check) {
  if (!check->waits()) return;
  --check->open;
  if (--check->missing == 0) agreed(check);
}

// What the other one has is merged here. Has it all that is here?
void QuorumReads::compare_again(const NodeId& from, const CheckRef& check, uint64_t theirs) {
  if (!check->done) return;
  coordinator_.when_ready(check->key, [this, from, check, theirs](const runtime::Status& status) {
    if (!status) return fail(check);
    ++statistics_.repaired_here;
    check->differed = true;
    const bool spared = runtime::mutant(runtime::Mutant::write_back_removed);
    const uint64_t ours = digests_.of(check->key);
    if (spared || ours == theirs) return settle_difference(check);
    // Nothing of the key is there. Was it never, or was it flushed?
    const bool missing = theirs == 0;
    if (missing && std::ranges::count(check->offered, std::pair(from, ours)) != 0) {
      return forget(check);
    }
    const bool shown = storage::is_visible(coordinator_.store().find(check->key));
    const std::string body = state_of(check->key);
    if (body.empty()) return settle_difference(check);
    ++statistics_.repaired_there;
    replicator_.push(from, body, [this, from, check, ours, missing, shown](bool applied) {
      if (!applied) return no_answer(check);
      if (missing) check->offered.emplace_back(from, ours);
      if (missing && shown) return restart(check);
      settle_difference(check);
    });
  });
}

// What brings another replica's key up to this one's, as a batch. Of a key that is absent only
// flushes can say that it was removed.
std::string QuorumReads::state_of(const object::Key& key) const {
  const storage::ShardStore& store = coordinator_.store();
  std::string scratch, batch;
  auto change = store.state_of(key, scratch);
  if (!change) change = store.flushes_of(key.slot, key.db, scratch);
  if (!change) return batch;
  object::ChangeWriter writer(actors_);
  writer.add(*change);
  writer.finish(batch);
  return batch;
}

// Removes what is shown of the key, because a replica that has seen all of it shows nothing: a
// flush that has not come here yet.
void QuorumReads::forget(const CheckRef& check) {
  const storage::Entry* const entry = coordinator_.store().find(check->key);
  if (!storage::is_visible(entry)) return one_agrees(check);
  std::string scratch;
  auto change = coordinator_.store().state_of(check->key, scratch);
  auto removal = object::Delta::decode(scratch);
  if (!removal) return fail(check);
  removal->change.elements.clear();
  removal->change.seen = removal->dots;
  scratch.clear();
  removal->encode(scratch);
  change->payload = scratch;
  if (!coordinator_.store().apply(*change)) return fail(check);
  settle_difference(check);
}

// The one that differed has what is here. Enough, if only one was to be asked and W is two; else
// all are asked again.
void QuorumReads::settle_difference(const CheckRef& check) {
  if (!check->done) return;
  coordinator_.when_ready(check->key, [this, check](const runtime::Status& status) {
    if (!status) return fail(check);
    const bool enough =
        check->missing == 1 && check->quorum <= 2 && two_are_enough(check->key.slot);
    if (enough) check->digest = digests_.of(check->key);
    if (enough) return one_agrees(check);
    restart(check);
  });
}

void QuorumReads::restart(const CheckRef& check) {
  if (!check->done) return;
  if (++check->attempts > kAttemptsMax) return fail(check);
  // Answers still under way are about another digest: they must not count.
  auto again = std::make_shared<Check>();
  again->key = check->key;
  again->quorum = check->quorum;
  again->attempts = check->attempts;
  again->differed = check->differed;
  again->offered = std::move(check->offered);
  again->done = std::exchange(check->done, nullptr);
  begin(again);
}

// Whom it was well to ask besides is not well any more, or does not know this node yet: soon one of
// them learns so.
void QuorumReads::restart_later(const CheckRef& check) {
  later_.push_back(check);
  if (ask_again_ != nullptr) return;
  ask_again_ = coordinator_.loop().start_timer(kAskAgainUs, 0, [this] {
    const auto timer = std::move(ask_again_);
    for (const CheckRef& due : std::exchange(later_, {})) restart(due);
  });
}

void QuorumReads::agreed(const CheckRef& check) {
  if (!check->done) return;
  if (coordinator_.ready({&check->key, 1})) return agreed_and_ready(check);
  coordinator_.when_ready(check->key, [this, check](const runtime::Status& status) {
    if (!check->done) return;
    status ? agreed_and_ready(check) : fail(check);
  });
}

// What has come meanwhile was made here, and will be answered for when it has its copies, or is
// where it came from as well: two have it.
void QuorumReads::agreed_and_ready(const CheckRef& check) {
  if (!two_are_enough(check->key.slot) && digests_.of(check->key) != check->digest) {
    check->differed = true;
    return restart(check);
  }
  finish(check, {});
}

void QuorumReads::fail(const CheckRef& check) {
  if (!check->done) return;
  ++statistics_.failed;
  finish(check, runtime::fail("NOQUORUM not enough replicas of the key answer: " +
                              std::to_string(check->quorum) + " are needed to read it"));
}

void QuorumReads::finish(const CheckRef& check, const runtime::Status& status) {
  ShardCoordinator::Run done = std::exchange(check->done, nullptr);
  done(status);
}

// ---- answering

// One message of questions, until all keys have been looked at.
class QuorumReads::Serving : public std::enable_shared_from_this<Serving> {
 public:
  Serving(QuorumReads& reads, std::string_view body, cluster::PeerCalls::Reply reply)
      : reads_(reads), body_(body), reply_(reply), states_(reads.actors_) {}

  void start() {
    object::ByteReader in(body_);
    const auto& shape = store().shape();
    while (in.ok() && in.remaining() > 0) {
      const uint64_t db = in.varint();
      const std::string_view name = in.sized();
      const uint64_t digest = in.fixed64();
      if (!in.ok() || db >= shape.databases) return;  // its deadline tells the asker
      const auto key = object::Key::of(name, static_cast<uint16_t>(db), shape.hash_seed);
      if (!shape.owns(key.slot)) return;
      questions_.push_back({key, digest});
    }
    if (!in.ok()) return;
    missing_ = questions_.size() + 1;
    for (size_t i = 0; i < questions_.size(); ++i) {
      store().prefetch_ahead(i, questions_.size(), storage::ShardStore::For::look_up,
                             [this](size_t j) -> const auto& { return questions_[j].key; });
      look(i);
    }
    one_done();
  }

 private:
  struct Question {
    object::Key key;
    uint64_t digest = 0, ours = 0;
    bool later = false;
  };

  storage::ShardStore& store() { return reads_.coordinator_.store(); }

  void look(size_t i) {
    const object::Key& key = questions_[i].key;
    if (reads_.coordinator_.ready({&key, 1})) return looked(i, true);
    reads_.coordinator_.when_ready(key,
                                   [self = shared_from_this(), i](const runtime::Status& status) {
                                     self->looked(i, status.has_value());
                                   });
  }
  void looked(size_t i, bool at_hand) {
    Question& question = questions_[i];
    failed_ = failed_ || !at_hand;
    if (at_hand) {
      question.ours = reads_.digests_.of(question.key);
      question.later =
          question.ours != question.digest && states_.bytes() > reads_.settings_.states_bytes_max;
      if (question.ours != question.digest && !question.later) {
        std::string scratch;
        if (const auto state = store().state_of(question.key, scratch)) states_.add(*state);
      }
    }
    one_done();
  }
  void one_done() {
    if (--missing_ != 0 || failed_) return;
    // "The same" is a promise to have it.
    reads_.coordinator_.after_journal([self = shared_from_this()] { self->answer(); });
  }
  void answer() {
    std::string body;
    object::ByteWriter out(body);
    for (const Question& question : questions_) {
      const bool same = question.ours == question.digest;
      const Compared differs = question.later ? Compared::later : Compared::differs;
      const auto compared = static_cast<uint8_t>(same ? Compared::same : differs);
      out.byte(compared | (reads_.catch_up_.behind() ? kBehind : 0));
      if (!same && !question.later) out.fixed64(question.ours);
    }
    states_.finish(body);
    reply_(body);
  }

  QuorumReads& reads_;
  const std::string body_;
  cluster::PeerCalls::Reply reply_;
  std::vector<Question> questions_;
  object::ChangeWriter states_;
  size_t missing_ = 0;
  bool failed_ = false;
};

void QuorumReads::serve(std::string_view body, cluster::PeerCalls::Reply reply) {
  std::make_shared<Serving>(*this, body, reply)->start();
}

}  // namespace quorate::coordinator
