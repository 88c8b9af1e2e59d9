#include "quorate/redis/session.h"

#include <algorithm>
#include <cassert>
#include <spdlog/spdlog.h>
#include <utility>

#include "redis/cluster_batch.h"
#include "redis/forwarded_batch.h"
#include "redis/gathered_request.h"
#include "redis/request_checks.h"
#include "redis/turn_input.h"

namespace quorate::redis {
namespace {

constexpr size_t kReadBytesMin = 16 * 1024;
// A connection that is held up stops being read once so much waits to be run.
constexpr size_t kBlockedInputBytesMax = 1 << 20;
// Replies that may be waited for, each with its request: the next one waits for all of them.
constexpr size_t kPendingMax = 4096;
// Of input that was waiting, what is run in one turn.
constexpr size_t kWaitingBytesPerTurn = 64 * 1024;
// After so long a turn the rest of what was read waits for the next: others want to be answered.
constexpr uint64_t kLongTurnUs = 4000;

}  // namespace

Session::Session(ShardEngine& engine, std::unique_ptr<runtime::Stream> stream, uint64_t client_id)
    : engine_(engine), stream_(std::move(stream)), forwarded_(engine.shards()) {
  client_.id = client_id;
  client_.peer_address = stream_->peer_address();
  client_.local_address = stream_->local_address();
  client_.connected_ms = client_.last_command_ms = engine.loop().clock().wall_ms();
  client_.authenticated = engine.settings().password.empty();
}

Session::~Session() = default;

void Session::start() {
  update_limits();
  stream_->start(*this);
}

void Session::close() {
  if (stream_ != nullptr) stream_->close();
}

std::optional<HandedOverClient> Session::hand_over() {
  const bool waits = input_end_ == 0 && out_.empty() && pending_.empty() && !writing_ &&
                     !blocked_ && !gathered_ && !client_.close_after_reply;
  if (stream_ != nullptr && !std::exchange(leaving_, true)) stream_->pause_reading();
  const auto descriptor = waits && stream_ != nullptr ? stream_->duplicate() : std::nullopt;
  if (!descriptor) return std::nullopt;
  close();
  return HandedOverClient{*descriptor, client_};
}

void Session::take_over(const ClientState& client) {
  const uint64_t id = client_.id;
  client_ = client;
  client_.id = id;
  client_.written = {};  // of slots under another hash seed
  client_.last_command = ClientState().last_command;
}

size_t Session::memory_bytes() const {
  return sizeof(Session) + input_.capacity() + out_.capacity() + in_flight_.capacity() +
         client_.written.memory_bytes();
}

void Session::update_limits() {
  parser_.limits().authenticated = client_.authenticated;
  parser_.limits().bulk_bytes_max = engine_.settings().bulk_bytes_max;
}

// ---- input

std::span<char> Session::read_buffer() {
  TurnInput& turn = engine_.turn_input();
  if (gathered_) turn.run();
  reading_own_ = input_end_ != 0;
  if (!reading_own_) return turn.read_space();
  // Not at once what a header promises: memory is for what has come.
  const size_t wanted = input_end_ + kReadBytesMin;
  if (input_.size() < wanted) {
    const size_t doubled = std::max(wanted, input_.size() * 2);
    const size_t needed = std::max(wanted, parser_.needed());
    input_.resize(parser_.needed() == 0 ? doubled : std::min(doubled, needed));
  }
  return {input_.data() + input_end_, input_.size() - input_end_};
}

void Session::on_read(size_t size) {
  if (closed_ || client_.close_after_reply) return;
  engine_.statistics_.input_bytes += size;
  client_.last_command_ms = engine_.loop().clock().wall_ms();
  if (!reading_own_) {
    gathered_ = true;
    return engine_.turn_input().add(*this, size);
  }
  input_end_ += size;
  process();
  end_read();
}

size_t Session::parse_requests(std::string_view input, RequestBatch& batch) {
  if (blocked_) return 0;
  const storage::ShardStore& store = engine_.store();
  const bool alone = engine_.shards() == 1;
  const bool prefetches = !engine_.clustered();  // else BatchRun does, where the keys are at home
  size_t at = 0;
  while (!batch.full() && at < input.size()) {
    if (parser_.parse(input.substr(at)) != ParseStatus::complete) break;
    const size_t begin = at;
    at += parser_.consumed();
    const Args args = parser_.args();
    if (args.empty()) continue;
    const CommandSpec* spec = engine_.commands().find(args);
    RequestBatch::Item& item = batch.add(spec, args, at);
    if (spec == nullptr || !spec->arity_fits(args.size())) break;
    KeyIndexes indexes;
    item.bad_keys = !keys_of(*spec, args, indexes);
    for (const size_t index : indexes) {
      const object::Key key = object::Key::of(args[index], client_.db, engine_.hash_seed());
      if (prefetches && (alone || store.shape().owns(key.slot))) store.prefetch_cell(key);
      batch.add_key(item, key);
    }
    if (indexes.empty()) break;      // it may change how the next ones are read
    if (input[begin] != '*') break;  // inline: the parser keeps its arguments until it parses again
  }
  return at;
}

size_t Session::run_requests(const RequestBatch& batch, size_t first, size_t end, size_t parsed) {
  size_t done = first == end ? parsed : 0;
  processing_ = true;
  for (size_t i = first; i < end; ++i) {
    const RequestBatch::Item& item = batch.item(i);
    const Request request{item.spec,        batch.args(item), batch.keys(item), client_.db,
                          client_.protocol, client_.no_touch, client_.quorums};
    if (item.bad_keys) {
      if (check(request, reply_place())) {
        ReplyWriter(reply_place(), client_.protocol)
            .error("ERR Invalid arguments specified for command");
      }
    } else if (run_request(request) == Next::stop) {
      break;
    }
    done = item.input_end;
    ++client_.commands;
    if (blocked_ || client_.close_after_reply) break;
  }
  processing_ = false;
  if (done < parsed) parser_.reset();
  return done;
}

void Session::finish_read(std::string_view input) {
  gathered_ = false;
  input.remove_prefix(take_batches(input, input.size()));
  if (!input.empty()) {
    input_.assign(input);
    input_end_ = input_.size();
    if (std::exchange(late_, false)) drain_pending();
  }
  end_read();
}

void Session::end_read() {
  if (input_end_ > engine_.settings().query_buffer_bytes_max) {
    send_forwarded();
    return close();
  }
  if (pending_.size() >= kPendingMax ||
      ((blocked_ || !pending_.empty()) && input_end_ > kBlockedInputBytesMax)) {
    stream_->pause_reading();
  }
  send_forwarded();
  mark_for_flush();
}

// Runs what waits in input_.
void Session::process() {
  if (processing_ || closed_) return;
  const size_t done =
      take_batches(std::string_view(input_.data(), input_end_), kWaitingBytesPerTurn);
  if (done == 0) return;
  input_end_ -= done;
  if (input_end_ == 0) {
    input_ = {};
  } else {
    input_.erase(0, done);
    if (!blocked_ && !client_.close_after_reply) drain_pending();
  }
}

// Returns how many bytes are done with; takes no batch that would begin behind `enough` of them.
size_t Session::take_batches(std::string_view input, size_t enough) {
  size_t done = 0;
  while (done < std::min(enough, input.size()) && !blocked_ && !client_.close_after_reply) {
    if (done > 0 && engine_.loop().turn_us() > kLongTurnUs) {
      late_ = true;
      break;
    }
    const size_t taken = take_batch(input.substr(done));
    if (taken == 0) break;
    done += taken;
  }
  return done;
}

size_t Session::take_batch(std::string_view input) {
  TurnInput& turn = engine_.turn_input();
  RequestBatch& batch = turn.batch();
  const size_t parsed = parse_requests(input, batch);
  if (batch.size() == 0 && !parser_.error().empty()) {
    protocol_error(parser_.error());
    return input.size();
  }
  turn.prefetch_entries();
  const size_t done = run_requests(batch, 0, batch.size(), parsed);
  batch.clear();
  return done;
}

void Session::protocol_error(std::string_view text) {
  ReplyWriter(reply_place(), client_.protocol).error("ERR " + std::string(text));
  client_.close_after_reply = true;
}

// ---- running

Session::Next Session::run_request(const Request& request) {
  if (!check(request, reply_place())) return Next::go_on;
  if (engine_.holds_writers() && request.spec->has(command_flag::kWrite)) {
    blocked_ = true;
    engine_.hold_writer(shared_from_this());
    return Next::stop;
  }
  client_.last_command = request.spec->full_name.data();
  if (request.keys.empty()) {
    if (waits_for_all(request) && !pending_.empty()) return Next::stop;
    if (engine_.clustered() && is_gathered(*request.spec)) [[unlikely]] {
      if (request.spec->has(command_flag::kWrite)) client_.written.note_everywhere();
      answer_from_cluster(engine_, request, defer());
      return Next::go_on;
    }
    run_here(request, reply_place());
    return Next::go_on;
  }
  if (pending_.size() >= kPendingMax) return Next::stop;
  if (engine_.clustered()) [[unlikely]]
    return run_in_cluster(request);
  if (engine_.coordinator().ready(request.keys)) [[likely]] {
    run_here(request, reply_place());
    return Next::go_on;
  }
  if (request.keys.size() == 1) {
    const unsigned shard = engine_.coordinator().shard_of(request.keys[0].slot);
    if (shard == engine_.shard()) {
      suspend_single(request);
    } else {
      forward(request, shard);
    }
    return Next::go_on;
  }
  if (!pending_.empty()) return Next::stop;
  suspend_several(request);
  return Next::go_on;
}

bool Session::check(const Request& request, OutputBuffer& out) {
  if (request.spec != nullptr && request.spec->arity_fits(request.args.size()) &&
      client_.authenticated && !request.spec->has(command_flag::kProtected)) [[likely]] {
    return true;
  }
  if (request.spec == nullptr && is_http(request.args)) {
    spdlog::warn("{} speaks HTTP, perhaps made to by a web page; its connection is closed",
                 client_.peer_address);
    client_.close_after_reply = true;
    return false;
  }
  ReplyWriter reply(out, client_.protocol);
  return check_request(request, client_, engine_, reply);
}

bool Session::waits_for_all(const Request& request) const {
  return request.spec->group != "connection";
}

void Session::run_here(const Request& request, OutputBuffer& out) {
  std::function<Finish()> deferred;
  if (request.keys.empty()) deferred = [this] { return defer(); };
  engine_.run(request, out, &client_, std::move(deferred));
  const bool writes = request.spec->has(command_flag::kWrite);
  if (writes) client_.written.note_everywhere();  // for when there are other nodes
  if (writes || engine_.coordinator().syncs_always()) {
    answerable_at_ = engine_.store().journal().end_position();
  }
  if (request.spec->has(command_flag::kNoAuth)) update_limits();
}

void Session::suspend_single(const Request& request) {
  auto batch = std::make_shared<ForwardedBatch>(shared_from_this(), engine_);
  batch->add(request, new_pending());
  batch->send();
}

void Session::forward(const Request& request, unsigned shard) {
  auto& batch = forwarded_[shard];
  if (batch == nullptr) {
    batch = std::make_shared<ForwardedBatch>(shared_from_this(), engine_.engine(shard));
  }
  batch->add(request, new_pending());
  ++engine_.statistics_.forwarded_commands;
}

void Session::send_forwarded() {
  if (!cluster_batches_.empty()) send_to_cluster();
  if (engine_.shards() == 1) return;
  for (auto& batch : forwarded_) {
    if (batch != nullptr) std::exchange(batch, nullptr)->send();
  }
}

void Session::suspend_several(const Request& request) {
  blocked_ = true;
  auto copies = std::make_shared<RequestCopies>();
  copies->add(request);
  copies->seal();
  const Request& copy = copies->request(0);
  // Not straight to out_: the reply may leave only when every shard has the change.
  PendingReply& place = new_pending();
  engine_.coordinator().run_exclusively(
      {copy.keys.begin(), copy.keys.end()}, copy.spec->has(command_flag::kWrite),
      [self = shared_from_this(), copies, &place](const runtime::Status& status) {
        const Request& again = copies->request(0);
        if (status) return self->run_here(again, place.bytes);
        ReplyWriter(place.bytes, again.protocol).error("MISCONF " + status.error().message);
      },
      [self = shared_from_this(), copies, &place] {
        self->reply_done(place);
        self->unblock();
      });
}

Finish Session::defer() {
  blocked_ = true;
  // Commands on the connection do not wait for earlier replies: theirs takes its place behind them.
  PendingReply* const place = pending_.empty() ? nullptr : &new_pending();
  return [self = shared_from_this(), place](const std::function<void(ReplyWriter&)>& write) {
    ReplyWriter reply(place != nullptr ? place->bytes : self->out_, self->client_.protocol);
    write(reply);
    if (place != nullptr) self->reply_done(*place);
    self->unblock();
  };
}

// What held the connection up has ended; go on with what came behind it.
void Session::unblock() {
  blocked_ = false;
  if (closed_) return;
  mark_for_flush();
  if (!processing_) drain_pending();
}

// ---- replies

// Where the reply of a request that runs now goes: behind all replies still to come.
OutputBuffer& Session::reply_place() {
  if (pending_.empty()) [[likely]]
    return out_;
  if (!pending_.back().done) new_pending().done = true;
  return pending_.back().bytes;
}

Session::PendingReply& Session::new_pending() { return pending_.emplace_back(); }

void Session::reply_done(PendingReply& reply) {
  reply.done = true;
  if (&reply != &pending_.front()) return;
  while (!pending_.empty() && pending_.front().done) {
    out_.append(pending_.front().text);
    out_.append(pending_.front().bytes.view());
    pending_.pop_front();
  }
  if (closed_) return;
  mark_for_flush();
  if (pending_.empty() && !processing_) drain_pending();
}

// Runs input that was waiting, in a turn of its own: whoever calls may be in the middle of another
// session.
void Session::drain_pending() {
  engine_.loop().post([self = shared_from_this()] {
    if (self->closed_) return;
    if (self->input_end_ != 0) self->process();
    self->send_forwarded();
    self->mark_for_flush();
    const bool reads = !self->blocked_ && !self->leaving_ && self->pending_.size() < kPendingMax;
    if (reads) self->stream_->resume_reading();
  });
}

void Session::mark_for_flush() {
  if (marked_ || closed_) return;
  if (out_.empty() && !client_.close_after_reply) return;
  marked_ = true;
  engine_.flush_at_turn_end(shared_from_this());
}

void Session::flush() {
  if (closed_ || writing_) return;
  if (answerable_at_ > engine_.coordinator().answerable()) return mark_for_flush();
  if (!out_.empty()) {
    const size_t written = stream_->try_write(out_.view());
    engine_.statistics_.output_bytes += written;
    out_.consume(written);
  }
  if (!out_.empty()) {
    engine_.statistics_.output_bytes += out_.size();
    writing_ = true;
    in_flight_ = std::exchange(out_, OutputBuffer());
    stream_->write(in_flight_.view());
    return enforce_output_limit();
  }
  if (client_.close_after_reply && pending_.empty() && !blocked_) stream_->close();
}

void Session::enforce_output_limit() {
  const EngineSettings& settings = engine_.settings();
  const size_t bytes = output_bytes();
  const uint64_t now = engine_.loop().clock().wall_ms();
  if (settings.output_soft_bytes == 0 || bytes <= settings.output_soft_bytes) {
    over_soft_limit_since_ms_ = 0;
  } else if (over_soft_limit_since_ms_ == 0) {
    over_soft_limit_since_ms_ = now;
  }
  const bool too_long = over_soft_limit_since_ms_ != 0 &&
                        now - over_soft_limit_since_ms_ > settings.output_soft_s * 1000;
  if (too_long || (settings.output_hard_bytes != 0 && bytes > settings.output_hard_bytes)) close();
}

void Session::on_drained() {
  in_flight_.clear();
  in_flight_.release_idle();
  writing_ = false;
  flush();
}

void Session::on_closed() {
  // A turn of two polls may have a read of the first when the connection ends between them.
  if (gathered_) engine_.turn_input().run();
  closed_ = true;
  const auto self = shared_from_this();
  engine_.forget_held_writer(*this);
  forwarded_.clear();
  cluster_batches_.clear();
  input_ = {};
  input_end_ = 0;
  engine_.forget(client_.id);
  stream_.reset();
}

}  // namespace quorate::redis
