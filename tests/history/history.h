// What clients of a cluster did and saw, one operation after the other: what linearizability.h
// judges.
//
// An Operation is one single-key command on a value of Redis's string type, as its client saw it:
// called at `invoked`, answered at `returned`. Times are integers of one clock for all clients, in
// any unit; an operation that returned when another was invoked counts as overlapping it. An
// operation is *uncertain* if nobody told its client what became of it: the connection broke, the
// answer said UNCERTAIN, the test ended first. It may take effect at any time after `invoked`, once
// or never. A command that was refused without effect (NOQUORUM, TRYAGAIN, LOADING, MISCONF) did
// not happen and does not belong into a history.
//
// The text form is for recorders in other languages. Its first line is `quorate-history 1`, then
// comes one operation a line, seven fields with one space between them; empty lines and lines that
// begin with `#` mean nothing, nor does the order of lines:
//
//   <client> <key> <kind> <argument> <invoked> <returned> <result>
//
//   client    a decimal number, for the explanation only
//   key       bytes: an x and two hexadecimal digits per byte, `x` alone for none
//   kind      GET SET SETNX INCR APPEND DEL; SETNX is SET with NX, which answers OK or nil
//   argument  bytes, as the key, for SET, SETNX and APPEND; `-` for the others
//   invoked   a decimal number below 2^64 - 1
//   returned  the same, not before `invoked`; `-` if the operation is uncertain
//   result    `-` if uncertain (`returned` and `result` only together); OK; nil; an integer reply
//             as `:17`; a value as bytes; `!` and bytes for the text of an error that is a result:
//             INCR of what is no integer or would overflow
//
//   3 x6b31 SET x763137 1200 1450 OK
//   4 x6b31 GET - 1300 1460 x763137
//   3 x6b31 INCR - 1500 - -
//
// Errors: a text that is not of this form, with the line's number. Thread: values, any.
#pragma once

#include <cstdint>
#include <istream>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/error.h"

namespace quorate::history {

enum class Kind : uint8_t { get, set, set_nx, incr, append, del };

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

struct Result {
  enum class Type : uint8_t { unknown, ok, nil, integer, value, error };

  Type type = Type::unknown;
  int64_t integer = 0;  // of an integer
  std::string bytes;    // of a value or an error

  static Result ok() { return {Type::ok, 0, {}}; }
  static Result nil() { return {Type::nil, 0, {}}; }
  static Result of(int64_t integer) { return {Type::integer, integer, {}}; }
  static Result value(std::string bytes) { return {Type::value, 0, std::move(bytes)}; }
  static Result error(std::string text) { return {Type::error, 0, std::move(text)}; }
  bool operator==(const Result&) const = default;
};

struct Operation {
  uint32_t client = 0;
  std::string key;
  Kind kind = Kind::get;
  std::string argument;  // of SET, SETNX and APPEND
  uint64_t invoked = 0;
  uint64_t returned = kNever;  // kNever exactly if the result is unknown
  Result result;

  bool uncertain() const { return result.type == Result::Type::unknown; }
  bool operator==(const Operation&) const = default;
};

using History = std::vector<Operation>;

std::string_view name_of(Kind kind);
bool has_argument(Kind kind);
// As a person reads it: `SET "v17"` and `OK`. Long values are cut.
std::string describe_call(const Operation& operation);
std::string describe_result(const Result& result);

void write_history(std::ostream& out, const History& history);
runtime::Result<History> read_history(std::istream& in);

}  // namespace quorate::history
