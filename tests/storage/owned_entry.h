// An entry that no table owns.
#pragma once

#include <memory>

#include "quorate/storage/entry.h"

namespace quorate::storage {

struct DestroyEntry {
  void operator()(Entry* entry) const { Entry::destroy(entry); }
};
using OwnedEntry = std::unique_ptr<Entry, DestroyEntry>;

}  // namespace quorate::storage
