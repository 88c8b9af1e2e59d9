// The same context, delta or total in the handles of another table of actors.
//
// `handle_of(ActorId) -> std::optional<ActorId>` gives the new handle; distinct ones for distinct
// actors. Results are null if it gives none, or if a baseline is malformed.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "quorate/object/baseline.h"
#include "quorate/object/object.h"

namespace quorate::object {

template <class HandleOf>
std::optional<CausalContext> translated(const CausalContext& context, HandleOf& handle_of) {
  std::vector<CausalContext::Run> runs(context.runs().begin(), context.runs().end());
  for (CausalContext::Run& run : runs) {
    const std::optional<ActorId> handle = handle_of(run.actor);
    if (!handle) return std::nullopt;
    run.actor = *handle;
  }
  std::ranges::sort(runs, {}, [](const auto& run) { return Dot{run.actor, run.first}; });
  CausalContext result;
  for (const CausalContext::Run& run : runs) result.add_run(run);
  return result;
}

template <class HandleOf>
bool translate_totals(const Totals& totals, HandleOf& handle_of, Totals& result) {
  for (const ActorTotal& item : totals.items()) {
    const std::optional<ActorId> handle = handle_of(item.dot.actor);
    if (!handle) return false;
    result.raise({Dot{*handle, item.dot.n}, item.total});
  }
  return true;
}

template <class HandleOf>
bool translate_version(Version& version, HandleOf& handle_of) {
  const std::optional<ActorId> handle = handle_of(version.dot.actor);
  if (!handle) return false;
  version.dot.actor = *handle;
  if (version.baseline.empty()) return true;
  const auto baseline = Baseline::decode(version.baseline.view());
  Baseline result;
  if (!baseline || !translate_totals(baseline->erased, handle_of, result.erased) ||
      !translate_totals(baseline->absorbed, handle_of, result.absorbed)) {
    return false;
  }
  version.baseline = result.encode();
  return true;
}

template <class HandleOf>
std::optional<Delta> translated(Delta delta, HandleOf& handle_of) {
  auto dots = translated(delta.dots, handle_of);
  auto seen = translated(delta.change.seen, handle_of);
  if (!dots || !seen) return std::nullopt;
  delta.dots = *std::move(dots);
  delta.change.seen = *std::move(seen);
  for (Element& element : delta.change.elements) {
    for (Version& version : element.versions) {
      if (!translate_version(version, handle_of)) return std::nullopt;
    }
    std::ranges::sort(element.versions, {}, &Version::dot);
  }
  return delta;
}

}  // namespace quorate::object
