// Commands about the connection: what is typed, and what Redis 7.2 answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr const char* kWrongPassword =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr const char* kBadName =
    "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";

EngineSettings with_password(std::string password) {
  EngineSettings settings;
  settings.password = std::move(password);
  return settings;
}

std::string hello(int protocol, uint64_t id) {
  return (protocol == 3 ? "%7\r\n" : "*14\r\n") + bulk("server") + bulk("redis") + bulk("version") +
         bulk("7.2.0") + bulk("proto") + integer(protocol) + bulk("id") +
         integer(static_cast<int64_t>(id)) + bulk("mode") + bulk("standalone") + bulk("role") +
         bulk("master") + bulk("modules") + "*0\r\n";
}

class ConnectionCommands : public testing::Test {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  CommandHarness harness_;
};

TEST_F(ConnectionCommands, Ping) {
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(run({"ping", "hello"}), bulk("hello"));
  EXPECT_EQ(run({"PING", ""}), bulk(""));
  EXPECT_EQ(run({"PING", "a", "b"}), wrong_arity("ping"));
}

TEST_F(ConnectionCommands, Echo) {
  EXPECT_EQ(run({"ECHO", "text"}), bulk("text"));
  EXPECT_EQ(run({"ECHO"}), wrong_arity("echo"));
}

TEST_F(ConnectionCommands, Select) {
  EXPECT_EQ(run({"SELECT", "15"}), kOk);
  EXPECT_EQ(run({"SELECT", "0"}), kOk);
  EXPECT_EQ(run({"SELECT", "16"}), error("ERR DB index is out of range"));
  EXPECT_EQ(run({"SELECT", "-1"}), error("ERR DB index is out of range"));
  for (const char* text : {"abc", "1.5", " 1", "", "99999999999999999999"}) {
    EXPECT_EQ(run({"SELECT", text}), kNotAnInteger) << text;
  }
  EXPECT_EQ(run({"SELECT", "2147483648"}),
            error("ERR value is out of range, value must between -2147483648 and 2147483647"));
}

TEST_F(ConnectionCommands, SelectWithinAPipeline) {
  Connection& client = harness_.connection();
  client.send(encode_request({"SET", "k", "0"}) + encode_request({"SELECT", "1"}) +
              encode_request({"GET", "k"}) + encode_request({"SET", "k", "1"}) +
              encode_request({"SELECT", "0"}) + encode_request({"GET", "k"}));
  harness_.settle();
  EXPECT_EQ(client.received(), kOk + kOk + kNull + kOk + kOk + bulk("0"));
}

TEST_F(ConnectionCommands, QuitAnswersAndCloses) {
  Connection& client = harness_.connection();
  client.send(encode_request({"PING"}) + encode_request({"QUIT"}) + encode_request({"PING"}));
  harness_.settle();
  EXPECT_EQ(client.received(), "+PONG\r\n" + kOk);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(harness_.control().closed_connections, 1);
}

TEST_F(ConnectionCommands, HelloTellsAndChangesTheProtocol) {
  const uint64_t id = harness_.connection().id();
  EXPECT_EQ(run({"HELLO"}), hello(2, id));
  EXPECT_EQ(run({"HELLO", "3"}), hello(3, id));
  EXPECT_EQ(run({"GET", "none"}), "_\r\n");
  EXPECT_EQ(run({"HELLO"}), hello(3, id));
  EXPECT_EQ(run({"HELLO", "2"}), hello(2, id));
  EXPECT_EQ(run({"GET", "none"}), kNull);
}

TEST_F(ConnectionCommands, HelloOptions) {
  const uint64_t id = harness_.connection().id();
  EXPECT_EQ(run({"HELLO", "2", "SETNAME", "me"}), hello(2, id));
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), bulk("me"));
  EXPECT_EQ(run({"HELLO", "3", "AUTH", "default", "any", "setname", "you"}), hello(3, id));
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), bulk("you"));
  EXPECT_EQ(run({"HELLO", "3", "SETNAME", ""}), hello(3, id));
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), "_\r\n");
}

