#include "quorate/repair/slot_messages.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "quorate/object/codec.h"
#include "quorate/object/key.h"

namespace quorate::repair {
namespace {

using object::Actor;
using object::ActorId;
using object::ByteReader;
using object::ByteWriter;
using object::CausalContext;

constexpr uint8_t kLast = 1, kDamaged = 2;
constexpr size_t kActorBytesMin = sizeof(object::NodeId) + 1;
constexpr size_t kSlotBytesMin = 2;

// Contexts are written behind the actors that they name, which are known only then.
class NamedWriter {
 public:
  explicit NamedWriter(const object::ActorTable& table) : table_(table) {}

  void context(const CausalContext& dots) {
    std::vector<CausalContext::Run> runs(dots.runs().begin(), dots.runs().end());
    for (auto& run : runs) run.actor = index_of(run.actor);
    std::ranges::sort(runs, {}, [](const auto& run) { return object::Dot{run.actor, run.first}; });
    CausalContext named;
    for (const auto& run : runs) named.add_run(run);
    named.write_to(out_);
  }
  ByteWriter& body() { return out_; }
  void finish(ByteWriter& out) const {
    out.varint(actors_.size());
    for (const ActorId handle : actors_) {
      const Actor* const actor = table_.actor(handle);
      assert(actor != nullptr);
      out.raw({reinterpret_cast<const char*>(actor->node.data()), actor->node.size()});
      out.varint(actor->epoch);
    }
    out.raw(bytes_);
  }

 private:
  ActorId index_of(ActorId handle) {
    const auto at = std::ranges::find(actors_, handle);
    const auto index = static_cast<uint32_t>(at - actors_.begin());
    if (at == actors_.end()) actors_.push_back(handle);
    return static_cast<ActorId>(index);
  }

  const object::ActorTable& table_;
  std::vector<ActorId> actors_;  // by index
  std::string bytes_;
  ByteWriter out_{bytes_};
};

std::vector<Actor> read_actors(ByteReader& in) {
  std::vector<Actor> actors;
  object::ActorTable distinct;
  for (uint64_t left = in.count(kActorBytesMin); left > 0 && in.ok(); --left) {
    Actor actor;
    const std::string_view node = in.raw(actor.node.size());
    const uint64_t epoch = in.varint();
    if (!in.ok() || epoch > UINT32_MAX) {
      in.reject();
      break;
    }
    std::memcpy(actor.node.data(), node.data(), node.size());
    actor.epoch = static_cast<uint32_t>(epoch);
    actors.push_back(actor);
    distinct.intern(actor);
    if (distinct.size() != actors.size()) in.reject();
  }
  return actors;
}

CausalContext read_context(ByteReader& in, const std::vector<Actor>& actors) {
  CausalContext context = CausalContext::read_from(in);
  for (const auto& run : context.runs()) {
    if (static_cast<size_t>(run.actor) >= actors.size()) in.reject();
  }
  return context;
}

uint16_t read_number(ByteReader& in, uint64_t below) {
  const uint64_t number = in.varint();
  if (number >= below) in.reject();
  return static_cast<uint16_t>(number);
}

Cursor read_cursor(ByteReader& in) {
  Cursor cursor;
  cursor.db = read_number(in, uint64_t{UINT16_MAX} + 1);
  cursor.hash = in.fixed64();
  return cursor;
}

void write_cursor(ByteWriter& out, const Cursor& cursor) {
  out.varint(cursor.db);
  out.fixed64(cursor.hash);
}

enum class Question : uint8_t { compare = 1, fetch = 2 };

bool is_question(ByteReader& in, Question question) {
  return in.byte() == static_cast<uint8_t>(question);
}

}  // namespace

// ---- compare

std::string encode_compare(const std::vector<SlotClock>& slots, const object::ActorTable& table) {
  NamedWriter named(table);
  named.body().varint(slots.size());
  for (const SlotClock& of : slots) {
    named.body().varint(of.slot);
    named.context(of.clock);
  }
  std::string body;
  ByteWriter out(body);
  out.byte(static_cast<uint8_t>(Question::compare));
  named.finish(out);
  return body;
}

std::optional<CompareQuestion> decode_compare(std::string_view body) {
  ByteReader in(body);
  if (!is_question(in, Question::compare)) return std::nullopt;
  CompareQuestion question;
  question.actors = read_actors(in);
  const uint64_t count = in.count(kSlotBytesMin);
  if (count > kComparedSlotsMax) return std::nullopt;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    SlotClock of;
    of.slot = read_number(in, object::kSlots);
    if (i > 0 && of.slot <= question.slots.back().slot) in.reject();
    of.clock = read_context(in, question.actors);
    question.slots.push_back(std::move(of));
  }
  if (!in.finished()) return std::nullopt;
  return question;
}

