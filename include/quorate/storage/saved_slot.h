// SavedSlot: what a checkpoint saves of a slot beside its rows, in the same transaction as they.
//
// Because a slot's clock commits together with the rows it speaks of, recovery needs no replay
// position: a journal record whose dot the saved clock covers is in the rows already, any other is
// not. Two meta records per slot: "count/<slot>" is written with every part of a slot's rows,
// "clock/<slot>" with the last part. Actors in clocks are handles of the node's ActorTable. Thread:
// any. Format version 2; of version 1, which did not say how far rows can be trusted, the worst is
// assumed. Tombstones and flushed contexts are written only where there are any, which is never on
// a node that was always alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/runtime/error.h"
#include "quorate/storage/row_store.h"

namespace quorate::storage {

struct SavedCounts {
  uint16_t db = 0;
  uint32_t keys = 0;  // in rows, tombstones included
  uint32_t volatile_keys = 0;
  uint64_t next_expiry_ms = UINT64_MAX;
  bool rows_ahead = true;   // as in SlotCounts
  bool rows_shared = true;  // as in SlotCounts
  uint32_t tombstones = 0;
  object::CausalContext flushed;  // see ShardStore::apply
  bool contexts_ahead = false;    // some row may say that its key saw what the slot clock does not
};

struct SavedSlot {
  uint16_t slot = 0;
  object::CausalContext clock;
  std::vector<SavedCounts> databases;
};

std::string clock_record_name(uint16_t slot);
std::string count_record_name(uint16_t slot);
std::string encode_counts(const std::vector<SavedCounts>& counts);
std::optional<std::vector<SavedCounts>> decode_counts(std::string_view bytes);

// Every slot with a record, in order. An undecodable record is an error that names it.
runtime::Result<std::vector<SavedSlot>> read_saved_slots(RowStore::ReadTransaction& rows);

}  // namespace quorate::storage
