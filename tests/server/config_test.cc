// A configuration file and a command line, as text, and what becomes of them.
#include "quorate/server/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <set>

#include "server/config_directives.h"
#include "server/config_syntax.h"
#include "server/settings_of.h"
#include "stock_redis_conf.h"

namespace quorate::server {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// The files of a test, in memory.
struct Files {
  std::map<std::string, std::string> texts;
  std::string standard_input;

  [[nodiscard]] ConfigFiles access() const {
    return {[this](const std::string& path) -> runtime::Result<std::string> {
              const auto found = texts.find(path);
              if (found == texts.end()) return runtime::fail("No such file or directory");
              return found->second;
            },
            [this](const std::string& pattern) {  // only "prefix*"
              std::vector<std::string> paths;
              for (const auto& [path, text] : texts) {
                if (path.starts_with(pattern.substr(0, pattern.find('*')))) paths.push_back(path);
              }
              return paths;
            },
            [this]() -> runtime::Result<std::string> { return standard_input; }};
  }
};

using Arguments = std::vector<std::string_view>;

runtime::Result<CommandLine> run(const Arguments& arguments, const Files& files = {}) {
  return read_command_line(arguments, files.access(), "0.1.0");
}

runtime::Result<CommandLine> load(const std::string& text) {
  return run({"q.conf"}, {{{"q.conf", text}}, ""});
}

Config config_of(const runtime::Result<CommandLine>& result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? result->config : Config{};
}

std::string error_of(const runtime::Result<CommandLine>& result) {
  EXPECT_FALSE(result);
  return result ? "" : result.error().message;
}

// The last line of the error of a file with this one line.
std::string reason_of(const std::string& line) {
  const std::string error = error_of(load(line));
  return error.substr(error.rfind('\n') + 1);
}

std::filesystem::path repository() { return QUORATE_SOURCE_DIRECTORY; }

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ConfigFile, NothingGivenIsTheDefaults) {
  const auto result = run({});
  EXPECT_EQ(config_of(result), Config{});
  EXPECT_THAT(result->warnings, IsEmpty());
  EXPECT_EQ(result->config_file, "");
  EXPECT_EQ(result->action, CommandLine::Action::serve);
}

TEST(ConfigFile, EveryKindOfValueArrivesInItsField) {
  const Config config =
      config_of(load("bind 127.0.0.1 -::1\nport 0\nunixsocket \"/tmp/a b\"\nunixsocketperm 750\n"
                     "TIMEOUT 5\nprotected-mode NO\nmaxmemory 2gb\nmaxmemory-policy Allkeys-LRU\n"
                     "appendfsync always\nenable-debug-command local\nslowlog-log-slower-than -1\n"
                     "latency-tracking-info-percentiles 50 99.99\nthreads 3\nmax-disk 10g\n"
                     "loglevel nothing\nrepair-journal yes\njournal-segment-size 1mb\n"));
  EXPECT_THAT(config.bind, ElementsAre("127.0.0.1", "-::1"));
  EXPECT_EQ(config.port, 0);
  EXPECT_EQ(config.unixsocket, "/tmp/a b");
  EXPECT_EQ(config.unixsocketperm, 0750U);
  EXPECT_EQ(config.timeout_s, 5U);
  EXPECT_FALSE(config.protected_mode);
  EXPECT_EQ(config.maxmemory_bytes, uint64_t{2} << 30);
  EXPECT_EQ(config.maxmemory_policy, MaxmemoryPolicy::allkeys_lru);
  EXPECT_EQ(config.appendfsync, AppendFsync::always);
  EXPECT_EQ(config.enable_debug_command, DebugCommand::local);
  EXPECT_EQ(config.slowlog_log_slower_than_us, -1);
  EXPECT_THAT(config.latency_tracking_info_percentiles, ElementsAre(50, 99.99));
  EXPECT_EQ(config.threads, 3U);
  EXPECT_EQ(config.max_disk_bytes, 10'000'000'000U);
  EXPECT_EQ(config.loglevel, LogLevel::nothing);
  EXPECT_TRUE(config.repair_journal);
  EXPECT_EQ(config.journal_segment_size_bytes, 1U << 20);
}

TEST(ConfigFile, MemoryUnitsAreThoseOfRedis) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},
      {"1", 1},
      {"7b", 7},
      {"1k", 1000},
      {"1kb", 1024},
      {"1KB", 1024},
      {"3m", 3'000'000},
      {"3Mb", 3U << 20},
      {"2g", 2'000'000'000},
      {"2gB", 2ULL << 30},
      {"9223372036854775807", 9223372036854775807ULL}};
  for (const auto& [text, bytes] : cases) {
    EXPECT_EQ(config_of(load(std::string("maxmemory ") + text)).maxmemory_bytes, bytes) << text;
  }
  for (const char* text : {"x", "-1", "1.5gb", "50%", "1tb", "kb", "\"\"", "\" 1\"", "1 kb2",
                           "9223372036854775808", "99999999999gb", "99999999999999999999"}) {
    const std::string error = reason_of(std::string("maxmemory ") + text);
    EXPECT_TRUE(error == "argument must be a memory value" || error == "wrong number of arguments")
        << text << ": " << error;
  }
}