TEST_F(ConnectionCommands, HelloErrorsChangeNothing) {
  EXPECT_EQ(run({"HELLO", "1"}), error("NOPROTO unsupported protocol version"));
  EXPECT_EQ(run({"HELLO", "4"}), error("NOPROTO unsupported protocol version"));
  EXPECT_EQ(run({"HELLO", "abc"}), error("ERR Protocol version is not an integer or out of range"));
  EXPECT_EQ(run({"HELLO", "3", "Nosuch"}), error("ERR Syntax error in HELLO option 'Nosuch'"));
  EXPECT_EQ(run({"HELLO", "3", "AUTH", "default"}),
            error("ERR Syntax error in HELLO option 'AUTH'"));
  EXPECT_EQ(run({"HELLO", "3", "SETNAME"}), error("ERR Syntax error in HELLO option 'SETNAME'"));
  EXPECT_EQ(run({"HELLO", "3", "SETNAME", "a b"}), kBadName);
  EXPECT_EQ(run({"HELLO", "3", "SETNAME", "me", "AUTH", "nobody", "x"}), kWrongPassword);
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), kNull);
}

TEST_F(ConnectionCommands, AuthWithoutAPassword) {
  EXPECT_EQ(
      run({"AUTH", "secret"}),
      error("ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"));
  EXPECT_EQ(run({"AUTH", "default", "anything"}), kOk);
  EXPECT_EQ(run({"AUTH", "nobody", "anything"}), kWrongPassword);
  EXPECT_EQ(run({"AUTH", "a", "b", "c"}), kSyntaxError);
  EXPECT_EQ(run({"AUTH"}), wrong_arity("auth"));
}

TEST(Authentication, NothingRunsBeforeIt) {
  CommandHarness harness({}, with_password("secret"));
  for (const Words& request : std::vector<Words>{{"PING"}, {"GET", "k"}, {"SELECT", "1"}}) {
    EXPECT_EQ(harness.run(request), error("NOAUTH Authentication required."));
  }
  EXPECT_EQ(harness.run({"AUTH", "wrong!"}), kWrongPassword);
  EXPECT_EQ(harness.run({"AUTH", "secre"}), kWrongPassword);
  EXPECT_EQ(harness.run({"AUTH", "secretsecret"}), kWrongPassword);
  EXPECT_EQ(harness.run({"AUTH", ""}), kWrongPassword);
  EXPECT_EQ(harness.run({"AUTH", "nobody", "secret"}), kWrongPassword);
  EXPECT_EQ(harness.run({"PING"}), error("NOAUTH Authentication required."));
  EXPECT_EQ(harness.run({"AUTH", "secret"}), kOk);
  EXPECT_EQ(harness.run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(harness.run({"AUTH", "wrong"}), kWrongPassword);
  EXPECT_EQ(harness.run({"PING"}), "+PONG\r\n");
}

TEST(Authentication, HelloAuthenticates) {
  CommandHarness harness({}, with_password("secret"));
  const uint64_t id = harness.connection().id();
  EXPECT_THAT(harness.run({"HELLO", "3"}),
              StartsWith("-NOAUTH HELLO must be called with the client already authenticated, "
                         "otherwise the HELLO <proto> AUTH <user> <pass> option can be used"));
  EXPECT_EQ(harness.run({"HELLO", "2", "AUTH", "default", "wrong"}), kWrongPassword);
  EXPECT_EQ(harness.run({"HELLO", "2", "AUTH", "default", "secret"}), hello(2, id));
  EXPECT_EQ(harness.run({"PING"}), "+PONG\r\n");
}

TEST(Authentication, ResetForgetsIt) {
  CommandHarness harness({}, with_password("secret"));
  harness.run({"AUTH", "secret"});
  EXPECT_EQ(harness.run({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(harness.run({"PING"}), error("NOAUTH Authentication required."));
}

TEST(Authentication, LargeRequestsAreRefusedBeforeIt) {
  CommandHarness harness({}, with_password("secret"));
  Connection& client = harness.connection();
  client.send(std::string_view("*11\r\n"));
  harness.settle();
  EXPECT_EQ(client.received(), error("ERR Protocol error: unauthenticated multibulk length"));
  EXPECT_TRUE(client.ended());
  const auto other = harness.connect();
  other->run({"AUTH", "secret"});
  EXPECT_EQ(other->run({"MGET", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}).substr(0, 5),
            "*10\r\n");
}

TEST(Authentication, APasswordSetLaterDoesNotConcernWhoIsInAlready) {
  CommandHarness harness;
  harness.apply(with_password("secret"));
  EXPECT_EQ(harness.run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(harness.connect()->run({"PING"}), error("NOAUTH Authentication required."));
}

TEST_F(ConnectionCommands, ResetGoesBackToTheBeginning) {
  run({"HELLO", "3", "SETNAME", "me"});
  run({"CLIENT", "SETINFO", "LIB-NAME", "lib"});
  run({"CLIENT", "NO-TOUCH", "ON"});
  run({"CLIENT", "NO-EVICT", "ON"});
  run({"SELECT", "5"});
  EXPECT_EQ(run({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), kNull);
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" flags=N db=0 "));
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" lib-name=lib "));
}

TEST_F(ConnectionCommands, ClientNames) {
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), kNull);
  EXPECT_EQ(run({"CLIENT", "SETNAME", "tester"}), kOk);
  EXPECT_EQ(run({"client", "getname"}), bulk("tester"));
  for (const char* name : {"with space", "with\nnewline", "\x01", "\x7f", "\xc3\xa9"}) {
    EXPECT_EQ(run({"CLIENT", "SETNAME", name}), kBadName) << name;
  }
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), bulk("tester"));
  EXPECT_EQ(run({"CLIENT", "SETNAME", ""}), kOk);
  EXPECT_EQ(run({"CLIENT", "GETNAME"}), kNull);
  EXPECT_EQ(run({"CLIENT", "SETNAME"}), wrong_arity("client|setname"));
  EXPECT_EQ(run({"CLIENT"}), wrong_arity("client"));
  EXPECT_EQ(run({"CLIENT", "NoSuch", "x"}),
            error("ERR unknown subcommand 'NoSuch'. Try CLIENT HELP."));
}

