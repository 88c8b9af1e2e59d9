// Nanoseconds per message of the peer protocol's frames: encoding into a frame that is sealed, and
// reading it back where it stands, checksum included.
//
// Build with Google Benchmark; run on an otherwise idle core. Everything stays in the first two
// cache levels, except the message of a MiB, so the figures are the codec's own work.
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <string>

#include "quorate/cluster/peer_frame.h"

namespace {

using quorate::cluster::FrameReader;
using quorate::cluster::FrameWriter;

void fill(FrameWriter& writer, const std::string& body, int64_t messages) {
  for (int64_t i = 0; i < messages; ++i) {
    if (!writer.add(1, [&body](std::string& out) { out += body; })) std::abort();
  }
  writer.seal();
}

void count(benchmark::State& state) {
  const int64_t messages = state.iterations() * state.range(1);
  state.SetItemsProcessed(messages);
  state.counters["ns_per_message"] =
      benchmark::Counter(static_cast<double>(messages) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void write_frames(benchmark::State& state) {
  const std::string body(static_cast<size_t>(state.range(0)), 'x');
  std::string out;
  FrameWriter writer(out);
  for (auto _ : state) {
    fill(writer, body, state.range(1));
    benchmark::DoNotOptimize(out.data());
    out.clear();
  }
  count(state);
}

void read_frames(benchmark::State& state) {
  const std::string body(static_cast<size_t>(state.range(0)), 'x');
  std::string bytes;
  FrameWriter writer(bytes);
  fill(writer, body, state.range(1));
  FrameReader reader;
  for (auto _ : state) {
    reader.feed(bytes);
    while (const auto message = reader.next()) benchmark::DoNotOptimize(message->body.data());
  }
  count(state);
}

// Bytes of a body, messages of a frame.
void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({100, 1})->Args({100, 16})->Args({100, 128})->Args({1 << 20, 1});
}

BENCHMARK(write_frames)->Apply(sizes);
BENCHMARK(read_frames)->Apply(sizes);

}  // namespace
