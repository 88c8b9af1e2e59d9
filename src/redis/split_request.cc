#include "redis/split_request.h"

#include <cassert>
#include <charconv>
#include <utility>

#include "quorate/redis/command_table.h"

namespace quorate::redis {
namespace {

int64_t integer_of(std::string_view reply) {
  int64_t value = 0;
  if (reply.starts_with(':')) std::from_chars(reply.data() + 1, reply.data() + reply.size(), value);
  return value;
}

}  // namespace

class SplitRequest::Part : public ReplySink {
 public:
  Part(std::shared_ptr<SplitRequest> whole, size_t index)
      : whole_(std::move(whole)), index_(index) {}
  void replied(std::string_view reply) override { whole_->replied(index_, reply); }

 private:
  std::shared_ptr<SplitRequest> whole_;
  size_t index_;
};

bool SplitRequest::divides(const Request& request) {
  const CommandSpec& spec = *request.spec;
  const auto step = static_cast<size_t>(spec.key_step);
  return static_cast<size_t>(spec.first_key) + request.keys.size() * step == request.args.size();
}

SplitRequest::SplitRequest(const CommandTable& commands, const Request& request,
                           std::shared_ptr<ReplySink> whole)
    : spec_(*request.spec),
      request_(request),
      keys_(request.keys),
      whole_(std::move(whole)),
      replies_(request.keys.size()),
      missing_(request.keys.size()) {
  const std::string_view name = spec_.per_key;
  part_spec_ = commands.find(Args(&name, 1));
  assert(part_spec_ != nullptr);
}

Request SplitRequest::part(size_t i) {
  const auto step = static_cast<size_t>(spec_.key_step);
  const auto first = static_cast<size_t>(spec_.first_key) + i * step;
  part_args_.assign({spec_.per_key});
  const Args of_key = request_.args.subspan(first, step);
  part_args_.insert(part_args_.end(), of_key.begin(), of_key.end());
  Request part = request_;
  part.spec = part_spec_;
  part.args = part_args_;
  part.keys = keys_.subspan(i, 1);
  return part;
}

std::shared_ptr<ReplySink> SplitRequest::sink(size_t i) {
  return std::make_shared<Part>(shared_from_this(), i);
}

void SplitRequest::replied(size_t i, std::string_view reply) {
  replies_[i] = reply;
  if (--missing_ == 0) whole_->replied(combined());
}

std::string SplitRequest::combined() const {
  int64_t sum = 0;
  std::string all;
  for (const std::string& reply : replies_) {
    if (reply.starts_with('-')) return reply;
    sum += integer_of(reply);
    all += reply;
  }
  switch (spec_.combine) {
    case Combine::array:
      return "*" + std::to_string(replies_.size()) + "\r\n" + all;
    case Combine::sum:
      return ":" + std::to_string(sum) + "\r\n";
    case Combine::ok:
      break;
  }
  return "+OK\r\n";
}

}  // namespace quorate::redis
