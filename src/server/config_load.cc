// From files, standard input and options to a Config: includes, precedence, errors with their
// place, warnings.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <glob.h>
#include <map>
#include <optional>
#include <utility>

#include "quorate/server/config.h"

#include "server/config_directives.h"
#include "server/config_syntax.h"

namespace quorate::server {
namespace {

constexpr size_t kTextBytesMax = size_t{16}
                                 << 20;  // of one file; a device without end must not fill memory
constexpr int kIncludeDepthMax = 16;
constexpr int kFilesMax = 4096;  // files that include each other twice multiply

std::vector<std::string_view> views(const std::vector<std::string>& words) {
  return {words.begin(), words.end()};
}

// A line as its error shows it: values of secrets do not reach a terminal or a log.
std::string shown(std::string_view line, std::string_view name, const Directive* directive) {
  if (directive == nullptr || !directive->has(kSensitive)) return std::string(line);
  return std::string(name) + " (hidden)";
}

class Loader {
 public:
  Loader(const ConfigFiles& files, std::string_view version) : files_(files), version_(version) {}

  runtime::Status load_file(const std::string& path) {
    const auto text = read(path);
    if (!text) return runtime::fail("Fatal error, " + text.error().message);
    return load_text(*text, "Reading the configuration file '" + path + "'", 0);
  }

  runtime::Status load_stdin() {
    const auto text = files_.read_stdin();
    if (!text) {
      return runtime::fail("Fatal error, can't read standard input: " + text.error().message);
    }
    return load_text(*text, "Reading standard input", 0);
  }

  runtime::Status load_option(const std::vector<std::string>& words) {
    std::string line = words.front();
    for (size_t i = 1; i < words.size(); ++i) line += ' ' + quoted_word(words[i]);
    return load_words(words, line, "Reading the command line", 0);
  }

  // What does not go together is reported at the line that came last.
  runtime::Status check() const {
    const auto found = contradiction_in(result_.config);
    if (!found) return {};
    const Given* last = nullptr;
    for (const std::string_view name : found->directives) {
      const auto at = given_.find(name);
      if (at == given_.end()) continue;
      if (last == nullptr || at->second.number > last->number) last = &at->second;
    }
    return fatal(last->place, last->line, found->reason);
  }

  CommandLine finish() {
    add_warnings();
    return std::move(result_);
  }

 private:
  runtime::Result<std::string> read(const std::string& path) {
    if (++files_read_ > kFilesMax) {
      return runtime::fail(fmt::format("more than {} configuration files", kFilesMax));
    }
    auto text = files_.read(path);
    if (text) return text;
    return runtime::fail(
        fmt::format("can't open config file '{}': {}", path, text.error().message));
  }

  std::unexpected<runtime::Error> fatal(std::string_view place, std::string_view line,
                                        std::string_view reason) const {
    return runtime::fail(
        fmt::format("\n*** FATAL CONFIG FILE ERROR (Quorate {}) ***\n{}\n>>> '{}'\n{}", version_,
                    place, line, reason));
  }

  runtime::Status load_text(std::string_view text, const std::string& source, int depth) {
    for (size_t number = 1; !text.empty(); ++number) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trimmed(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty() || line.front() == '#') continue;
      const std::string place = fmt::format("{}, at line {}", source, number);
      const auto words = split_line(line);
      if (!words) return unbalanced(place, line);
      const auto status = load_words(*words, line, place, depth);
      if (!status) return status;
    }
    return {};
  }

  runtime::Status unbalanced(std::string_view place, std::string_view line) const {
    const std::string_view name = line.substr(0, line.find_first_of(" \t\"'"));
    return fatal(place, shown(line, name, find_directive(name)),
                 "Unbalanced quotes in configuration line");
  }

  runtime::Status load_words(const std::vector<std::string>& words, std::string_view line,
                             const std::string& place, int depth) {
    constexpr std::string_view kBad = "Bad directive or wrong number of arguments";
    if (equal_nocase(words.front(), "include")) {
      if (words.size() != 2) return fatal(place, line, kBad);
      return include(words[1], line, place, depth + 1);
    }
    const Directive* directive = find_directive(words.front());
    if (directive == nullptr) return fatal(place, line, kBad);
    const auto values = views(words);
    const auto status = apply_directive(*directive, result_.config, Words(values).subspan(1));
    if (!status) {
      return fatal(place, shown(line, words.front(), directive), status.error().message);
    }
    note_ignored(*directive);
    given_[directive->name] = {++lines_, place, std::string(line)};
    return {};
  }

  runtime::Status include(const std::string& pattern, std::string_view line,
                          const std::string& place, int depth) {
    if (depth > kIncludeDepthMax) {
      return fatal(place, line,
                   fmt::format("include files are nested more than {} deep", kIncludeDepthMax));
    }
    const bool is_pattern = pattern.find_first_of("*?[") != pattern.npos;
    for (const std::string& path :
         is_pattern ? files_.expand(pattern) : std::vector<std::string>{pattern}) {
      const auto text = read(path);
      if (!text) return fatal(place, line, text.error().message);
      const auto status = load_text(*text, "Reading the configuration file '" + path + "'", depth);
      if (!status) return status;
    }
    return {};
  }

  void note_ignored(const Directive& directive) {
    if (!directive.has(kIgnored)) return;
    if (std::find(ignored_.begin(), ignored_.end(), directive.name) != ignored_.end()) return;
    ignored_.push_back(directive.name);
  }

