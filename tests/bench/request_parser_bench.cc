// Nanoseconds per request of the RESP parser over a pipeline as a busy connection's read delivers
// it.
//
// Build with Google Benchmark; run on an otherwise idle core. The buffer (64 KiB of requests) stays
// in the first two cache levels, so the figures are the parser's own work.
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/request_parser.h"

namespace {

using quorate::redis::ParseStatus;
using quorate::redis::RequestParser;

constexpr size_t kBufferBytes = 64 * 1024;

std::string encode(const std::vector<std::string>& args) {
  std::string request = fmt::format("*{}\r\n", args.size());
  for (const std::string& arg : args) request += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  return request;
}

std::string pipeline(const std::vector<std::string>& args) {
  const std::string request = encode(args);
  std::string buffer;
  while (buffer.size() < kBufferBytes) buffer += request;
  return buffer;
}

void parse_pipeline(benchmark::State& state, const std::vector<std::string>& args) {
  const std::string buffer = pipeline(args);
  RequestParser parser;
  int64_t requests = 0;
  for (auto _ : state) {
    std::string_view left = buffer;
    while (!left.empty()) {
      if (parser.parse(left) != ParseStatus::complete) std::abort();
      benchmark::DoNotOptimize(parser.args().data());
      left.remove_prefix(parser.consumed());
      ++requests;
    }
  }
  state.SetItemsProcessed(requests);
  state.counters["ns_per_request"] =
      benchmark::Counter(static_cast<double>(requests) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void bm_set(benchmark::State& state) {
  parse_pipeline(state, {"SET", "key:000012345678", std::string(100, 'x')});
}
void bm_get(benchmark::State& state) { parse_pipeline(state, {"GET", "key:000012345678"}); }
void bm_ping(benchmark::State& state) { parse_pipeline(state, {"PING"}); }
void bm_mset_of_10(benchmark::State& state) {
  std::vector<std::string> args = {"MSET"};
  for (int i = 0; i < 10; ++i) {
    args.push_back("key:00001234567" + std::to_string(i));
    args.push_back(std::string(100, 'x'));
  }
  parse_pipeline(state, args);
}

BENCHMARK(bm_set);
BENCHMARK(bm_get);
BENCHMARK(bm_ping);
BENCHMARK(bm_mset_of_10);

}  // namespace

BENCHMARK_MAIN();
