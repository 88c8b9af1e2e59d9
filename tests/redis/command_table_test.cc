#include "quorate/redis/command_table.h"

#include <bit>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <initializer_list>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "redis/command_reply.h"

namespace quorate::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using WordViews = std::vector<std::string_view>;

class CommandTableTest : public ::testing::Test {
 protected:
  CommandTableTest() { register_all_commands(table_); }

  const CommandSpec& spec(std::string_view name) {
    const CommandSpec* const found = table_.find_full(name);
    if (found == nullptr) throw std::runtime_error("no command " + std::string(name));
    return *found;
  }

  std::vector<size_t> keys(const WordViews& call) {
    KeyIndexes indexes;
    if (!keys_of(*table_.find(Args(call)), call, indexes)) return {999};
    return {indexes.begin(), indexes.end()};
  }

  using Reply = void (*)(const CommandTable&, Args, ReplyWriter&);
  std::string reply(Reply function, const WordViews& request, int protocol = 2) {
    OutputBuffer out;
    ReplyWriter writer(out, protocol);
    function(table_, request, writer);
    return std::string(out.view());
  }

  template <class Check>
  void for_each_spec(Check check) {
    for (const CommandSpec& spec : table_.commands()) {
      check(spec);
      for (const CommandSpec& sub : spec.subcommands) check(sub);
    }
  }

  CommandTable table_;
};

TEST_F(CommandTableTest, FindsNamesInAnyCase) {
  EXPECT_EQ(table_.find("get")->name, "get");
  EXPECT_EQ(table_.find("GET"), table_.find("get"));
  EXPECT_EQ(table_.find("PexpireTime")->name, "pexpiretime");
  for (const CommandSpec& spec : table_.commands()) {
    std::string name(spec.name);
    EXPECT_EQ(table_.find(name), &spec);
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    EXPECT_EQ(table_.find(name), &spec);
    EXPECT_EQ(table_.find(name + "x"), nullptr);
    name.back() = static_cast<char>(name.back() ^ 0x20 ^ 1);
    EXPECT_NE(table_.find(name), &spec);
  }
}

TEST_F(CommandTableTest, DoesNotFindWhatIsNotThere) {
  for (const std::string_view name :
       {"", "g", "ge", "gett", "config|get", "a-much-longer-name-than-any"})
    EXPECT_EQ(table_.find(name), nullptr) << name;
  EXPECT_EQ(table_.find(std::string_view("get\0", 4)), nullptr);
  EXPECT_EQ(table_.find(std::string_view("\0\0\0", 3)), nullptr);
  EXPECT_EQ(table_.find("G\x05T"), nullptr);  // E without its case bit
  EXPECT_EQ(table_.find(std::string(100000, 'x')), nullptr);
}

TEST_F(CommandTableTest, TellsLongNamesApart) {
  table_.add({.name = "georadiusbymember_ro", .summary = "", .since = "", .group = ""});
  table_.add({.name = "georadiusxxmember_ro", .summary = "", .since = "", .group = ""});
  EXPECT_EQ(table_.find("GeoRadiusByMember_RO")->name, "georadiusbymember_ro");
  EXPECT_EQ(table_.find("georadiusxxmember_ro")->name, "georadiusxxmember_ro");
  EXPECT_EQ(table_.find("georadiusyymember_ro"), nullptr);
}

TEST_F(CommandTableTest, FindsSubcommands) {
  EXPECT_EQ(spec("Config|Get").full_name, "config|get");
  EXPECT_EQ(spec("config|get").container, table_.find("config"));
  EXPECT_EQ(table_.find_full("config|nosuch"), nullptr);
  EXPECT_EQ(table_.find_full("get|x"), nullptr);
  EXPECT_EQ(table_.find(WordViews{"CONFIG", "GET", "x"}), &spec("config|get"));
  EXPECT_EQ(table_.find(WordViews{"CONFIG", "nosuch"}), nullptr);
  EXPECT_EQ(table_.find(WordViews{"COMMAND"}), table_.find("command"));
  EXPECT_EQ(table_.find(WordViews{"GET", "GET"}), table_.find("get"));
  EXPECT_EQ(table_.find(Args()), nullptr);
}

TEST_F(CommandTableTest, AttachesFunctions) {
  const CommandHandler handler = [](CommandContext&) {};
  EXPECT_TRUE(table_.attach("get", handler));
  EXPECT_TRUE(table_.attach("config|get", handler));
  EXPECT_FALSE(table_.attach("config|nosuch", handler));
  EXPECT_EQ(spec("GET").handler, handler);
  EXPECT_EQ(spec("config|get").handler, handler);
  EXPECT_EQ(spec("config").handler, nullptr);
}