TEST_F(ConnectionCommands, ClientSetinfo) {
  EXPECT_EQ(run({"CLIENT", "SETINFO", "LIB-NAME", "tester"}), kOk);
  EXPECT_EQ(run({"CLIENT", "SETINFO", "lib-ver", "1.2.3"}), kOk);
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" lib-name=tester lib-ver=1.2.3\n"));
  EXPECT_EQ(run({"CLIENT", "SETINFO", "lib-ver", ""}), kOk);
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" lib-name=tester lib-ver=\n"));
  EXPECT_EQ(run({"CLIENT", "SETINFO", "Nosuch", "x"}), error("ERR Unrecognized option 'Nosuch'"));
  EXPECT_EQ(run({"CLIENT", "SETINFO", "Lib-Name", "a b"}),
            error("ERR Lib-Name cannot contain spaces, newlines or special characters."));
  EXPECT_EQ(run({"CLIENT", "SETINFO", "lib-name"}), wrong_arity("client|setinfo"));
}

TEST_F(ConnectionCommands, ClientIdsAreUnique) {
  EXPECT_EQ(run({"CLIENT", "ID"}), integer(static_cast<int64_t>(harness_.connection().id())));
  const auto other = harness_.connect();
  EXPECT_EQ(other->run({"CLIENT", "ID"}), integer(static_cast<int64_t>(other->id())));
  EXPECT_NE(other->id(), harness_.connection().id());
}

TEST_F(ConnectionCommands, ClientSwitches) {
  for (const char* command : {"NO-EVICT", "NO-TOUCH"}) {
    EXPECT_EQ(run({"CLIENT", command, "ON"}), kOk);
    EXPECT_EQ(run({"CLIENT", command, "maybe"}), kSyntaxError);
  }
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" flags=eT "));
  EXPECT_EQ(run({"CLIENT", "NO-EVICT", "off"}), kOk);
  EXPECT_EQ(run({"CLIENT", "NO-TOUCH", "Off"}), kOk);
  EXPECT_THAT(run({"CLIENT", "INFO"}), HasSubstr(" flags=N "));
}

