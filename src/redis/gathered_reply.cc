#include "redis/gathered_reply.h"

#include <charconv>

namespace quorate::redis {
namespace {

// Takes replies of the few forms that parts have from the front of some bytes. The first that is
// another one fails it for good.
class ReplyReader {
 public:
  explicit ReplyReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool finished() const { return ok_ && rest_.empty(); }
  std::string_view rest() const { return rest_; }

  // A number from 0 on, as ReplyWriter writes it behind `type`.
  uint64_t number(char type) {
    const size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos || rest_[0] != type) return reject();
    uint64_t value = 0;
    const char* const begin = rest_.data() + 1;
    const char* const last = rest_.data() + end;
    const auto [at, error] = std::from_chars(begin, last, value);
    const bool padded = *begin == '0' && last - begin > 1;
    if (error != std::errc() || at != last || begin == last || padded || value > INT64_MAX) {
      return reject();
    }
    rest_.remove_prefix(end + 2);
    return value;
  }

  std::string_view bulk() {
    const uint64_t size = number('$');
    if (!ok_ || size > rest_.size() || rest_.substr(size).substr(0, 2) != "\r\n") {
      reject();
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size + 2);
    return bytes;
  }

  uint64_t reject() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// An array of bulks, and nothing behind it; how many.
std::optional<uint64_t> only_bulks(std::string_view bytes, std::string_view* elements) {
  ReplyReader in(bytes);
  const uint64_t count = in.number('*');
  *elements = in.rest();
  for (uint64_t i = 0; in.ok() && i < count; ++i) in.bulk();
  if (!in.finished()) return std::nullopt;
  return count;
}

}  // namespace

bool GatheredReply::add(std::string_view part) {
  switch (how_) {
    case Gather::ok:
      return part == reply::kOk;
    case Gather::sum:
      return add_sum(part);
    case Gather::sums:
      return add_sums(part);
    case Gather::elements:
      return add_elements(part);
    case Gather::pick:
      return add_pick(part);
    case Gather::none:
    case Gather::pages:
      break;
  }
  return false;
}

bool GatheredReply::add_sum(std::string_view part) {
  ReplyReader in(part);
  const uint64_t value = in.number(':');
  if (!in.finished()) return false;
  sum_ += value;
  return true;
}

bool GatheredReply::add_sums(std::string_view part) {
  ReplyReader in(part);
  const uint64_t count = in.number('*');
  std::vector<uint64_t> values;
  for (uint64_t i = 0; in.ok() && i < count; ++i) values.push_back(in.number(':'));
  if (!in.finished()) return false;
  if (sums_.size() < values.size()) sums_.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) sums_[i] += values[i];
  return true;
}

bool GatheredReply::add_elements(std::string_view part) {
  std::string_view elements;
  const auto count = only_bulks(part, &elements);
  if (!count) return false;
  count_ += *count;
  elements_.emplace_back(elements);
  return true;
}

// Keeps each part with the probability that its weight has among all so far.
bool GatheredReply::add_pick(std::string_view part) {
  ReplyReader in(part);
  if (in.number('*') != 2) return false;
  const uint64_t weight = in.number(':');
  if (!in.ok()) return false;
  if (weight == 0) return in.rest() == reply::kNullBulk || in.rest() == reply::kNull3;
  const std::string_view answer = in.bulk();
  if (!in.finished() || weight > INT64_MAX - sum_) return false;
  sum_ += weight;
  if (random_.below(sum_) < weight) picked_ = answer;
  return true;
}

void GatheredReply::write(ReplyWriter& reply) const {
  switch (how_) {
    case Gather::ok:
      return reply.ok();
    case Gather::sum:
      return reply.integer(static_cast<int64_t>(sum_));
    case Gather::elements:
      reply.array(count_);
      for (const std::string& elements : elements_) reply.raw(elements);
      return;
    case Gather::pick:
      return picked_ ? reply.bulk(*picked_) : reply.null();
    case Gather::none:
    case Gather::sums:
    case Gather::pages:
      break;
  }
}

std::optional<ScanPage> ScanPage::parse(std::string_view reply) {
  ReplyReader in(reply);
  if (in.number('*') != 2) return std::nullopt;
  const std::string_view cursor = in.bulk();
  ScanPage page;
  const auto [at, error] =
      std::from_chars(cursor.data(), cursor.data() + cursor.size(), page.cursor);
  if (!in.ok() || error != std::errc() || at != cursor.data() + cursor.size()) return std::nullopt;
  const auto count = only_bulks(in.rest(), &page.keys);
  if (!count) return std::nullopt;
  page.count = *count;
  return page;
}

}  // namespace quorate::redis
