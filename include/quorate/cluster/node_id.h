// Node ids in messages and in tables.
//
// Thread: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "quorate/object/codec.h"
#include "quorate/object/dot.h"

namespace quorate::cluster {

// Node ids are random: any eight of their bytes are a hash.
struct NodeIdHash {
  size_t operator()(const object::NodeId& id) const {
    size_t hash = 0;
    std::memcpy(&hash, id.data(), sizeof hash);
    return hash;
  }
};

inline void write_node_id(object::ByteWriter& out, const object::NodeId& id) {
  out.raw({reinterpret_cast<const char*>(id.data()), id.size()});
}

inline object::NodeId read_node_id(object::ByteReader& in) {
  object::NodeId id{};
  const std::string_view bytes = in.raw(id.size());
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

}  // namespace quorate::cluster