TEST_F(ConnectionCommands, ClientInfoDescribesTheConnection) {
  harness_.advance_ms(5'000);
  run({"CLIENT", "SETNAME", "me"});
  run({"SELECT", "2"});
  EXPECT_THAT(run({"CLIENT", "INFO"}),
              MatchesRegex(
                  "\\$[0-9]+\r\nid=1 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=-1 name=me age=5 "
                  "idle=0 flags=N db=2 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 "
                  "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=[0-9]+ events=r "
                  "cmd=client.info user=default redir=-1 resp=2 lib-name= lib-ver=\n\r\n"));
  run({"HELLO", "3"});
  EXPECT_THAT(run({"CLIENT", "INFO"}), MatchesRegex("=[0-9]+\r\ntxt:id=1 .* resp=3 .*\n\r\n"));
}

TEST(ClientList, ShowsTheClientsOfEveryShardInOrder) {
  CommandHarness harness({.shards = 3});
  const auto second = harness.connect(2);
  const auto third = harness.connect(1);
  for (Connection* asking : {&harness.connection(), second.get(), third.get()}) {
    const std::string list = asking->run({"CLIENT", "LIST"});
    EXPECT_THAT(list, MatchesRegex("\\$[0-9]+\r\nid=1 [^\n]+\nid=2 [^\n]+\nid=3 [^\n]+\n\r\n"));
  }
  third->close();
  harness.settle();
  EXPECT_THAT(harness.run({"CLIENT", "LIST"}),
              MatchesRegex("\\$[0-9]+\r\nid=1 [^\n]+\nid=2 [^\n]+\n\r\n"));
}

TEST(ClientList, Filters) {
  CommandHarness harness({.shards = 2});
  const auto second = harness.connect(1);
  const auto third = harness.connect(0);
  EXPECT_THAT(harness.run({"CLIENT", "LIST", "ID", "3", "99", "2"}),
              MatchesRegex("\\$[0-9]+\r\nid=3 [^\n]+\nid=2 [^\n]+\n\r\n"));
  EXPECT_THAT(harness.run({"CLIENT", "LIST", "TYPE", "normal"}), HasSubstr("id=3 "));
  for (const char* type : {"master", "replica", "slave", "PUBSUB"}) {
    EXPECT_EQ(harness.run({"CLIENT", "LIST", "TYPE", type}), bulk("")) << type;
  }
  EXPECT_EQ(harness.run({"CLIENT", "LIST", "TYPE", "Weird"}),
            error("ERR Unknown client type 'Weird'"));
  EXPECT_EQ(harness.run({"CLIENT", "LIST", "ID", "x"}), error("ERR Invalid client ID"));
  EXPECT_EQ(harness.run({"CLIENT", "LIST", "ID"}), kSyntaxError);
  EXPECT_EQ(harness.run({"CLIENT", "LIST", "TYPE"}), kSyntaxError);
  EXPECT_EQ(harness.run({"CLIENT", "LIST", "NONSENSE"}), kSyntaxError);
}

// What gathers from all shards answers late, yet in its place.
TEST(ClientList, KeepsItsPlaceAmongReplies) {
  CommandHarness harness({.shards = 2});
  const std::string here = harness.rig().name_on(0);
  const std::string there = harness.rig().name_on(1);
  Connection& client = harness.connection();
  client.send(encode_request({"SET", there, "1"}) + encode_request({"CLIENT", "LIST"}) +
              encode_request({"PING"}) + encode_request({"GET", there}) +
              encode_request({"GET", here}));
  EXPECT_EQ(client.reply(), kOk);
  EXPECT_THAT(client.reply(), HasSubstr("id=1 "));
  EXPECT_EQ(client.reply(), "+PONG\r\n");
  EXPECT_EQ(client.reply(), bulk("1"));
  EXPECT_EQ(client.reply(), kNull);
}

TEST_F(ConnectionCommands, ClientHelp) {
  const std::string help = run({"CLIENT", "HELP"});
  EXPECT_THAT(help,
              HasSubstr("+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"));
  EXPECT_THAT(help, HasSubstr("+    Return the ID of the current connection.\r\n"));
  EXPECT_THAT(help, testing::EndsWith("+HELP\r\n+    Print this help.\r\n"));
  EXPECT_THAT(help, Not(HasSubstr("KILL")));
}

}  // namespace
}  // namespace quorate::redis
