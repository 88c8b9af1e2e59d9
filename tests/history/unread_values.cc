#include "history/unread_values.h"

#include <algorithm>
#include <string_view>

namespace quorate::history {
namespace {

// Neither an integer nor anything that an append could make one.
bool never_an_integer(std::string_view bytes) {
  return bytes.find_first_not_of("-0123456789") != bytes.npos;
}

class Reads {
 public:
  explicit Reads(const std::vector<const Operation*>& operations) {
    for (const Operation* operation : operations) {
      if (operation->kind == Kind::get && operation->result.type == Result::Type::value) {
        values_.push_back(operation->result.bytes);
      }
    }
    std::ranges::sort(values_);
    const auto repeated = std::ranges::unique(values_);
    values_.erase(repeated.begin(), repeated.end());
  }

  bool any_contains(std::string_view bytes) const {
    return std::ranges::any_of(
        values_, [&](std::string_view value) { return value.find(bytes) != value.npos; });
  }

  bool any_begins_with(std::string_view bytes) const {
    const auto next = std::ranges::lower_bound(values_, bytes);
    return next != values_.end() && next->starts_with(bytes);
  }

 private:
  std::vector<std::string_view> values_;
};

bool unread(const Operation& operation, const Reads& reads) {
  if (!has_argument(operation.kind) || !never_an_integer(operation.argument)) return false;
  if (operation.kind != Kind::append) return !reads.any_begins_with(operation.argument);
  // An answered append is tied to its place by the length; the search through all reads is for few.
  return operation.uncertain() && !reads.any_contains(operation.argument);
}

}  // namespace

std::vector<Operation> forget_unread_values(const std::vector<const Operation*>& operations) {
  const Reads reads(operations);
  const bool possible = !reads.any_contains(std::string_view(&kUnreadByte, 1));
  std::vector<Operation> forgotten;
  forgotten.reserve(operations.size());
  for (const Operation* operation : operations) {
    Operation& each = forgotten.emplace_back(*operation);
    if (!possible || !unread(each, reads)) continue;
    each.argument.assign(each.argument.size(), kUnreadByte);
  }
  return forgotten;
}

}  // namespace quorate::history
