#include "redis/turn_input.h"

#include <cassert>

#include "quorate/redis/session.h"

namespace quorate::redis {
namespace {

// Large reads: a pipelining client's requests arrive, and are prefetched, many at a time (DESIGN
// 3). But one connection's are not much of a turn, for which all others wait.
constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kSpaceBytes = 4 * kReadBytes;

}  // namespace

TurnInput::TurnInput(const storage::ShardStore& store) : store_(store), space_(kSpaceBytes) {}

std::span<char> TurnInput::read_space() {
  if (space_.size() - used_ < kReadBytes) run();
  return std::span(space_).subspan(used_, kReadBytes);
}

void TurnInput::add(Session& session, size_t bytes) {
  assert(!running_);
  const std::string_view input(space_.data() + used_, bytes);
  used_ += bytes;
  const size_t first = batch_.size();
  const size_t parsed = session.parse_requests(input, batch_);
  parts_.push_back({&session, input, first, batch_.size(), parsed, 0});
  if (batch_.full()) run();
}

void TurnInput::run() {
  if (parts_.empty() || running_) return;
  running_ = true;
  prefetch_entries();
  for (Part& part : parts_) {
    part.done = part.session->run_requests(batch_, part.first_item, part.end_item, part.parsed);
  }
  batch_.clear();
  for (const Part& part : parts_) part.session->finish_read(part.input.substr(part.done));
  parts_.clear();
  used_ = 0;
  running_ = false;
}

void TurnInput::prefetch_entries() const {
  if (batch_.keys().size() < 2) return;  // nothing to overlap with
  if (store_.replicated()) return;       // as in Session::parse_requests()
  for (const object::Key& key : batch_.keys()) {
    if (store_.shape().owns(key.slot)) store_.prefetch_entry(key);
  }
}

RequestBatch& TurnInput::batch() {
  run();
  assert(batch_.size() == 0);
  return batch_;
}

}  // namespace quorate::redis
