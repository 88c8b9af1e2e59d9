#include "coordinator/early_answers.h"

#include <algorithm>
#include <utility>

#include "coordinator/change_message.h"

namespace quorate::coordinator {

void EarlyAnswers::add(Replicator::EarlyAnswer answer) {
  begin_ = in_turn_.empty() ? answer.begin : std::min(begin_, answer.begin);
  encode_answer(answer.id, answer.bytes, encoded_);
  in_turn_.push_back({0, 0, answer.end, std::move(answer.usual)});
}

void EarlyAnswers::left(uint64_t turn, uint64_t now_us) {
  for (Waiting& answer : in_turn_) {
    answer.turn = turn;
    answer.left_us = now_us;
    waiting_.push_back(std::move(answer));
  }
  in_turn_.clear();
  encoded_.clear();
}

void EarlyAnswers::take_back_turn() {
  for (Waiting& answer : in_turn_) take_back(answer);
  in_turn_.clear();
  encoded_.clear();
}

void EarlyAnswers::take_back(Waiting& answer) {
  ++taken_back_;
  coordinator_.after(answer.end, coordinator_.loop(), std::move(answer.usual));
}

void EarlyAnswers::given(uint64_t turn) {
  const auto of_turn = std::ranges::equal_range(waiting_, turn, {}, &Waiting::turn);
  given_ += of_turn.size();
  waiting_.erase(of_turn.begin(), of_turn.end());
}

void EarlyAnswers::take_back(uint64_t turn) {
  const auto of_turn = std::ranges::equal_range(waiting_, turn, {}, &Waiting::turn);
  for (Waiting& answer : of_turn) take_back(answer);
  waiting_.erase(of_turn.begin(), of_turn.end());
}

void EarlyAnswers::take_back_all() {
  take_back_turn();
  take_back_until(UINT64_MAX);
}

void EarlyAnswers::take_back_until(uint64_t left_us) {
  for (; !waiting_.empty() && waiting_.front().left_us <= left_us; waiting_.pop_front()) {
    take_back(waiting_.front());
  }
}

}  // namespace quorate::coordinator