TEST_F(CommandTableTest, Arity) {
  EXPECT_TRUE(spec("get").arity_fits(2));
  EXPECT_FALSE(spec("get").arity_fits(1));
  EXPECT_FALSE(spec("get").arity_fits(3));
  EXPECT_TRUE(spec("set").arity_fits(3));
  EXPECT_TRUE(spec("set").arity_fits(9));
  EXPECT_FALSE(spec("set").arity_fits(2));
}

TEST_F(CommandTableTest, EveryCommandIsDescribed) {
  std::set<uint16_t> ids;
  for_each_spec([&](const CommandSpec& spec) {
    SCOPED_TRACE(spec.full_name);
    EXPECT_FALSE(spec.summary.empty());
    EXPECT_FALSE(spec.since.empty());
    EXPECT_FALSE(spec.group.empty());
    EXPECT_FALSE(spec.complexity.empty());
    EXPECT_NE(spec.arity, 0);
    EXPECT_TRUE(ids.insert(spec.id).second);
    EXPECT_LT(spec.id, table_.id_count());
    EXPECT_EQ(spec.has(command_flag::kFast), (spec.categories & acl_category::kFast) != 0);
    EXPECT_NE(spec.has(command_flag::kFast), (spec.categories & acl_category::kSlow) != 0);
    EXPECT_FALSE(spec.has(command_flag::kWrite) && spec.has(command_flag::kReadonly));
  });
  EXPECT_EQ(ids.size(), table_.id_count());
}

TEST_F(CommandTableTest, KeysFlagsAndCoordinationAgree) {
  for_each_spec([](const CommandSpec& spec) {
    SCOPED_TRACE(spec.full_name);
    const bool touches_data = spec.has(command_flag::kWrite | command_flag::kReadonly);
    if (spec.coordination == Coordination::node) {
      EXPECT_FALSE(touches_data);
    }
    if (spec.coordination == Coordination::cluster) {
      EXPECT_TRUE(touches_data);
      EXPECT_TRUE(spec.keys.empty());
    }
    const bool keyed = spec.coordination == Coordination::read ||
                       spec.coordination == Coordination::write ||
                       spec.coordination == Coordination::update;
    EXPECT_EQ(keyed, !spec.keys.empty());
    if (keyed) {
      EXPECT_EQ(spec.coordination == Coordination::read, spec.has(command_flag::kReadonly));
      EXPECT_GT(spec.first_key, 0);
      EXPECT_FALSE(spec.arguments.empty());
    }
    for (const KeySpec& keys : spec.keys) {
      const Bits whole =
          keys.flags & (key_flag::kRo | key_flag::kRw | key_flag::kOw | key_flag::kRm);
      EXPECT_EQ(std::popcount(whole), 1);
      EXPECT_EQ(whole == key_flag::kRo, spec.has(command_flag::kReadonly));
    }
  });
}

// In a cluster a request over several keys is run as one for each of them.
TEST_F(CommandTableTest, CommandsOverSeveralKeysNameTheOneForEach) {
  size_t several = 0;
  for_each_spec([&](const CommandSpec& of) {
    if (of.keys.empty() || of.single_key != 0) return;
    ++several;
    const CommandSpec* const one = table_.find_full(of.per_key);
    ASSERT_NE(one, nullptr) << of.name;
    EXPECT_EQ(one->first_key, 1) << of.name;
    EXPECT_EQ(one->has(command_flag::kWrite), of.has(command_flag::kWrite)) << of.name;
    EXPECT_TRUE(one->arity_fits(1 + static_cast<size_t>(of.key_step))) << of.name;
    EXPECT_EQ(of.first_key, 1) << of.name;
    EXPECT_EQ(of.last_key, -1) << of.name;
  });
  EXPECT_GE(several, 6U);
}