TEST(ConfigFile, WrongValuesAreRefusedWithTheWordsOfRedis) {
  const std::pair<const char*, const char*> cases[] = {
      {"port abc", "argument couldn't be parsed into an integer"},
      {"port 07000", "argument couldn't be parsed into an integer"},
      {"port +7", "argument couldn't be parsed into an integer"},
      {"port \"\"", "argument couldn't be parsed into an integer"},
      {"timeout 1.5", "argument couldn't be parsed into an integer"},
      {"port 99999999999999999999", "argument couldn't be parsed into an integer"},
      {"port 70000", "argument must be between 0 and 65535 inclusive"},
      {"port -1", "argument must be between 0 and 65535 inclusive"},
      {"port", "wrong number of arguments"},
      {"port 1 2", "wrong number of arguments"},
      {"maxclients 0", "argument must be between 1 and 4294967295 inclusive"},
      {"protected-mode maybe", "argument must be 'yes' or 'no'"},
      {"maxmemory-policy x",
       "argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, "
       "volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction"},
      {"loglevel loud",
       "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"},
      {"appendfsync often", "argument(s) must be one of the following: everysec, always, no"},
      {"unixsocketperm 999", "argument couldn't be parsed as an octal number"},
      {"unixsocketperm 1000", "argument must be between 0 and 777 inclusive"},
      {"proto-max-bulk-len 1k",
       "argument must be between 1048576 and 9223372036854775807 inclusive"},
      {"journal-segment-size 1k", "argument must be between 1048576 and 4294967296 inclusive"},
      {"client-output-buffer-limit normal 1 2",
       "Wrong number of arguments in buffer limit configuration."},
      {"client-output-buffer-limit master 1 2 3",
       "Invalid client class specified in buffer limit configuration."},
      {"client-output-buffer-limit normal 1 x 3",
       "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
      {"save 60", "Invalid save parameters"},
      {"save 0 1", "Invalid save parameters"},
      {"save a b", "Invalid save parameters"},
      {"latency-tracking-info-percentiles x",
       "Invalid latency-tracking-info-percentiles parameters"},
      {"latency-tracking-info-percentiles nan",
       "Invalid latency-tracking-info-percentiles parameters"},
      {"latency-tracking-info-percentiles 101",
       "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
      {"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."},
      {"dir \"a\\x00b\"", "argument must not contain a NUL byte"},
  };
  for (const auto& [line, reason] : cases) EXPECT_EQ(reason_of(line), reason) << line;
}

TEST(ConfigFile, IgnoredDirectivesAreCheckedToo) {
  const std::pair<const char*, const char*> cases[] = {
      {"rdbchecksum maybe", "argument must be 'yes' or 'no'"},
      {"io-threads 0", "argument must be between 1 and 128 inclusive"},
      {"repl-backlog-size x", "argument must be a memory value"},
      {"shutdown-on-sigterm save foo",
       "argument(s) must be one of the following: default, save, nosave, now, force"},
      {"oom-score-adj-values 1", "wrong number of arguments"},
      {"oom-score-adj-values 0 0 9999",
       "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
      {"notify-keyspace-events QQ", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
      {"maxmemory-clients 500%", "percentage argument must be less or equal to 100"},
      {"maxmemory-clients x%", "argument must be a memory or percent value"},
      {"replicaof a b", "Invalid master port"},
      {"replicaof a", "wrong number of arguments"},
      {"dbfilename a/b", "dbfilename can't be a path, just a filename"},
      {"appendfilename \"\"", "appendfilename can't be empty"},
      {"loadmodule", "Bad directive or wrong number of arguments"},
  };
  for (const auto& [line, reason] : cases) EXPECT_EQ(reason_of(line), reason) << line;
}

TEST(ConfigFile, DoesNotStartWithoutTheAccessRulesItCannotKeep) {
  for (const char* line :
       {"user alice on >secret ~*", "aclfile /etc/users.acl", "rename-command CONFIG \"\""}) {
    EXPECT_THAT(reason_of(line), HasSubstr("not supported; not starting with")) << line;
  }
}

TEST(ConfigFile, AnErrorNamesFileLineTextAndReason) {
  EXPECT_EQ(error_of(load("# comment\n\nport 7000\r\n  foo bar  \nport 1\n")),
            "\n*** FATAL CONFIG FILE ERROR (Quorate 0.1.0) ***\n"
            "Reading the configuration file 'q.conf', at line 4\n"
            ">>> 'foo bar'\n"
            "Bad directive or wrong number of arguments");
  EXPECT_EQ(error_of(run({"none.conf"})),
            "Fatal error, can't open config file 'none.conf': No such file or directory");
}

TEST(ConfigFile, ASecretIsNotShownInAnError) {
  EXPECT_THAT(error_of(load("requirepass geheim zwei")),
              EndsWith(">>> 'requirepass (hidden)'\nwrong number of arguments"));
  EXPECT_THAT(error_of(load("requirepass \"geheim")),
              EndsWith(">>> 'requirepass (hidden)'\nUnbalanced quotes in configuration line"));
  EXPECT_THAT(error_of(run({"--requirepass", "geheim", "zwei"})),
              EndsWith(">>> 'requirepass (hidden)'\nwrong number of arguments"));
}

TEST(ConfigFile, ALaterLineWinsAndSaveAddsUp) {
  EXPECT_EQ(config_of(load("port 1\nport 2\n")).port, 2);
  EXPECT_THAT(config_of(load("save 3600 1 300 100\nsave 60 10000\n")).save,
              ElementsAre(SavePoint{3600, 1}, SavePoint{300, 100}, SavePoint{60, 10000}));
  EXPECT_THAT(config_of(load("save 3600 1\nsave \"\"\n")).save, IsEmpty());
  EXPECT_THAT(config_of(load("save '3600 1'\n")).save, ElementsAre(SavePoint{3600, 1}));
  EXPECT_THAT(config_of(load("bind '127.0.0.1  ' ::1\n")).bind, ElementsAre("127.0.0.1", "::1"));
}

TEST(ConfigFile, OutputLimitsAreSetByClassUnderBothNamesOfReplicas) {
  const Config config =
      config_of(load("client-output-buffer-limit slave 1k 2k 3\n"
                     "client-output-buffer-limit normal 4 5 6 pubsub 7 8 9\n"));
  EXPECT_EQ(config.client_output_buffer_limits[0], (OutputBufferLimit{4, 5, 6}));
  EXPECT_EQ(config.client_output_buffer_limits[1], (OutputBufferLimit{1000, 2000, 3}));
  EXPECT_EQ(config.client_output_buffer_limits[2], (OutputBufferLimit{7, 8, 9}));
}

TEST(ConfigFile, HzIsBroughtIntoItsRange) {
  EXPECT_EQ(config_of(load("hz 0")).hz, 1U);
  EXPECT_EQ(config_of(load("hz 1000")).hz, 500U);
}

TEST(ConfigFile, HalfOfTheCoresServeUnlessThreadsAreGiven) {
  EXPECT_EQ(shard_threads(Config{}, 1), 1U);
  EXPECT_EQ(shard_threads(Config{}, 2), 1U);
  EXPECT_EQ(shard_threads(Config{}, 9), 4U);
  EXPECT_EQ(shard_threads(config_of(load("threads 7")), 2), 7U);
}

TEST(ConfigSyntax, QuotesAndEscapesAreThoseOfRedis) {
  const auto words = [](std::string_view line) {
    return split_line(line).value_or(std::vector<std::string>{"unbalanced"});
  };
  EXPECT_THAT(words(" a  \"b c\"\t'd \"e' "), ElementsAre("a", "b c", "d \"e"));
  EXPECT_THAT(words(R"("\x41\n\r\t\b\a\"\\\q\x4")"), ElementsAre("A\n\r\t\b\a\"\\qx4"));
  EXPECT_THAT(words(R"('it\'s' '\n')"), ElementsAre("it's", "\\n"));
  EXPECT_THAT(words(R"(ab"c d")"), ElementsAre("abc d"));
  EXPECT_THAT(words(R"("" '')"), ElementsAre("", ""));
  EXPECT_THAT(words("  "), IsEmpty());
  for (const char* line : {R"("a)", "'a", R"("a"b)", "'a'b", R"("a\)", R"(a" b"c)"}) {
    EXPECT_FALSE(split_line(line)) << line;
  }
  const std::string bytes("a\0\"\\\n\x7f\xff ", 8);
  EXPECT_THAT(words(quoted_word(bytes)), ElementsAre(bytes));
}

TEST(ConfigInclude, IsReadInItsPlaceAlsoByPattern) {
  Files files{{{"main.conf", "port 1\ninclude sub.conf\ntimeout 9\ninclude conf.d/*\n"},
               {"sub.conf", "port 2\ntimeout 2\n"},
               {"conf.d/a", "databases 3\nmaxclients 3\n"},
               {"conf.d/b", "databases 4\n"}},
              ""};
  const Config config = config_of(run({"main.conf"}, files));
  EXPECT_EQ(config.port, 2);
  EXPECT_EQ(config.timeout_s, 9U);
  EXPECT_EQ(config.databases, 4U);
  EXPECT_EQ(config.maxclients, 3U);
}

TEST(ConfigInclude, AMissingFileIsAnErrorAnEmptyPatternIsNot) {
  EXPECT_THAT(error_of(load("port 1\ninclude none.conf\n")),
              EndsWith("'q.conf', at line 2\n>>> 'include none.conf'\n"
                       "can't open config file 'none.conf': No such file or directory"));
  EXPECT_EQ(config_of(load("include none*\nport 5\n")).port, 5);
  EXPECT_EQ(reason_of("include"), "Bad directive or wrong number of arguments");
  EXPECT_EQ(reason_of("include a b"), "Bad directive or wrong number of arguments");
}

TEST(ConfigInclude, ErrorsNameTheIncludedFile) {
  const Files files{{{"main.conf", "\ninclude sub.conf\n"}, {"sub.conf", "port 1\nport x\n"}}, ""};
  EXPECT_THAT(error_of(run({"main.conf"}, files)),
              HasSubstr("'sub.conf', at line 2\n>>> 'port x'"));
}

TEST(ConfigInclude, LoopsEnd) {
  EXPECT_EQ(reason_of("include q.conf"), "include files are nested more than 16 deep");
  const Files twice{{{"q.conf", "include a*\n"}, {"a1", "include b*\n"}, {"a2", "include b*\n"}},
                    ""};
  EXPECT_TRUE(run({"q.conf"}, twice));
  Files many{{{"q.conf", "include x*\n"}}, ""};
  for (int i = 0; i < 5000; ++i) many.texts["x" + std::to_string(i)] = "";
  EXPECT_THAT(error_of(run({"q.conf"}, many)), EndsWith("more than 4096 configuration files"));
}

TEST(ConfigCommandLine, OptionsWinOverStandardInputOverTheFile) {
  const Files files{{{"q.conf", "port 1\ntimeout 1\nhz 1\n"}}, "port 2\ntimeout 2\n"};
  const auto result = run({"q.conf", "--port", "3", "-"}, files);
  const Config config = config_of(result);
  EXPECT_EQ(config.port, 3);
  EXPECT_EQ(config.timeout_s, 2U);
  EXPECT_EQ(config.hz, 1U);
  EXPECT_EQ(result->config_file, "q.conf");
  EXPECT_EQ(config_of(run({"-", "--port", "4"}, files)).timeout_s, 2U);
  EXPECT_EQ(config_of(run({"-"}, files)).port, 2);
}

TEST(ConfigCommandLine, ValuesAreReadAsRedisServerReadsThem) {
  EXPECT_THAT(config_of(run({"--bind", "127.0.0.1", "-::1", "--port", "5"})).bind,
              ElementsAre("127.0.0.1", "-::1"));
  EXPECT_EQ(config_of(run({"--port 6380", "--hz", "5"})).port, 6380);
  EXPECT_EQ(config_of(run({"--requirepass", "--abc", "--port", "5"})).requirepass, "--abc");
  EXPECT_EQ(config_of(run({"--requirepass", "a b\"\\\n"})).requirepass, "a b\"\\\n");
  EXPECT_THAT(config_of(run({"--save", "60", "1", "--save", "70 2"})).save,
              ElementsAre(SavePoint{60, 1}, SavePoint{70, 2}));
  EXPECT_THAT(config_of(run({"--save", "60", "1", "--save"})).save, IsEmpty());
  EXPECT_EQ(config_of(run({"--save", "--port", "5"})).port, 5);
  EXPECT_EQ(config_of(run({"--save", "", "--port", "5"})).port, 5);
  EXPECT_EQ(config_of(run({"--PORT", "5"})).port, 5);
}

TEST(ConfigCommandLine, ErrorsNameTheOption) {
  EXPECT_EQ(error_of(run({"--port", "1", "--foo", "bar"})),
            "\n*** FATAL CONFIG FILE ERROR (Quorate 0.1.0) ***\nReading the command line\n"
            ">>> 'foo \"bar\"'\nBad directive or wrong number of arguments");
  EXPECT_THAT(error_of(run({"--port"})), EndsWith(">>> 'port'\nwrong number of arguments"));
  EXPECT_THAT(error_of(run({"--port", "--hz", "5"})),
              EndsWith(">>> 'port \"--hz\" \"5\"'\nwrong number of arguments"));
  EXPECT_THAT(error_of(run({"q.conf", "hz", "abc"}, {{{"q.conf", ""}}, ""})),
              EndsWith(">>> 'hz \"abc\"'\nargument couldn't be parsed into an integer"));
  EXPECT_THAT(error_of(run({"--include", "none"})), HasSubstr("can't open config file 'none'"));
  EXPECT_THAT(error_of(run({"-"}, {{}, "port x"})), HasSubstr("Reading standard input, at line 1"));
}

TEST(ConfigCommandLine, VersionAndHelpOnlyComeFirst) {
  for (const char* word : {"-v", "--version"}) {
    EXPECT_EQ(run({word})->action, CommandLine::Action::show_version);
  }
  for (const char* word : {"-h", "--help"}) {
    EXPECT_EQ(run({word})->action, CommandLine::Action::show_help);
  }
  EXPECT_THAT(error_of(run({"--port", "1", "--version"})), HasSubstr(">>> 'version'"));
  EXPECT_THAT(command_line_help(), StartsWith("Usage: quorate-server"));
}

TEST(ConfigWarnings, AStockRedisConfStartsWithOneLineForAllThatIsIgnored) {
  const auto result = load(std::string(kStockRedis70));
  const Config config = config_of(result);
  EXPECT_EQ(config.dir, "/var/lib/redis");
  EXPECT_THAT(config.bind, ElementsAre("127.0.0.1", "-::1"));
  ASSERT_EQ(result->warnings.size(), 3U);
  EXPECT_THAT(result->warnings[0], HasSubstr("'daemonize yes'"));
  EXPECT_THAT(result->warnings[1], HasSubstr("'appendonly no'"));
  EXPECT_THAT(result->warnings[2],
              StartsWith("directives without a meaning here, accepted and ignored: "
                         "always-show-logo, set-proc-title, proc-title-template, "));
  EXPECT_THAT(result->warnings[2], EndsWith(", jemalloc-bg-thread"));
  EXPECT_THAT(result->warnings[2], testing::Not(HasSubstr("lazyfree")));
}

TEST(ConfigWarnings, AStockRedisConfOf72Starts) {
  const auto result = load(std::string(kStockRedis70) + std::string(kStockRedis72));
  EXPECT_EQ(config_of(result).dir, "./");
  EXPECT_THAT(result->warnings.back(), HasSubstr(", locale-collate, set-max-listpack-entries"));
  for (const std::string_view line : kCommentedInStock) {
    EXPECT_TRUE(load(std::string(line))) << line;
  }
}

TEST(ConfigWarnings, SavePointsHaveNoEffectAndARepeatedDirectiveIsNamedOnce) {
  const auto result = load("save 60 1\nrdbchecksum yes\nslave-read-only no\nRDBchecksum no\n");
  ASSERT_TRUE(result);
  ASSERT_EQ(result->warnings.size(), 2U);
  EXPECT_THAT(result->warnings[0], StartsWith("'save' has no effect"));
  EXPECT_THAT(result->warnings[1], EndsWith("ignored: rdbchecksum, replica-read-only"));
}

// ---- the cluster

TEST(ConfigOfTheCluster, EveryDirectiveArrivesInItsField) {
  const Config config =
      config_of(load("cluster-enabled yes\ncluster-port 7777\ncluster-announce-ip 10.1.1.5\n"
                     "cluster-announce-port 7001\ncluster-announce-bus-port 17001\n"
                     "cluster-seeds one:7000 10.0.0.2:7000@8000\ncluster-seeds [::1]:7000\n"
                     "cluster-name orders\ncluster-secret \"s e\"\nzone rack-1\nweight 20\n"
                     "replicas 5\nread-quorum 1\nwrite-quorum 4\nsiblings-max 9\n"
                     "conflict-policy session: lww\nconflict-policy * lww cart:* siblings\n"));
  EXPECT_TRUE(config.cluster_enabled);
  EXPECT_EQ(config.cluster_port, 7777);
  EXPECT_EQ(config.cluster_announce_ip, "10.1.1.5");
  EXPECT_EQ(config.cluster_announce_port, 7001);
  EXPECT_EQ(config.cluster_announce_bus_port, 17001);
  EXPECT_THAT(config.cluster_seeds, ElementsAre("one:7000", "10.0.0.2:7000@8000", "[::1]:7000"));
  EXPECT_EQ(config.cluster_name, "orders");
  EXPECT_EQ(config.cluster_secret, "s e");
  EXPECT_EQ(config.zone, "rack-1");
  EXPECT_EQ(config.weight, 20U);
  EXPECT_EQ(config.replicas, 5U);
  EXPECT_EQ(config.read_quorum, 1U);
  EXPECT_EQ(config.write_quorum, 4U);
  EXPECT_EQ(config.siblings_max, 9U);
  using enum cluster::ConflictPolicy;
  EXPECT_THAT(config.conflict_rules,
              ElementsAre(cluster::ConflictRule{"session:", lww}, cluster::ConflictRule{"", lww},
                          cluster::ConflictRule{"cart:", siblings}));
  EXPECT_EQ(find_directive("conflict-policy")->get(config), "session: lww * lww cart: siblings");
}

TEST(ConfigOfTheCluster, WhatIsNoValueIsRefused) {
  EXPECT_EQ(reason_of("cluster-announce-ip node-1"), "argument must be an IPv4 or IPv6 address");
  EXPECT_EQ(reason_of("cluster-announce-ip 10.0.0"), "argument must be an IPv4 or IPv6 address");
  for (const char* seed : {"one", "one:", ":7000", "one:0", "one:65536", "one:60000", "one:7000@",
                           "one:7000@0", "one:7000@x"}) {
    EXPECT_EQ(reason_of(std::string("cluster-seeds ") + seed),
              "argument(s) must be host:port or host:port@bus-port")
        << seed;
  }
  EXPECT_EQ(reason_of("conflict-policy a"), "arguments must be pairs of prefix and policy");
  EXPECT_EQ(reason_of("conflict-policy a newest"),
            "argument(s) must be one of the following: siblings, lww");
  EXPECT_EQ(reason_of("conflict-policy " + std::string(1025, 'p') + " lww"),
            "a prefix must be at most 1024 bytes long");
  EXPECT_EQ(reason_of("weight 0"), "argument must be between 1 and 1000 inclusive");
  EXPECT_EQ(reason_of("replicas 16"), "argument must be between 1 and 15 inclusive");
  EXPECT_EQ(reason_of("cluster-name " + std::string(256, 'n')),
            "argument must be at most 255 bytes long");
  EXPECT_EQ(reason_of("cluster-enabled maybe"), "argument must be 'yes' or 'no'");
  EXPECT_THAT(error_of(load("cluster-secret \"s3cret")), Not(HasSubstr("s3cret")));
}

TEST(ConfigOfTheCluster, WhatDoesNotGoTogetherStopsAtTheLineThatCameLast) {
  EXPECT_EQ(error_of(load("replicas 3\nport 1\nwrite-quorum 4\ntimeout 1\n")),
            "\n*** FATAL CONFIG FILE ERROR (Quorate 0.1.0) ***\n"
            "Reading the configuration file 'q.conf', at line 3\n>>> 'write-quorum 4'\n"
            "write-quorum 4 is more than there are copies: replicas 3");
  EXPECT_THAT(error_of(load("read-quorum 3\nreplicas 5\nreplicas 2\n")),
              HasSubstr("at line 3\n>>> 'replicas 2'\n"));
  EXPECT_THAT(error_of(run({"--replicas", "1"})),
              HasSubstr("Reading the command line\n>>> 'replicas \"1\"'\nread-quorum 2 is more"));
  EXPECT_TRUE(load("write-quorum 4\nreplicas 4\n")) << "in whatever order";
  EXPECT_TRUE(load("replicas 1\nread-quorum 1\nwrite-quorum 1\n"));
}

TEST(ConfigOfTheCluster, BecomesSettingsOfTheControlPlane) {
  const auto settings = [](const std::string& text) {
    return cluster_settings(config_of(load(text)));
  };
  const ClusterControlSettings usual = settings("");
  EXPECT_EQ(usual.address, (cluster::NodeAddress{"", 6379, 16379}));
  EXPECT_EQ(usual.quorum, cluster::Quorum{});
  EXPECT_EQ(settings("bind 127.0.0.1 -::1\nport 7001\n").address,
            (cluster::NodeAddress{"127.0.0.1", 7001, 17001}));
  EXPECT_EQ(settings("cluster-port 9000\nbind 10.0.0.1 *\n").address,
            (cluster::NodeAddress{"", 6379, 9000}));
  EXPECT_EQ(settings("bind 10.0.0.1\ncluster-announce-ip 1.2.3.4\ncluster-announce-port 80\n"
                     "cluster-announce-bus-port 81\n")
                .address,
            (cluster::NodeAddress{"1.2.3.4", 80, 81}));
  const ClusterControlSettings given =
      settings("cluster-seeds one:7000 [::1]:7000@9\nzone z\nweight 2\nreplicas 4\n");
  EXPECT_THAT(given.seeds, ElementsAre(ClusterSeed{"one", 17000}, ClusterSeed{"::1", 9}));
  EXPECT_EQ(given.zone, "z");
  EXPECT_EQ(given.weight, 2U);
  EXPECT_EQ(given.quorum, (cluster::Quorum{4, 2, 2}));
  EXPECT_TRUE(given.conflict_policies.empty());
  EXPECT_EQ(settings("conflict-policy a lww\n").conflict_policies.of_key("abc"),
            cluster::ConflictPolicy::lww);
  EXPECT_EQ(peer_port(config_of(load("port 60000\n"))), 0) << "there is none above it";
}

TEST(ConfigDirectives, NamesAndAliasesAreUnique) {
  std::set<std::string_view> names;
  for (const Directive& directive : directives()) {
    EXPECT_TRUE(names.insert(directive.name).second) << directive.name;
    if (directive.alias.empty()) continue;
    EXPECT_TRUE(names.insert(directive.alias).second) << directive.alias;
  }
}

TEST(ConfigDirectives, EveryDefaultIsAcceptedAndStaysWhatItIs) {
  for (const Directive& directive : directives()) {
    if (directive.has(kFileOnly)) continue;
    Config config;
    const std::string value = directive.get(config);
    const std::string_view word = value;
    if (directive.name == "replicaof") continue;  // its default is to have none
    EXPECT_TRUE(apply_directive(directive, config, Words(&word, 1))) << directive.name;
    EXPECT_EQ(directive.get(config), value) << directive.name;
    EXPECT_EQ(directive.summary.empty(), directive.has(kIgnored)) << directive.name;
  }
}

TEST(ConfigDocumentation, TheShippedFileIsTheDefaultsWithoutAWarning) {
  const std::string shipped = text_of(repository() / "conf/quorate.conf");
  ASSERT_FALSE(shipped.empty());
  const auto result = load(shipped);
  EXPECT_EQ(config_of(result), Config{});
  EXPECT_THAT(result->warnings, IsEmpty());
}

TEST(ConfigDocumentation, TheShippedFileExplainsEveryTypedDirective) {
  std::ifstream in(repository() / "conf/quorate.conf");
  ASSERT_TRUE(in);
  std::map<std::string, std::string, std::less<>> comments;  // directive -> the comment above it
  std::string comment;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      comment.clear();
    } else if (line.front() == '#') {
      comment += line;
    } else {
      EXPECT_FALSE(comment.empty()) << line << " has no comment";
      comments[line.substr(0, line.find(' '))] += comment;
      comment.clear();
    }
  }
  for (const Directive& directive : directives()) {
    if (directive.has(kIgnored)) continue;
    const auto found = comments.find(directive.name);
    ASSERT_NE(found, comments.end()) << directive.name << " is not in conf/quorate.conf";
    EXPECT_EQ(found->second.find("[runtime]") != std::string::npos, directive.has(kMutable))
        << directive.name;
  }
}

TEST(ConfigFilesOfTheProcess, AreReadAndExpanded) {
  std::string name = (std::filesystem::temp_directory_path() / "quorate-config-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path directory = name;
  std::ofstream(directory / "b.conf") << "port 2\n";
  std::ofstream(directory / "a.conf") << "port 1\ntimeout 1\n";
  std::ofstream(directory / "main") << "include " << (directory / "*.conf").string() << "\n";
  const ConfigFiles files = process_config_files();
  const std::string main = (directory / "main").string();
  const Config config = config_of(read_command_line(Arguments{main}, files, "0.1.0"));
  EXPECT_EQ(config.port, 2);
  EXPECT_EQ(config.timeout_s, 1U);
  EXPECT_THAT(error_of(read_command_line(Arguments{name}, files, "0.1.0")),
              EndsWith("': Is a directory"));
  EXPECT_THAT(error_of(read_command_line(Arguments{"/dev/zero"}, files, "0.1.0")),
              EndsWith("larger than 16777216 bytes"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace quorate::server
