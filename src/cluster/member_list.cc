#include "quorate/cluster/member_list.h"

#include <algorithm>
#include <tuple>

#include "quorate/object/key.h"

namespace quorate::cluster {
namespace {

constexpr std::string_view kMagic = "quorate-members";
constexpr uint8_t kMembersFormat = 1;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kMembersRecordBytesMin = 20;
constexpr uint64_t kRingSeed = 1;

template <class Record>
std::string bytes_of(const Record& record) {
  std::string bytes;
  object::ByteWriter out(bytes);
  record.encode(out);
  return bytes;
}

template <class Record>
uint64_t hash_of(const Record& record) {
  return object::key_hash(bytes_of(record), 0);
}

bool supersedes(const Member& record, const Member& known) {
  const auto rank = [](const Member& of) { return std::tuple(of.version, of.status); };
  if (rank(record) != rank(known)) return rank(record) > rank(known);
  return bytes_of(record) > bytes_of(known);
}

bool supersedes(const Setting& record, const Setting& known) {
  const auto rank = [](const Setting& of) { return std::tie(of.version, of.writer, of.value); };
  return rank(record) > rank(known);
}

}  // namespace

uint64_t placement_digest(const Member& member) {
  if (!member.belongs()) return 0;
  Member placed;
  placed.id = member.id;
  placed.status = member.status;
  placed.weight = member.weight;
  placed.zone = member.zone;
  placed.host = member.host;
  placed.tokens = member.tokens;
  return object::key_hash(bytes_of(placed), kRingSeed);
}

bool MemberList::merge(const Member& record) {
  const auto [at, fresh] = members_.try_emplace(record.id, record);
  Member& known = at->second;
  if (!fresh) {
    if (!supersedes(record, known)) return false;
    digest_ -= hash_of(known);
    size_ -= known.belongs() ? 1 : 0;
    known = record;
  }
  digest_ += hash_of(known);
  size_ += known.belongs() ? 1 : 0;
  return true;
}

bool MemberList::merge(const Setting& record) {
  const auto [at, fresh] = settings_.try_emplace(record.name, record);
  Setting& known = at->second;
  if (!fresh) {
    if (!supersedes(record, known)) return false;
    digest_ -= hash_of(known);
    known = record;
  }
  digest_ += hash_of(known);
  return true;
}

const Member* MemberList::find(const object::NodeId& id) const {
  const auto at = members_.find(id);
  return at == members_.end() ? nullptr : &at->second;
}

const Setting* MemberList::setting(std::string_view name) const {
  const auto at = settings_.find(name);
  return at == settings_.end() ? nullptr : &at->second;
}

std::vector<RingMember> MemberList::on_ring(RingView view) const {
  std::vector<RingMember> members;
  for (const auto& [id, member] : members_) {
    const MemberStatus status = member.status;
    const bool owns = view == RingView::before
                          ? status == MemberStatus::normal || status == MemberStatus::leaving
                          : status <= MemberStatus::normal;
    if (owns) members.push_back(member.on_ring());
  }
  return members;
}

std::string MemberList::encode() const {
  std::string bytes;
  object::ByteWriter out(bytes);
  out.byte(kMembersFormat);
  out.varint(members_.size());
  for (const auto& [id, member] : members_) member.encode(out);
  out.varint(settings_.size());
  for (const auto& [name, setting] : settings_) setting.encode(out);
  return bytes;
}

runtime::Result<MemberList> MemberList::decode(std::string_view bytes) {
  object::ByteReader in(bytes);
  if (const uint8_t format = in.byte(); format > kMembersFormat) {
    return runtime::fail("the member list's format is newer than this release reads");
  }
  MemberList list;
  for (uint64_t left = in.count(kMembersRecordBytesMin); left > 0 && in.ok(); --left) {
    const Member member = Member::decode(in);
    if (in.ok()) list.merge(member);
  }
  for (uint64_t left = in.count(kMembersRecordBytesMin); left > 0 && in.ok(); --left) {
    const Setting setting = Setting::decode(in);
    if (in.ok()) list.merge(setting);
  }
  if (!in.finished()) return runtime::fail("the member list is malformed");
  return list;
}

runtime::Result<std::optional<MemberList>> load_members(runtime::FileSystem& files,
                                                        const std::string& path) {
  if (!files.exists(path)) return std::nullopt;
  const auto file = runtime::read_file(files, path);
  if (!file) return std::unexpected(file.error());
  const std::string_view bytes = *file;
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + kChecksumBytes) {
    return runtime::fail(path + ": it is not a member list");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  object::ByteReader check(bytes.substr(body.size()));
  if (check.fixed64() != object::key_hash(body, 0)) {
    return runtime::fail(path + ": it is damaged (checksum)");
  }
  auto list = MemberList::decode(body.substr(kMagic.size()));
  if (!list) return runtime::fail(path + ": " + list.error().message);
  return std::optional(*std::move(list));
}

runtime::Status save_members(runtime::FileSystem& files, const std::string& path,
                             const MemberList& members) {
  std::string bytes(kMagic);
  bytes += members.encode();
  object::ByteWriter(bytes).fixed64(object::key_hash(bytes, 0));
  return runtime::replace_file(files, path, bytes);
}

}  // namespace quorate::cluster