std::string encode_compared(const std::vector<Compared>& slots) {
  std::string body;
  ByteWriter out(body);
  for (const Compared slot : slots) out.byte(static_cast<uint8_t>(slot));
  return body;
}

std::optional<std::vector<Compared>> decode_compared(std::string_view body, size_t slots) {
  if (body.size() != slots) return std::nullopt;
  std::vector<Compared> compared;
  for (const char byte : body) {
    compared.push_back(static_cast<Compared>(byte));
    if (compared.back() > Compared::more) return std::nullopt;
  }
  return compared;
}

// ---- fetch

std::string encode_fetch(const FetchQuestion& question, const object::ActorTable& table) {
  std::string body;
  ByteWriter out(body);
  out.byte(static_cast<uint8_t>(Question::fetch));
  out.varint(question.slot);
  out.fixed64(question.walk);
  if (question.walk != 0) {
    write_cursor(out, question.from);
    return body;
  }
  NamedWriter named(table);
  named.context(question.clock);
  named.finish(out);
  return body;
}

std::optional<FetchQuestion> decode_fetch(std::string_view body) {
  ByteReader in(body);
  if (!is_question(in, Question::fetch)) return std::nullopt;
  FetchQuestion question;
  question.slot = read_number(in, object::kSlots);
  question.walk = in.fixed64();
  if (question.walk != 0) {
    question.from = read_cursor(in);
  } else {
    question.actors = read_actors(in);
    question.clock = read_context(in, question.actors);
  }
  if (!in.finished()) return std::nullopt;
  return question;
}

std::string encode_page(const FetchAnswer& answer, const object::ActorTable& table) {
  std::string body;
  ByteWriter out(body);
  out.fixed64(answer.walk);
  if (answer.walk == 0) return body;
  out.byte(static_cast<uint8_t>((answer.last ? kLast : 0) | (answer.damaged ? kDamaged : 0)));
  if (!answer.last) write_cursor(out, answer.next);
  NamedWriter named(table);
  named.context(answer.covers);
  named.finish(out);
  out.raw(answer.changes);
  return body;
}

std::optional<FetchAnswer> decode_page(std::string_view body) {
  ByteReader in(body);
  FetchAnswer answer;
  answer.walk = in.fixed64();
  if (answer.walk == 0) return in.finished() ? std::optional(answer) : std::nullopt;
  const uint8_t flags = in.byte();
  if ((flags & ~(kLast | kDamaged)) != 0) in.reject();
  answer.last = (flags & kLast) != 0;
  answer.damaged = (flags & kDamaged) != 0;
  if (!answer.last) answer.next = read_cursor(in);
  answer.actors = read_actors(in);
  answer.covers = read_context(in, answer.actors);
  answer.changes = in.raw(in.remaining());
  if (!in.ok()) return std::nullopt;
  return answer;
}

// ---- actors

CausalContext translated(const CausalContext& context,
                         std::span<const std::optional<ActorId>> handles) {
  std::vector<CausalContext::Run> runs;
  for (auto run : context.runs()) {
    const auto& handle = handles[static_cast<size_t>(run.actor)];
    if (!handle) continue;
    run.actor = *handle;
    runs.push_back(run);
  }
  std::ranges::sort(runs, {}, [](const auto& run) { return object::Dot{run.actor, run.first}; });
  CausalContext result;
  for (const auto& run : runs) result.add_run(run);
  return result;
}

std::vector<std::optional<ActorId>> handles_of(std::span<const Actor> actors,
                                               const object::ActorTable& table) {
  std::vector<std::optional<ActorId>> handles;
  for (const Actor& actor : actors) handles.push_back(table.find(actor));
  return handles;
}

}  // namespace quorate::repair