// In a cluster a command about all keys is run by every node for its slots.
TEST_F(CommandTableTest, CommandsAboutAllKeysSayHowTheyAreGathered) {
  std::set<std::string_view> gathered;
  for_each_spec([&](const CommandSpec& of) {
    SCOPED_TRACE(of.full_name);
    if (of.gather != Gather::none) gathered.insert(of.full_name);
    const bool about_all_keys =
        of.keys.empty() && (of.has(command_flag::kWrite | command_flag::kReadonly) ||
                            (of.categories & acl_category::kKeyspace) != 0);
    EXPECT_EQ(of.coordination == Coordination::cluster, about_all_keys);
    EXPECT_TRUE(!about_all_keys || of.gather != Gather::none);
    if (of.gather == Gather::none) return;
    EXPECT_TRUE(of.keys.empty());
    EXPECT_NE(of.handler, nullptr);
    EXPECT_NE(of.group, "connection") << "it must wait for what the connection has under way";
    // What is run by other nodes is not run twice: what changes something may say only OK.
    EXPECT_EQ(of.has(command_flag::kWrite), of.gather == Gather::ok);
  });
  EXPECT_EQ(gathered, (std::set<std::string_view>{"dbsize", "flushall", "flushdb", "info", "keys",
                                                  "randomkey", "scan"}));
}

