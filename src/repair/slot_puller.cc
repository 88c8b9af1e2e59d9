#include "quorate/repair/slot_puller.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "quorate/repair/slot_source.h"

namespace quorate::repair {

using cluster::PeerCalls;
using object::NodeId;

struct SlotPuller::Pull {
  uint16_t slot = 0;
  NodeId from{};
  Done done;
  unsigned attempts = 0;  // that broke since the last page
  uint64_t walk = 0;      // as in FetchQuestion
  Cursor next;
  object::CausalContext covers;
  bool damaged = false;
};

SlotPuller::SlotPuller(Parts parts, Settings settings)
    : loop_(parts.loop),
      calls_(parts.calls),
      bulk_(parts.bulk),
      store_(parts.store),
      actors_(parts.actors),
      access_(parts.access),
      settings_(settings) {}

SlotPuller::~SlotPuller() = default;

SlotPuller::Peer& SlotPuller::peer(const NodeId& id) {
  const auto at = std::ranges::find_if(peers_, [&](const auto& of) { return of->id == id; });
  if (at != peers_.end()) return **at;
  peers_.push_back(std::make_unique<Peer>());
  peers_.back()->id = id;
  return *peers_.back();
}

void SlotPuller::pull(uint16_t slot, const NodeId& from, Done done) {
  ++statistics_.asked;
  auto pull = std::make_shared<Pull>();
  pull->slot = slot;
  pull->from = from;
  pull->done = std::move(done);
  peer(from).waiting.push_back(std::move(pull));
}

// ---- comparing

void SlotPuller::end_turn() {
  // NOLINTNEXTLINE(modernize-loop-convert): what fails at once may ask another one
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer& with = *peers_[i];
    if (!with.waiting.empty() && !with.asked && with.retry == nullptr) compare(with);
  }
}

void SlotPuller::compare(Peer& with) {
  std::vector<PullRef> pulls;
  while (!with.waiting.empty() && pulls.size() < settings_.compared_slots) {
    pulls.push_back(std::move(with.waiting.front()));
    with.waiting.pop_front();
  }
  // A message names each slot once; who asked for one twice is told at the same time.
  std::ranges::stable_sort(pulls, {}, [](const PullRef& pull) { return pull->slot; });
  std::vector<SlotClock> clocks;
  for (const PullRef& pull : pulls) {
    if (!clocks.empty() && clocks.back().slot == pull->slot) continue;
    clocks.push_back({pull->slot, store_.clocks().clock(pull->slot)});
  }
  with.asked = true;
  calls_.call(with.id, SlotSource::kService, encode_compare(clocks, actors_),
              settings_.answer_timeout_us,
              [this, id = with.id, pulls = std::move(pulls)](PeerCalls::Answer answer) {
                compared(id, pulls, answer);
              });
}

void SlotPuller::compared(const NodeId& id, const std::vector<PullRef>& pulls,
                          PeerCalls::Answer answer) {
  Peer& with = peer(id);
  with.asked = false;
  size_t slots = 0;
  for (size_t i = 0; i < pulls.size(); ++i) {
    slots += i == 0 || pulls[i]->slot != pulls[i - 1]->slot ? 1 : 0;
  }
  const auto compared = answer ? decode_compared(*answer, slots) : std::nullopt;
  if (!compared) {
    ++statistics_.breaks;
    for (const PullRef& pull : pulls) {
      if (++pull->attempts > settings_.attempts_max) {
        finish(pull, runtime::fail("the other replica does not answer"));
      } else {
        with.waiting.push_back(pull);
      }
    }
    with.retry = loop_.start_timer(settings_.retry_us, 0, [this, id] {
      const auto timer = std::move(peer(id).retry);  // a turn ends, and asks again
    });
    return;
  }
  size_t at = 0;
  std::vector<PullRef> covered;
  for (size_t i = 0; i < pulls.size(); ++i) {
    if (i > 0 && pulls[i]->slot != pulls[i - 1]->slot) ++at;
    const bool more = (*compared)[at] == Compared::more;
    pulls[i]->attempts = 0;
    if (more) to_fetch_.push_back(pulls[i]);
    if (!more) covered.push_back(pulls[i]);
  }
  start_fetches();
  if (covered.empty()) return;
  // What came in this very turn is no promise yet.
  access_.after_journal([this, covered = std::move(covered)] {
    statistics_.covered += covered.size();
    for (const PullRef& pull : covered) finish(pull, {});
  });
}

