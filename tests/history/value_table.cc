#include "history/value_table.h"

#include <charconv>

namespace quorate::history {
namespace {

using Type = Result::Type;

constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
constexpr size_t kLongestInteger = 20;

std::optional<int64_t> integer_of(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > kLongestInteger) return std::nullopt;
  int64_t integer = 0;
  const char* end = bytes.data() + bytes.size();
  const auto read = std::from_chars(bytes.data(), end, integer);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  const std::string_view digits = bytes.substr(bytes.front() == '-' ? 1 : 0);
  if (digits.front() == '0' && bytes.size() > 1) return std::nullopt;
  return integer;
}

}  // namespace

ValueId ValueTable::intern(std::string_view bytes) {
  if (const auto found = ids_.find(bytes); found != ids_.end()) return found->second;
  ValueId id = static_cast<ValueId>(values_.size());
  if (free_.empty()) {
    values_.emplace_back();
    integers_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  values_[id] = std::make_unique<const std::string>(bytes);
  integers_[id] = integer_of(bytes);
  ids_.emplace(*values_[id], id);
  new_bytes_ += bytes.size() + kOverheadBytes;
  return id;
}

void ValueTable::collect(const std::vector<ValueId>& live) {
  std::vector<bool> keep(values_.size());
  for (const ValueId id : live) keep[id] = true;
  for (ValueId id = 1; id < values_.size(); ++id) {
    if (keep[id] || !values_[id]) continue;
    ids_.erase(*values_[id]);
    values_[id].reset();
    integers_[id].reset();
    free_.push_back(id);
  }
  new_bytes_ = 0;
}

Action::Action(const Operation& operation, ValueTable& values) : operation_(&operation) {
  const Type type = operation.result.type;
  switch (operation.kind) {
    case Kind::get:
      pure_ = true;
      if (type == Type::nil) value_ = kNil;
      if (type == Type::value) value_ = values.intern(operation.result.bytes);
      break;
    case Kind::set:
      blind_ = type == Type::ok || type == Type::unknown;
      value_ = values.intern(operation.argument);
      break;
    case Kind::set_nx:
      pure_ = type == Type::nil;
      value_ = values.intern(operation.argument);
      break;
    case Kind::incr:
      pure_ = type == Type::error;
      break;
    case Kind::append:
      break;
    case Kind::del:
      pure_ = operation.result == Result::of(0);
      break;
  }
}

bool Action::applies(ValueId value, const ValueTable& values) const {
  const Result& result = operation_->result;
  switch (operation_->kind) {
    case Kind::get:
      return value_ == value;
    case Kind::set:
      return blind_;
    case Kind::set_nx:
      if (result.type == Type::nil) return value != kNil;
      return value == kNil && (result.type == Type::ok || result.type == Type::unknown);
    case Kind::incr:
      return incr_applies(value, values);
    case Kind::append:
      return append_applies(values.length(value));
    case Kind::del:
      if (result == Result::of(0)) return value == kNil;
      return value != kNil && (result == Result::of(1) || result.type == Type::unknown);
  }
  return false;
}

bool Action::incr_applies(ValueId value, const ValueTable& values) const {
  const Result& result = operation_->result;
  const std::optional<int64_t> before = value == kNil ? 0 : values.integer(value);
  const bool works = before && *before != kHighest;
  if (result.type == Type::error) return !works;
  if (result.type == Type::integer) return works && *before + 1 == result.integer;
  return works && result.type == Type::unknown;
}

bool Action::append_applies(size_t length) const {
  const Result& result = operation_->result;
  if (result.type == Type::unknown) return true;
  return result.type == Type::integer && result.integer >= 0 &&
         length + operation_->argument.size() == static_cast<uint64_t>(result.integer);
}

ValueId Action::apply(ValueId value, ValueTable& values) const {
  switch (operation_->kind) {
    case Kind::get:
      return value;
    case Kind::set:
      return *value_;
    case Kind::set_nx:
      return pure_ ? value : *value_;
    case Kind::incr: {
      if (pure_) return value;
      const int64_t before = value == kNil ? 0 : *values.integer(value);
      return values.intern(std::to_string(before + 1));
    }
    case Kind::append:
      return values.intern(std::string(values.bytes(value)) + operation_->argument);
    case Kind::del:
      return kNil;
  }
  return value;
}

bool Action::same_as(const Action& other) const {
  return operation_->kind == other.operation_->kind &&
         operation_->argument == other.operation_->argument &&
         ((blind_ && other.blind_) || operation_->result == other.operation_->result);
}

bool Action::within_reach(ValueId value, const ValueTable& values) const {
  if (applies(value, values)) return true;
  if (value == kNil) return true;
  const std::string_view bytes = values.bytes(value);
  // What an append may yet turn into an integer, or an increment into anything.
  if (bytes.empty() || bytes == "-" || values.integer(value)) return true;
  if (operation_->kind == Kind::get) {
    return value_ && *value_ != kNil && values.bytes(*value_).starts_with(bytes);
  }
  if (operation_->kind == Kind::append && operation_->result.type == Type::integer) {
    return static_cast<int64_t>(bytes.size() + operation_->argument.size()) <=
           operation_->result.integer;
  }
  return false;
}

}  // namespace quorate::history
