// Feeds the request parser arbitrary bytes, once whole and once cut where the input's first bytes
// say, and stops the process when the two do not agree or an argument lies outside the input.
//
// Each read is a fresh allocation of exactly its size, so that AddressSanitizer sees an over-read
// and a view kept from an earlier read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/request_parser.h"

namespace {

using quorate::redis::ParseStatus;
using quorate::redis::RequestParser;

struct Outcome {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  size_t consumed = 0;

  bool operator==(const Outcome&) const = default;
};

void require(bool holds) {
  if (!holds) std::abort();
}

void set_limits(RequestParser& parser, uint8_t choice) {
  parser.limits().authenticated = (choice & 1) == 0;
  if ((choice & 2) != 0) parser.limits().inline_bytes_max = 16;
  if ((choice & 4) != 0) parser.limits().bulk_bytes_max = 64;
  if ((choice & 8) != 0) parser.limits().args_max = 5;
}

// Parses what `outcome` has not consumed of the first `end` bytes. False: the connection would
// close.
bool read_until(RequestParser& parser, std::string_view input, size_t end, Outcome& outcome) {
  while (outcome.consumed < end) {
    const size_t bytes = end - outcome.consumed;
    const auto fresh = std::make_unique<char[]>(bytes);
    input.copy(fresh.get(), bytes, outcome.consumed);
    const ParseStatus status = parser.parse({fresh.get(), bytes});
    if (status == ParseStatus::incomplete) {
      require(parser.needed() == 0 || parser.needed() > bytes);
      return true;
    }
    if (status == ParseStatus::error) {
      outcome.error = parser.error();
      return false;
    }
    require(parser.consumed() > 0 && parser.consumed() <= bytes);
    outcome.requests.emplace_back(parser.args().begin(), parser.args().end());
    outcome.consumed += parser.consumed();
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr size_t kCutBytes = 8;
  if (size < 1 + kCutBytes) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1 + kCutBytes,
                               size - 1 - kCutBytes);
  RequestParser whole_parser;
  RequestParser split_parser;
  set_limits(whole_parser, data[0]);
  set_limits(split_parser, data[0]);

  Outcome whole;
  read_until(whole_parser, input, input.size(), whole);
  require(!whole.error.empty() || whole.consumed <= input.size());

  Outcome split;
  size_t end = 0;
  for (size_t read = 0; end < input.size(); ++read) {
    end = std::min(input.size(), end + 1 + data[1 + read % kCutBytes]);
    if (!read_until(split_parser, input, end, split)) break;
  }
  require(whole == split);
  return 0;
}
