// MemberList: who belongs to the cluster, and the settings that are equal everywhere; a map that
// merges.
//
// merge() is commutative, associative and idempotent: nodes that have heard the same records, in
// any order and however often, hold equal lists. Of two records of one member the higher version
// stays; of equal versions, which only an operator's word on two sides of a partition makes, the
// later status, then the greater encoding. Members that left stay as records.
//
// digest(), of everything, is how nodes find out that they have the same list. It is kept up with
// each change. On disk the list is one file, replaced atomically, checksummed; a damaged or newer
// one is refused with a reason.
// Thread: the control thread's. Source: DESIGN section 7.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/member.h"
#include "quorate/cluster/ring.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"

namespace quorate::cluster {

// Which members a ring is made of while some come or go.
enum class RingView : uint8_t {
  before,  // who owned slots before the changes under way: normal and leaving members
  after,   // who will own them: joining, in handover and normal
};

// Of what decides where slots are: what differs in it places them differently. 0 if it left.
uint64_t placement_digest(const Member& member);

class MemberList {
 public:
  using Members = std::map<object::NodeId, Member>;
  using Settings = std::map<std::string, Setting, std::less<>>;

  // True if the record is news and was taken over.
  bool merge(const Member& record);
  bool merge(const Setting& record);

  // Null if it was never heard of. A member that left is found, too.
  const Member* find(const object::NodeId& id) const;
  const Setting* setting(std::string_view name) const;
  const Members& members() const { return members_; }
  const Settings& settings() const { return settings_; }
  // Members that belong().
  size_t size() const { return size_; }

  uint64_t digest() const { return digest_; }
  std::vector<RingMember> on_ring(RingView view) const;

  std::string encode() const;
  static runtime::Result<MemberList> decode(std::string_view bytes);

  friend bool operator==(const MemberList&, const MemberList&) = default;

 private:
  Members members_;
  Settings settings_;
  size_t size_ = 0;
  uint64_t digest_ = 0;  // sum of the records' hashes, so that a change costs one
};

// Nothing if the file does not exist.
runtime::Result<std::optional<MemberList>> load_members(runtime::FileSystem& files,
                                                        const std::string& path);
runtime::Status save_members(runtime::FileSystem& files, const std::string& path,
                             const MemberList& members);

}  // namespace quorate::cluster
