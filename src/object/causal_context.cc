#include "quorate/object/causal_context.h"

#include <algorithm>

namespace quorate::object {

namespace {

using Run = CausalContext::Run;

constexpr uint8_t kContextFormat = 1;
constexpr std::size_t kMinRunBytes = 3;

// The first run that ends at or after `dot`.
template <class Runs>
auto first_reaching(Runs& runs, Dot dot) {
  return std::partition_point(runs.begin(), runs.end(), [dot](const Run& run) {
    return run.actor < dot.actor || (run.actor == dot.actor && run.last < dot.n);
  });
}

bool starts_before(const Run& a, const Run& b) {
  return a.actor < b.actor || (a.actor == b.actor && a.first < b.first);
}

}  // namespace

CausalContext::CausalContext(const CausalContext& other) = default;
CausalContext::CausalContext(CausalContext&& other) noexcept = default;
CausalContext& CausalContext::operator=(const CausalContext& other) = default;
CausalContext& CausalContext::operator=(CausalContext&& other) noexcept = default;

void CausalContext::add_anywhere(Dot dot) {
  // The first run that holds the dot, or that it would lengthen, or that stands behind it.
  auto run = first_reaching(runs_, Dot{dot.actor, dot.n - 1});
  if (run == runs_.end() || run->actor != dot.actor || run->first > dot.n + 1) {
    runs_.insert(run, Run{dot.actor, dot.n, dot.n});
    return;
  }
  run->first = std::min(run->first, dot.n);
  run->last = std::max(run->last, dot.n);
  const auto next = run + 1;
  if (next != runs_.end() && next->actor == run->actor && next->first == run->last + 1) {
    run->last = next->last;
    runs_.erase(next);
  }
}

void CausalContext::add_run(const Run& run) {
  if (runs_.empty() || !starts_before(run, runs_.back())) return append(run);
  CausalContext one;
  one.runs_.push_back(run);
  join(one);
}

bool CausalContext::covers_anywhere(Dot dot) const {
  const auto run = first_reaching(runs_, dot);
  return run != runs_.end() && run->actor == dot.actor && run->first <= dot.n;
}

bool CausalContext::covers(const CausalContext& other) const {
  return std::all_of(other.runs_.begin(), other.runs_.end(), [this](const Run& wanted) {
    const auto run = first_reaching(runs_, Dot{wanted.actor, wanted.first});
    return run != runs_.end() && run->actor == wanted.actor && run->first <= wanted.first &&
           run->last >= wanted.last;
  });
}

// REQUIRES: `run` does not start before the last run.
void CausalContext::append(const Run& run) {
  if (!runs_.empty() && runs_.back().actor == run.actor && run.first <= runs_.back().last + 1) {
    runs_.back().last = std::max(runs_.back().last, run.last);
  } else {
    runs_.push_back(run);
  }
}

void CausalContext::join(const CausalContext& other) {
  if (covers(other)) return;
  if (runs_.empty()) {
    runs_ = other.runs_;
    return;
  }
  CausalContext joined;
  joined.runs_.reserve(runs_.size() + other.runs_.size());
  auto a = runs_.begin();
  auto b = other.runs_.begin();
  while (a != runs_.end() && b != other.runs_.end()) {
    joined.append(starts_before(*b, *a) ? *b++ : *a++);
  }
  for (; a != runs_.end(); ++a) joined.append(*a);
  for (; b != other.runs_.end(); ++b) joined.append(*b);
  runs_ = std::move(joined.runs_);
}

CausalContext CausalContext::without(const CausalContext& other) const {
  CausalContext rest;
  for (Run run : runs_) {
    auto cut = first_reaching(other.runs_, Dot{run.actor, run.first});
    for (; cut != other.runs_.end() && cut->actor == run.actor && cut->first <= run.last; ++cut) {
      if (cut->first > run.first) rest.runs_.push_back({run.actor, run.first, cut->first - 1});
      run.first = cut->last + 1;
    }
    if (run.first <= run.last) rest.runs_.push_back(run);
  }
  return rest;
}

uint64_t CausalContext::last(ActorId actor) const {
  const auto behind = std::partition_point(runs_.begin(), runs_.end(),
                                           [actor](const Run& run) { return run.actor <= actor; });
  if (behind == runs_.begin() || (behind - 1)->actor != actor) return 0;
  return (behind - 1)->last;
}

void CausalContext::write_to(ByteWriter& out) const {
  out.varint(runs_.size());
  const Run* before = nullptr;
  for (const Run& run : runs_) {
    // Runs of one actor are at least one missing dot apart: the smallest distance is written as 0.
    const bool same_actor = before != nullptr && before->actor == run.actor;
    out.varint(static_cast<uint64_t>(run.actor));
    out.varint(same_actor ? run.first - before->last - 2 : run.first - 1);
    out.varint(run.last - run.first);
    before = &run;
  }
}

CausalContext CausalContext::read_from(ByteReader& in) {
  CausalContext context;
  const uint64_t count = in.count(kMinRunBytes);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t actor = in.varint();
    const uint64_t distance = in.varint();
    const uint64_t length = in.varint();
    if (!in.ok() || actor > UINT32_MAX || distance >= Dot::kMaxN || length >= Dot::kMaxN) {
      in.reject();
      return {};
    }
    Run run{static_cast<ActorId>(actor), distance + 1, 0};
    if (!context.runs_.empty()) {
      const Run& before = context.runs_.back();
      if (before.actor > run.actor) in.reject();
      if (before.actor == run.actor) run.first = before.last + distance + 2;
    }
    run.last = run.first + length;
    if (!in.ok() || run.first > Dot::kMaxN || run.last > Dot::kMaxN) {
      in.reject();
      return {};
    }
    context.runs_.push_back(run);
  }
  return context;
}

void CausalContext::encode(std::string& out) const {
  ByteWriter writer(out);
  writer.byte(kContextFormat);
  write_to(writer);
}

runtime::Result<CausalContext> CausalContext::decode(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.byte() != kContextFormat) return runtime::fail("causal context: unknown format");
  CausalContext context = read_from(in);
  if (!in.finished()) return runtime::fail("causal context: malformed");
  return context;
}

}  // namespace quorate::object
