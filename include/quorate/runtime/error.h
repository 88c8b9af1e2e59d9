// Errors as values: every fallible function of Quorate returns a Result or a Status.
//
// An Error carries the place and the reason in words a log line or a client can show, and the errno
// it came from (0 if none), so that a caller can tell a full disk from a damaged one without
// parsing text. Cheap when all is well: a Status without error is one flag. Thread: values, no
// shared state.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace quorate::runtime {

struct Error {
  int code = 0;         // an errno value, or 0 when no system call was involved
  std::string message;  // what failed, where and why; no trailing newline

  // "<what>: <strerror(code)>" for a failed system call.
  static Error from_errno(int code, const std::string& what) {
    return Error{code, what + ": " + std::strerror(code)};
  }
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(std::string message) {
  return std::unexpected(Error{0, std::move(message)});
}

inline std::unexpected<Error> fail_errno(int code, const std::string& what) {
  return std::unexpected(Error::from_errno(code, what));
}

}  // namespace quorate::runtime