// ---- fetching

void SlotPuller::start_fetches() {
  while (fetching_ < settings_.fetches && !to_fetch_.empty()) {
    const PullRef pull = std::move(to_fetch_.front());
    to_fetch_.pop_front();
    ++fetching_;
    fetch(pull);
  }
}

void SlotPuller::fetch(const PullRef& pull) {
  FetchQuestion question;
  question.slot = pull->slot;
  question.walk = pull->walk;
  question.from = pull->next;
  if (pull->walk == 0) question.clock = store_.clocks().clock(pull->slot);
  bulk_.call(pull->from, SlotSource::kService, encode_fetch(question, actors_),
             cluster::Patience::while_healthy(settings_.page_timeout_us),
             [this, pull](PeerCalls::Answer answer) { fetched(pull, answer); });
}

void SlotPuller::fetched(const PullRef& pull, PeerCalls::Answer answer) {
  if (!answer) return fetch_later(pull, "the other replica does not answer");
  auto page = decode_page(*answer);
  if (!page) return end_fetch(pull, runtime::fail("the other replica's answer cannot be read"));
  if (page->walk == 0) {  // it has begun another life
    pull->walk = 0;
    pull->damaged = false;
    return fetch_later(pull, "the other replica begins again and again");
  }
  ++statistics_.pages;
  statistics_.bytes += answer->size();
  if (pull->walk != 0) return apply(pull, *page, page->changes);
  std::string changes(page->changes);
  intern_covered(pull, *std::move(page), std::move(changes));
}

// The first page.
void SlotPuller::intern_covered(const PullRef& pull, FetchAnswer page, std::string changes) {
  auto actors = page.actors;
  access_.intern(std::move(actors), [this, pull, page = std::move(page),
                                     changes = std::move(changes)](const auto& handles) {
    if (!handles) return fetch_later(pull, "the other replica's actors cannot be saved");
    const std::vector<std::optional<object::ActorId>> all(handles->begin(), handles->end());
    pull->covers = translated(page.covers, all);
    pull->walk = page.walk;
    pull->next = {};
    apply(pull, page, changes);
  });
}

void SlotPuller::apply(const PullRef& pull, const FetchAnswer& page, std::string_view changes) {
  pull->damaged = pull->damaged || page.damaged;
  access_.apply(pull->from, changes,
                [this, pull, last = page.last, next = page.next](ReplicaAccess::Applied result) {
                  switch (result) {
                    case ReplicaAccess::Applied::yes:
                      return applied(pull, last, next);
                    case ReplicaAccess::Applied::malformed:
                      return end_fetch(pull,
                                       runtime::fail("the other replica's changes cannot be read"));
                    case ReplicaAccess::Applied::later:
                      break;
                  }
                  fetch_later(pull, "the other replica's changes cannot be applied");
                });
}

void SlotPuller::applied(const PullRef& pull, bool last, Cursor next) {
  pull->attempts = 0;
  pull->next = next;
  if (!last) return fetch(pull);
  if (pull->damaged) {
    return end_fetch(pull, runtime::fail("the other replica cannot read all of the slot"));
  }
  if (auto status = store_.adopt_clock(pull->slot, pull->covers); !status) {
    return end_fetch(pull, std::move(status));
  }
  access_.after_journal([this, pull] { end_fetch(pull, {}); });
}

void SlotPuller::fetch_later(const PullRef& pull, const char* why) {
  ++statistics_.breaks;
  if (++pull->attempts > settings_.attempts_max) return end_fetch(pull, runtime::fail(why));
  broken_.push_back(pull);
  if (retry_ != nullptr) return;
  retry_ = loop_.start_timer(settings_.retry_us, 0, [this] {
    const auto timer = std::move(retry_);
    for (const PullRef& broken : std::exchange(broken_, {})) fetch(broken);
  });
}

void SlotPuller::end_fetch(const PullRef& pull, runtime::Status status) {
  --fetching_;
  if (status) ++statistics_.fetched;
  finish(pull, std::move(status));
  start_fetches();
}

void SlotPuller::finish(const PullRef& pull, runtime::Status status) {
  if (!status) ++statistics_.failed;
  std::exchange(pull->done, nullptr)(std::move(status));
}

}  // namespace quorate::repair
