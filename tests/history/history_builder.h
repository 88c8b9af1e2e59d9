// HistoryBuilder: histories on one key, written down by hand: who, when, what, with which result.
#pragma once

#include <string>
#include <utility>

#include "history/history.h"

namespace quorate::history {

class HistoryBuilder {
 public:
  HistoryBuilder& add(uint32_t client, uint64_t invoked, uint64_t returned, Kind kind,
                      std::string argument, Result result) {
    history_.push_back(
        {client, "key", kind, std::move(argument), invoked, returned, std::move(result)});
    return *this;
  }
  HistoryBuilder& get(uint32_t client, uint64_t invoked, uint64_t returned, std::string value) {
    return add(client, invoked, returned, Kind::get, {}, Result::value(std::move(value)));
  }
  HistoryBuilder& get_nil(uint32_t client, uint64_t invoked, uint64_t returned) {
    return add(client, invoked, returned, Kind::get, {}, Result::nil());
  }
  HistoryBuilder& set(uint32_t client, uint64_t invoked, uint64_t returned, std::string value) {
    return add(client, invoked, returned, Kind::set, std::move(value), Result::ok());
  }
  HistoryBuilder& set_nx(uint32_t client, uint64_t invoked, uint64_t returned, std::string value,
                         bool won) {
    return add(client, invoked, returned, Kind::set_nx, std::move(value),
               won ? Result::ok() : Result::nil());
  }
  HistoryBuilder& incr(uint32_t client, uint64_t invoked, uint64_t returned, int64_t total) {
    return add(client, invoked, returned, Kind::incr, {}, Result::of(total));
  }
  HistoryBuilder& append(uint32_t client, uint64_t invoked, uint64_t returned, std::string suffix,
                         int64_t length) {
    return add(client, invoked, returned, Kind::append, std::move(suffix), Result::of(length));
  }
  HistoryBuilder& del(uint32_t client, uint64_t invoked, uint64_t returned, int64_t removed) {
    return add(client, invoked, returned, Kind::del, {}, Result::of(removed));
  }
  HistoryBuilder& uncertain(uint32_t client, uint64_t invoked, Kind kind,
                            std::string argument = {}) {
    return add(client, invoked, kNever, kind, std::move(argument), {});
  }
  const History& history() const { return history_; }

 private:
  History history_;
};

}  // namespace quorate::history
