// ValueTable: the values a key may have had, each known by a small number; and what one operation
// requires of them and makes of them (Action).
//
// Equal values have equal numbers, 0 is "no such key". A number stays valid until a collect() that
// was not told that it is live. Semantics are those of Redis 7.2's string commands. Thread: one.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "history/history.h"

namespace quorate::history {

using ValueId = uint32_t;
constexpr ValueId kNil = 0;

class ValueTable {
 public:
  ValueTable() : values_(1), integers_(1) {}

  ValueId intern(std::string_view bytes);
  std::string_view bytes(ValueId id) const {
    return id == kNil ? std::string_view() : *values_[id];
  }
  size_t length(ValueId id) const { return bytes(id).size(); }
  // As Redis reads it: no sign but minus, no leading zeros, 64 bits. None for kNil.
  std::optional<int64_t> integer(ValueId id) const { return integers_[id]; }
  // All numbers are below it.
  size_t bound() const { return values_.size(); }

  // Whether so much has been interned since the last collect() that another is due.
  bool wants_collection() const { return new_bytes_ > kCollectAfterBytes; }
  // Forgets every value but `live`, in any order, repetitions allowed.
  void collect(const std::vector<ValueId>& live);

 private:
  static constexpr size_t kCollectAfterBytes = size_t{16} << 20;
  static constexpr size_t kOverheadBytes = 128;

  std::vector<std::unique_ptr<const std::string>> values_;
  std::vector<std::optional<int64_t>> integers_;
  std::vector<ValueId> free_;
  std::unordered_map<std::string_view, ValueId> ids_;
  size_t new_bytes_ = 0;
};

class Action {
 public:
  Action() = default;
  // The operation must outlive the action. Interns the value that it names.
  Action(const Operation& operation, ValueTable& values);

  const Operation& operation() const { return *operation_; }
  // Its result says that it changed nothing.
  bool pure() const { return pure_; }
  // It writes the same whatever was there, and its result says nothing.
  bool blind() const { return blind_; }
  // After it, nothing of an earlier value is left.
  bool overwrites() const { return blind_ || operation_->kind == Kind::del; }
  // The value that it read or writes, if it names one; live as long as the action.
  std::optional<ValueId> value() const { return value_; }

  // Whether it can take effect on that value: with its result, or, if that is unknown, so that it
  // changes something.
  bool applies(ValueId value, const ValueTable& values) const;
  // REQUIRES: applies(value).
  ValueId apply(ValueId value, ValueTable& values) const;
  // Of the same effect, and the same demands, as another.
  bool same_as(const Action& other) const;
  // False only if no increments and appends could make of `value` one to which this applies.
  bool within_reach(ValueId value, const ValueTable& values) const;

 private:
  bool incr_applies(ValueId value, const ValueTable& values) const;
  bool append_applies(size_t length) const;

  const Operation* operation_ = nullptr;
  bool pure_ = false;
  bool blind_ = false;
  std::optional<ValueId> value_;
};

}  // namespace quorate::history
