// The server's entry point: arguments, then a node.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/server/config.h"
#include "quorate/server/log.h"
#include "quorate/server/node.h"

// jemalloc: give freed pages back after ten seconds, as in Redis, and not on the thread that freed
// them; those of large values, too, for which fresh pages cost more than copying them.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:0,oversize_threshold:0";
}

int main(int argc, char** argv) {
  using quorate::server::CommandLine;
  using quorate::server::Config;
  using quorate::server::Node;
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  auto command_line = quorate::server::read_command_line(
      arguments, quorate::server::process_config_files(), QUORATE_VERSION);
  if (!command_line) {
    std::fprintf(stderr, "%s\n", command_line.error().message.c_str());
    return EXIT_FAILURE;
  }
  if (command_line->action == CommandLine::Action::show_version) {
    std::puts("Quorate server v=" QUORATE_VERSION " bits=64");
    return EXIT_SUCCESS;
  }
  if (command_line->action == CommandLine::Action::show_help) {
    std::fputs(quorate::server::command_line_help().c_str(), stdout);
    return EXIT_SUCCESS;
  }
  const Config& config = command_line->config;
  if (auto log = quorate::server::set_up_log(config.logfile, config.loglevel); !log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return EXIT_FAILURE;
  }
  Node::Start start{config, command_line->config_file, command_line->warnings, QUORATE_VERSION};
  for (;;) {
    auto node = Node::start(start);
    if (!node) {
      std::fprintf(stderr, "%s\n", node.error().message.c_str());
      return EXIT_FAILURE;
    }
    const bool clean = (*node)->run();
    if (!(*node)->restarts()) return clean ? EXIT_SUCCESS : EXIT_FAILURE;
    start.legacy = (*node)->legacy();
  }
}