TEST_F(CommandTableTest, FindsKeys) {
  EXPECT_THAT(keys({"GET", "k"}), ElementsAre(1));
  EXPECT_THAT(keys({"set", "k", "v", "EX", "10"}), ElementsAre(1));
  EXPECT_THAT(keys({"MSET", "a", "1", "b", "2"}), ElementsAre(1, 3));
  EXPECT_THAT(keys({"DEL", "a", "b", "c"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(keys({"PING"}), ElementsAre());
  EXPECT_THAT(keys({"GET"}), ElementsAre(999));
  EXPECT_THAT(keys({"MGET"}), ElementsAre(999));
}

TEST_F(CommandTableTest, FindsCountedAndKeywordKeys) {
  static constexpr KeySpec kCounted[] = {
      {.flags = key_flag::kRo, .find = KeySpec::Find::keynum, .key_num_index = 0, .first_key = 1}};
  static constexpr KeySpec kAfterKeyword[] = {{.flags = key_flag::kRo,
                                               .begin = KeySpec::Begin::keyword,
                                               .keyword = "STREAMS",
                                               .start_from = 1,
                                               .last_key = -1,
                                               .limit = 2}};
  const CommandSpec counted = {
      .name = "sintercard", .summary = "", .since = "", .group = "", .keys = kCounted};
  const CommandSpec streams = {
      .name = "xread", .summary = "", .since = "", .group = "", .keys = kAfterKeyword};
  const auto found = [](const CommandSpec& spec, const WordViews& call) {
    KeyIndexes indexes;
    if (!keys_of(spec, call, indexes)) return std::vector<size_t>{999};
    return std::vector<size_t>(indexes.begin(), indexes.end());
  };
  EXPECT_THAT(found(counted, {"sintercard", "2", "a", "b", "LIMIT", "1"}), ElementsAre(2, 3));
  EXPECT_THAT(found(counted, {"sintercard", "0"}), ElementsAre());
  EXPECT_THAT(found(counted, {"sintercard", "3", "a", "b"}), ElementsAre(999));
  EXPECT_THAT(found(counted, {"sintercard", "x", "a"}), ElementsAre(999));
  EXPECT_THAT(found(counted, {"sintercard", "-1", "a"}), ElementsAre(999));
  EXPECT_THAT(found(counted, {"sintercard", "9223372036854775807", "a"}), ElementsAre(999));
  EXPECT_THAT(found(streams, {"xread", "COUNT", "2", "streams", "a", "b", "0", "0"}),
              ElementsAre(4, 5));
  EXPECT_THAT(found(streams, {"xread", "COUNT", "2"}), ElementsAre());
}

TEST_F(CommandTableTest, KeyRangeOfOldClients) {
  EXPECT_EQ(spec("mset").first_key, 1);
  EXPECT_EQ(spec("mset").last_key, -1);
  EXPECT_EQ(spec("mset").key_step, 2);
  EXPECT_EQ(spec("mset").single_key, 0);
  EXPECT_EQ(spec("get").single_key, 1);
  EXPECT_EQ(spec("ping").first_key, 0);
  EXPECT_FALSE(spec("set").has(command_flag::kMovableKeys));
}

TEST_F(CommandTableTest, CommandInfo) {
  const std::string get =
      "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
      "~3\r\n+@read\r\n+@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+"
      "access\r\n"
      "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$"
      "5\r\nindex\r\n:1\r\n"
      "$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:"
      "0\r\n"
      "$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n";
  EXPECT_EQ(reply(reply_command_info, {"COMMAND", "INFO", "GET"}, 3), get);
  EXPECT_EQ(reply(reply_command_info, {"COMMAND", "INFO", "nosuch"}), "*1\r\n$-1\r\n");
  EXPECT_EQ(reply(reply_command_info, {"COMMAND", "INFO", "nosuch"}, 3), "*1\r\n_\r\n");
  EXPECT_EQ(
      reply(reply_command_info, {"COMMAND", "INFO", "config|resetstat"}),
      "*1\r\n*10\r\n$16\r\nconfig|resetstat\r\n:2\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n"
      "+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n*2\r\n"
      "$24\r\nrequest_policy:all_nodes\r\n$29\r\nresponse_policy:all_succeeded\r\n*0\r\n*0\r\n");
  const std::string count = std::to_string(table_.commands().size());
  EXPECT_THAT(reply(reply_command, {"COMMAND"}), StartsWith("*" + count + "\r\n*10\r\n"));
  EXPECT_EQ(reply(reply_command_count, {"COMMAND", "COUNT"}), ":" + count + "\r\n");
}

TEST_F(CommandTableTest, CommandDocs) {
  EXPECT_EQ(
      reply(reply_command_docs, {"COMMAND", "DOCS", "nosuch", "getset"}, 3),
      "%1\r\n$6\r\ngetset\r\n%8\r\n"
      "$7\r\nsummary\r\n$75\r\nReturns the previous string value of a key after setting it to a "
      "new value.\r\n"
      "$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"
      "$10\r\ncomplexity\r\n$4\r\nO(1)\r\n$9\r\ndoc_flags\r\n~1\r\n+deprecated\r\n"
      "$16\r\ndeprecated_since\r\n$5\r\n6.2.0\r\n"
      "$11\r\nreplaced_by\r\n$30\r\n`SET` with the `!GET` argument\r\n"
      "$9\r\narguments\r\n*2\r\n"
      "%4\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n$12\r\ndisplay_text\r\n"
      "$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n"
      "%3\r\n$4\r\nname\r\n$5\r\nvalue\r\n$4\r\ntype\r\n$6\r\nstring\r\n"
      "$12\r\ndisplay_text\r\n$5\r\nvalue\r\n");
  const std::string config = reply(reply_command_docs, {"COMMAND", "DOCS", "config"});
  EXPECT_THAT(config, HasSubstr("$11\r\nsubcommands\r\n*8\r\n$10\r\nconfig|get\r\n"));
}

TEST_F(CommandTableTest, CommandList) {
  const auto list = [this](const WordViews& filter) {
    WordViews request = {"COMMAND", "LIST"};
    request.insert(request.end(), filter.begin(), filter.end());
    return reply(reply_command_list, request);
  };
  EXPECT_EQ(list({"FILTERBY", "PATTERN", "GETD*"}), "*1\r\n$6\r\ngetdel\r\n");
  EXPECT_EQ(list({"filterby", "module", "json"}), "*0\r\n");
  EXPECT_EQ(list({"filterby", "aclcat", "nosuch"}), "*0\r\n");
  EXPECT_THAT(list({"filterby", "aclcat", "String"}), HasSubstr("$3\r\nget\r\n"));
  EXPECT_THAT(list({"filterby", "aclcat", "string"}), Not(HasSubstr("$3\r\ndel\r\n")));
  EXPECT_EQ(list({"filterby", "pattern"}), "-ERR syntax error\r\n");
  EXPECT_EQ(list({"x"}), "-ERR syntax error\r\n");
  EXPECT_THAT(list({}), StartsWith("*" + std::to_string(table_.id_count()) + "\r\n"));
}

TEST_F(CommandTableTest, CommandGetkeys) {
  const auto getkeys = [this](const WordViews& call, bool flags) {
    WordViews request = {"COMMAND", "GETKEYS"};
    request.insert(request.end(), call.begin(), call.end());
    return reply(flags ? reply_command_getkeysandflags : reply_command_getkeys, request);
  };
  EXPECT_EQ(getkeys({"mset", "a", "1", "b", "2"}, false), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(getkeys({"SET", "a", "1", "GET"}, true),
            "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
  EXPECT_EQ(getkeys({"SET", "a", "1", "NX"}, true),
            "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
  EXPECT_EQ(getkeys({"nosuch", "a"}, false), "-ERR Invalid command specified\r\n");
  EXPECT_EQ(getkeys({"ping"}, false), "-ERR The command has no key arguments\r\n");
  EXPECT_EQ(getkeys({"get", "a", "b"}, false),
            "-ERR Invalid number of arguments specified for command\r\n");
}

}  // namespace
}  // namespace quorate::redis