  void add_warnings() {
    const Config& config = result_.config;
    auto& warnings = result_.warnings;
    if (config.daemonize) {
      warnings.emplace_back(
          "'daemonize yes' is not supported: staying in the foreground, for a service manager or a "
          "shell to put behind");
    }
    if (!config.appendonly) {
      warnings.emplace_back(
          "'appendonly no' has no effect: the journal is always on; 'appendfsync' says when it is "
          "synced");
    }
    if (!config.save.empty()) {
      warnings.emplace_back(
          "'save' has no effect: every write is in the journal, and checkpoints follow "
          "'auto-aof-rewrite-percentage'");
    }
    if (!ignored_.empty()) {
      warnings.push_back("directives without a meaning here, accepted and ignored: " +
                         join(ignored_, ", "));
    }
  }

  const ConfigFiles& files_;
  std::string_view version_;
  CommandLine result_;
  struct Given {
    size_t number = 0;  // counts lines of all sources
    std::string place, line;
  };
  std::map<std::string_view, Given> given_;  // the last line of each directive
  size_t lines_ = 0;
  std::vector<std::string_view> ignored_;  // each once, in the order of appearance
  int files_read_ = 0;
};

// What redis-server's arguments ask for, before any of it is read.
struct Plan {
  std::optional<std::string> file;
  bool use_stdin = false;
  std::vector<std::vector<std::string>> options;  // words of a line each; the first is the name
};

// `argument` begins with "--". True if it holds its value too, as in "--port 6380".
bool begin_option(Plan& plan, std::string_view argument) {
  auto words = split_line(argument.substr(2));
  if (!words) words.emplace({std::string(argument.substr(2))});
  const bool complete = words->size() > 1;
  plan.options.push_back(std::move(*words));
  return complete;
}

Plan plan_of(std::span<const std::string_view> arguments) {
  Plan plan;
  size_t first = 0;
  if (!arguments.empty() && !arguments[0].starts_with('-')) {
    plan.file = std::string(arguments[0]);
    first = 1;
  }
  bool value_expected = false;
  for (size_t i = first; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const bool last = i + 1 == arguments.size();
    if (argument == "-" && (i == 0 || last)) {
      plan.use_stdin = true;
    } else if (!value_expected && argument.starts_with("--")) {
      value_expected = !begin_option(plan, argument);
      // `--save` alone means `--save ""`, the only option that may stand without a value.
      const bool alone = last || arguments[i + 1].starts_with("--");
      if (value_expected && alone && equal_nocase(argument, "--save")) {
        plan.options.back().emplace_back();
        value_expected = false;
      }
    } else {
      if (plan.options.empty()) plan.options.emplace_back();
      plan.options.back().emplace_back(argument);
      value_expected = false;
    }
  }
  std::erase_if(plan.options, [](const auto& words) { return words.empty(); });
  return plan;
}

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

runtime::Result<std::string> read_all(std::FILE* file) {
  std::string text;
  std::array<char, 16384> buffer{};
  while (std::feof(file) == 0) {
    const size_t count = std::fread(buffer.data(), 1, buffer.size(), file);
    if (std::ferror(file) != 0) {
      return std::unexpected(runtime::Error{errno, std::strerror(errno)});
    }
    text.append(buffer.data(), count);
    if (text.size() > kTextBytesMax) {
      return runtime::fail(fmt::format("larger than {} bytes", kTextBytesMax));
    }
  }
  return text;
}

runtime::Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "re"));
  if (!file) return std::unexpected(runtime::Error{errno, std::strerror(errno)});
  return read_all(file.get());
}

std::vector<std::string> expand_pattern(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return paths;
}

}  // namespace

ConfigFiles process_config_files() {
  return {read_file, expand_pattern, [] { return read_all(stdin); }};
}

runtime::Result<CommandLine> read_command_line(std::span<const std::string_view> arguments,
                                               const ConfigFiles& files, std::string_view version) {
  if (!arguments.empty()) {
    CommandLine only;
    if (arguments[0] == "-v" || arguments[0] == "--version") {
      only.action = CommandLine::Action::show_version;
      return only;
    }
    if (arguments[0] == "-h" || arguments[0] == "--help") {
      only.action = CommandLine::Action::show_help;
      return only;
    }
  }
  const Plan plan = plan_of(arguments);
  Loader loader(files, version);
  runtime::Status status;
  if (plan.file) status = loader.load_file(*plan.file);
  if (status && plan.use_stdin) status = loader.load_stdin();
  for (const auto& words : plan.options) {
    if (status) status = loader.load_option(words);
  }
  if (status) status = loader.check();
  if (!status) return std::unexpected(status.error());
  CommandLine result = loader.finish();
  result.config_file = plan.file.value_or("");
  return result;
}

std::string command_line_help() {
  return R"(Usage: quorate-server [/path/to/quorate.conf] [options] [-]
       quorate-server - (read the configuration from standard input)
       quorate-server -v or --version
       quorate-server -h or --help

Every directive of the configuration file is also an option; options win over the file.

Examples:
       quorate-server (port 6379, data in the working directory)
       quorate-server --port 7777 --dir /var/lib/quorate
       quorate-server /etc/quorate.conf --loglevel verbose
       echo 'maxmemory 128mb' | quorate-server -
)";
}

}  // namespace quorate::server
