#include "cluster/rumor_queue.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

namespace quorate::cluster {
namespace {

constexpr size_t kRumorBytes = 50;

std::string subject_of(char kind, std::string_view name) { return kind + std::string(name); }

std::string_view text_of(const object::NodeId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

template <class Record>
size_t bytes_of(const Record& record) {
  std::string bytes;
  object::ByteWriter out(bytes);
  record.encode(out);
  return bytes.size();
}

template <class Record>
void append(std::vector<Record>& to, const std::vector<Record>& records) {
  to.insert(to.end(), records.begin(), records.end());
}

}  // namespace

void RumorQueue::add(std::string subject, News news, size_t bytes) {
  rumors_[std::move(subject)] = {std::move(news), bytes, 0, ++added_};
}

void RumorQueue::add(const LivenessRumor& rumor) {
  News news;
  news.liveness.push_back(rumor);
  add(subject_of('l', text_of(rumor.about)), std::move(news), kRumorBytes);
}

void RumorQueue::add(const Member& member) {
  News news;
  news.members.push_back(member);
  add(subject_of('m', text_of(member.id)), std::move(news), bytes_of(member));
}

void RumorQueue::add(const Setting& setting) {
  News news;
  news.settings.push_back(setting);
  add(subject_of('s', setting.name), std::move(news), bytes_of(setting));
}

void RumorQueue::take(News& news, size_t bytes_max, unsigned times_max) {
  using At = std::map<std::string, Rumor>::iterator;
  std::vector<At> order;
  for (auto at = rumors_.begin(); at != rumors_.end(); ++at) order.push_back(at);
  std::sort(order.begin(), order.end(), [](At left, At right) {
    return std::tuple(left->second.left, right->second.age) <
           std::tuple(right->second.left, left->second.age);
  });
  size_t bytes = 0;
  for (const At at : order) {
    Rumor& rumor = at->second;
    // A record that is larger than a message leaves alone.
    if (bytes != 0 && bytes + rumor.bytes > bytes_max) continue;
    bytes += rumor.bytes;
    append(news.liveness, rumor.news.liveness);
    append(news.members, rumor.news.members);
    append(news.settings, rumor.news.settings);
    if (++rumor.left >= times_max) rumors_.erase(at);
    if (bytes >= bytes_max) return;
  }
}

}  // namespace quorate::cluster
