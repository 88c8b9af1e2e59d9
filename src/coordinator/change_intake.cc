#include "coordinator/change_intake.h"

#include <optional>
#include <spdlog/spdlog.h>
#include <utility>
#include <vector>

#include "quorate/runtime/mutants.h"

#include "coordinator/change_chunk.h"

namespace quorate::coordinator {

// A change that outlives its batch's reading.
struct ChangeIntake::Kept {
  std::string key, payload;
  std::vector<object::Dot> superseded;
  object::Change change;

  explicit Kept(const object::Change& of)
      : key(of.key),
        payload(of.payload),
        superseded(of.superseded.begin(), of.superseded.end()),
        change(of) {
    change.key = key;
    change.payload = payload;
    change.superseded = superseded;
  }
};

struct ChangeIntake::Flush {
  object::NodeId from{};
  std::shared_ptr<Kept> kept;
  ShardCoordinator::Run done;
};

// One batch, until all of it is applied.
class ChangeIntake::Batch : public std::enable_shared_from_this<Batch> {
 public:
  Batch(ChangeIntake& intake, const object::NodeId& from, std::string_view body,
        Replicator::Taken done)
      : intake_(intake), from_(from), body_(body), done_(std::move(done)) {}

  void start() {
    auto reader = object::ChangeReader::open(body_);
    if (!reader) return refuse(reader.error().message);
    reader_.emplace(std::move(*reader));
    intake_.directory_.intern(
        reader_->actors(),
        [self = shared_from_this()](const runtime::Result<std::vector<object::ActorId>>& handles) {
          self->interned_ = true;
          if (!handles) return self->end(Verdict::later);
          self->apply_all(*handles);
        });
    if (!interned_) keep_body();
  }

 private:
  // It is read later, for once.
  void keep_body() {
    kept_body_ = body_;
    reader_.emplace(std::move(*object::ChangeReader::open(kept_body_)));
  }

  void apply_all(std::span<const object::ActorId> handles) {
    const auto& shape = intake_.store().shape();
    missing_ = 1;
    ChangeChunk& chunk = *intake_.chunk_;
    chunk.clear();
    object::Change change;
    for (;;) {
      const auto more = reader_->next(handles, change);
      if (!more) return refuse(more.error().message);
      if (!*more) break;
      if (!shape.owns(change.slot) || change.db >= shape.databases) {
        return refuse("it is of a slot or database that is not here");
      }
      const bool takes = ChangeChunk::takes(change);
      if (takes) chunk.add(change, key_of(change));
      if (!takes || chunk.full()) take_all(chunk);
      if (object::is_flush(change.kind)) {
        take_flush(change);
      } else if (!takes) {
        take(change, key_of(change));
      }
    }
    take_all(chunk);
    one_done({});
  }

  void take_all(ChangeChunk& chunk) {
    chunk.prefetch(intake_.store());
    for (const auto& item : chunk.items()) take(item.change, item.key);
    chunk.clear();
  }

  void take(const object::Change& change, const object::Key& key) {
    ShardCoordinator& coordinator = intake_.coordinator_;
    if (coordinator.ready({&key, 1})) return note(apply(change, key));
    ++missing_;
    auto kept = std::make_shared<Kept>(change);
    coordinator.when_ready(
        key_of(kept->change), [self = shared_from_this(), kept](const runtime::Status& status) {
          const object::Change& change = kept->change;
          self->one_done(status ? self->apply(change, self->key_of(change)) : status);
        });
  }

  runtime::Status apply(const object::Change& change, const object::Key& key) {
    if (change.expected && !runtime::mutant(runtime::Mutant::anything_expected)) {
      as_expected_ = as_expected_ && intake_.digests_.of_versions(key) == *change.expected;
    }
    return intake_.apply(from_, change, key.hash);
  }

  void take_flush(const object::Change& change) {
    if (!intake_.store().flush_needs_keys(change)) return note(intake_.apply(from_, change, 0));
    ++missing_;
    intake_.queue_flush(
        {from_, std::make_shared<Kept>(change),
         [self = shared_from_this()](const runtime::Status& status) { self->one_done(status); }});
  }

  object::Key key_of(const object::Change& change) {
    const uint64_t seed = intake_.store().shape().hash_seed;
    return {change.key, object::key_hash(change.key, seed), change.slot, change.db};
  }

  void note(const runtime::Status& status) {
    if (!status && status_) status_ = status;
  }
  void one_done(const runtime::Status& status) {
    note(status);
    if (--missing_ != 0) return;
    if (!status_) return end(Verdict::later);
    intake_.coordinator_.after_journal([self = shared_from_this()] {
      self->end(self->as_expected_ ? Verdict::applied : Verdict::unexpected);
    });
  }

  void refuse(const std::string& why) {
    ++intake_.refused_;
    spdlog::warn("Changes from another node cannot be applied: {}", why);
    end(Verdict::malformed);
  }
  void end(Verdict verdict) {
    if (done_) std::exchange(done_, nullptr)(verdict);
  }

  ChangeIntake& intake_;
  const object::NodeId from_;
  const std::string_view body_;  // until start() returns
  std::string kept_body_;
  bool interned_ = false;
  Replicator::Taken done_;
  std::optional<object::ChangeReader> reader_;
  runtime::Status status_;
  size_t missing_ = 0;
  bool as_expected_ = true;
};

ChangeIntake::ChangeIntake(ShardCoordinator& coordinator, ActorDirectory& directory,
                           const KeyDigests& digests, Applied applied)
    : coordinator_(coordinator),
      directory_(directory),
      digests_(digests),
      applied_(std::move(applied)),
      chunk_(std::make_unique<ChangeChunk>()) {}

ChangeIntake::~ChangeIntake() = default;

void ChangeIntake::take(const object::NodeId& from, std::string_view batch,
                        Replicator::Taken done) {
  std::make_shared<Batch>(*this, from, batch, std::move(done))->start();
}

runtime::Status ChangeIntake::apply(const object::NodeId& from, const object::Change& change,
                                    uint64_t hash, bool all_loaded) {
  auto status = store().apply(change, all_loaded);
  if (status) applied_(change, hash, from);
  return status;
}

void ChangeIntake::queue_flush(Flush flush) {
  flushes_.push_back(std::make_unique<Flush>(std::move(flush)));
  if (!std::exchange(flushing_, true)) next_flush();
}

void ChangeIntake::next_flush() {
  store().pin(flushes_.front()->kept->change.slot);
  load_for_flush(0);
}

void ChangeIntake::load_for_flush(uint64_t from) {
  const object::Change& flush = flushes_.front()->kept->change;
  store().load_portion(flush.slot, flush.db, from, [this](const auto& portion) {
    if (!portion) return flush_loaded(std::unexpected(portion.error()));
    if (portion->end) return load_for_flush(*portion->end);
    flush_loaded({});
  });
}

void ChangeIntake::flush_loaded(const runtime::Status& status) {
  const std::unique_ptr<Flush> flush = std::move(flushes_.front());
  const object::Change& change = flush->kept->change;
  // What is not in memory now cannot be read.
  runtime::Status applied = status ? apply(flush->from, change, 0, true) : status;
  store().unpin(change.slot);
  flush->done(std::move(applied));
  flushes_.pop_front();
  // In a turn of its own: what came into memory for this one may leave before more comes.
  flushing_ = !flushes_.empty();
  if (flushing_) coordinator_.loop().post([this] { next_flush(); });
}

}  // namespace quorate::coordinator
