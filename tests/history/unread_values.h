// forget_unread_values(): the operations of one key, with equal arguments where nobody can tell
// them apart.
//
// A value that no GET returned, nor any longer value that begins with it, matters only by its
// length and by being no integer. Most SETs under load, and most uncertain writes, are of that
// kind; once such arguments are the same bytes, the search sees equal operations and equal values,
// of which it needs to try one. Whether there is an order does not change. Nothing is forgotten
// where a GET returned the byte that takes their place. Thread: any.
#pragma once

#include <vector>

#include "history/history.h"

namespace quorate::history {

constexpr char kUnreadByte = '\xff';

// `operations` are all of one key.
std::vector<Operation> forget_unread_values(const std::vector<const Operation*>& operations);

}  // namespace quorate::history
