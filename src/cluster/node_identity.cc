#include "quorate/cluster/node_identity.h"

#include <charconv>
#include <fmt/format.h>
#include <map>
#include <vector>

#include "quorate/object/key.h"
#include "quorate/runtime/mutants.h"

namespace quorate::cluster {
namespace {

constexpr std::string_view kFirstLine = "quorate-node 1";

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(&text[i], &text[i] + 2, value, 16);
    if (error != std::errc{} || end != &text[i] + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

template <class Number>
bool read_number(std::string_view text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size();
}

uint64_t checksum(std::string_view text) { return object::key_hash(text, 0); }

// The "name value" lines behind the first, up to the checksum line; nothing if that does not fit.
std::optional<std::map<std::string, std::string, std::less<>>> read_lines(std::string_view text) {
  const size_t check = text.rfind("check ");
  if (check == std::string_view::npos) return std::nullopt;
  uint64_t expected = 0;
  std::string_view digits = text.substr(check + 6);
  if (!digits.ends_with('\n')) return std::nullopt;
  digits.remove_suffix(1);
  if (!read_number(digits, expected, 16) || expected != checksum(text.substr(0, check))) {
    return std::nullopt;
  }
  std::map<std::string, std::string, std::less<>> lines;
  text = text.substr(0, check);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t blank = std::min(line.find(' '), line.size());
    lines.emplace(line.substr(0, blank), line.substr(std::min(blank + 1, line.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::string random_hex(runtime::Random& random, size_t count) {
  std::string bytes(count, '\0');
  random.fill({reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()});
  return to_hex(bytes);
}

NodeIdentity NodeIdentity::make(runtime::Random& random) {
  NodeIdentity identity;
  random.fill(identity.node);
  std::array<unsigned char, sizeof identity.hash_seed> seed{};
  random.fill(seed);
  std::memcpy(&identity.hash_seed, seed.data(), seed.size());
  identity.store_id = random_hex(random, 16);
  identity.clean = true;
  identity.actors.intern(identity.actor());
  return identity;
}

bool NodeIdentity::begin_life(bool store_known) {
  const bool unclean = !clean && !runtime::mutant(runtime::Mutant::epoch_kept);
  const bool fresh = unclean || !store_known;
  if (fresh) ++epoch;
  clean = false;
  ++starts;
  actors.intern(actor());
  return fresh;
}

std::string NodeIdentity::encode() const {
  std::string actor_bytes;
  actors.encode(actor_bytes);
  std::string text = fmt::format(
      "{}\nnode {}\nepoch {}\nstarts {}\nhash-seed {:016x}\nstore {}\nclean {}\nactors {}\n",
      kFirstLine, object::node_id_text(node), epoch, starts, hash_seed, store_id,
      clean ? "yes" : "no", to_hex(actor_bytes));
  return text + fmt::format("check {:016x}\n", checksum(text));
}

runtime::Result<NodeIdentity> NodeIdentity::decode(std::string_view text) {
  if (!text.starts_with("quorate-node ")) return runtime::fail("it is not a node identity");
  if (!text.starts_with(std::string(kFirstLine) + "\n")) {
    return runtime::fail("its format is newer than this release reads");
  }
  auto lines = read_lines(text);
  if (!lines) return runtime::fail("it is damaged (checksum)");
  auto& of = *lines;
  NodeIdentity identity;
  const auto node = object::parse_node_id(of["node"]);
  const auto actor_bytes = from_hex(of["actors"]);
  if (!node || !actor_bytes || !read_number(of["epoch"], identity.epoch) ||
      !read_number(of["starts"], identity.starts) ||
      !read_number(of["hash-seed"], identity.hash_seed, 16) || of["store"].size() != 32) {
    return runtime::fail("it is damaged (a line is missing or malformed)");
  }
  auto actors = object::ActorTable::decode(*actor_bytes);
  if (!actors) return std::unexpected(actors.error());
  identity.node = *node;
  identity.store_id = of["store"];
  identity.clean = of["clean"] == "yes";
  identity.actors = std::move(*actors);
  return identity;
}

runtime::Result<std::optional<NodeIdentity>> load_identity(runtime::FileSystem& files,
                                                           const std::string& path) {
  if (!files.exists(path)) return std::nullopt;
  const auto text = runtime::read_file(files, path);
  if (!text) return std::unexpected(text.error());
  auto identity = NodeIdentity::decode(*text);
  if (!identity) return runtime::fail(path + ": " + identity.error().message);
  return std::optional(std::move(*identity));
}

runtime::Status save_identity(runtime::FileSystem& files, const std::string& path,
                              const NodeIdentity& identity) {
  return runtime::replace_file(files, path, identity.encode());
}

}  // namespace quorate::cluster
