// hiredis, unmodified, its synchronous interface. RESP2 always; RESP3 where the installed hiredis
// parses it (1.0 and later; Debian 12 has 0.14, for which resp3_test.py looks at the wire instead).
//
// Finds its server in QUORATE_TEST_HOST and QUORATE_TEST_PORT (server.py runs it). Exit code 0 when
// all checks hold.

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <hiredis/hiredis.h>
#include <memory>
#include <string>
#include <vector>

namespace {

int checks = 0;
int failures = 0;

void check(bool holds, const std::string& what) {
  ++checks;
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
}

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

class Client {
 public:
  Client() {
    const char* host = std::getenv("QUORATE_TEST_HOST");
    const char* port = std::getenv("QUORATE_TEST_PORT");
    if (host == nullptr || port == nullptr) {
      std::fputs("QUORATE_TEST_HOST and QUORATE_TEST_PORT are not set\n", stderr);
      std::exit(1);
    }
    context_.reset(redisConnect(host, std::atoi(port)));
    if (!context_ || context_->err != 0) {
      std::fputs("cannot connect\n", stderr);
      std::exit(1);
    }
  }

  Reply call(const std::vector<std::string>& command) {
    std::vector<const char*> arguments;
    std::vector<size_t> lengths;
    split(command, arguments, lengths);
    return take(redisCommandArgv(context_.get(), static_cast<int>(command.size()), arguments.data(),
                                 lengths.data()),
                command);
  }

  void append(const std::vector<std::string>& command) {
    std::vector<const char*> arguments;
    std::vector<size_t> lengths;
    split(command, arguments, lengths);
    redisAppendCommandArgv(context_.get(), static_cast<int>(command.size()), arguments.data(),
                           lengths.data());
  }

  Reply next() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) reply = nullptr;
    return take(reply, {"(pipeline)"});
  }

  Reply formatted(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    void* reply = redisvCommand(context_.get(), format, arguments);
    va_end(arguments);
    return take(reply, {format});
  }

 private:
  struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  static void split(const std::vector<std::string>& command, std::vector<const char*>& arguments,
                    std::vector<size_t>& lengths) {
    for (const std::string& argument : command) {
      arguments.push_back(argument.data());
      lengths.push_back(argument.size());
    }
  }

  // Without a reply the connection is lost and nothing after it means anything.
  Reply take(void* reply, const std::vector<std::string>& command) {
    if (reply == nullptr) {
      std::fprintf(stderr, "no reply to %s: %s\n", command[0].c_str(), context_->errstr);
      std::exit(1);
    }
    return Reply(static_cast<redisReply*>(reply));
  }

  std::unique_ptr<redisContext, FreeContext> context_;
};

using Command = std::vector<std::string>;

std::string shown(const Command& command) {
  std::string line;
  for (const std::string& argument : command) line += argument.substr(0, 40) + " ";
  return line;
}

void expect_text(Client& client, const Command& command, int type, const std::string& text) {
  const Reply reply = client.call(command);
  check(reply->type == type &&
            std::string(reply->str == nullptr ? "" : reply->str, reply->len) == text,
        shown(command) + "answered " +
            (reply->str == nullptr ? "no text" : std::string(reply->str, reply->len)));
}
void expect_status(Client& client, const Command& command, const std::string& text = "OK") {
  expect_text(client, command, REDIS_REPLY_STATUS, text);
}
void expect_string(Client& client, const Command& command, const std::string& text) {
  expect_text(client, command, REDIS_REPLY_STRING, text);
}
void expect_error(Client& client, const Command& command, const std::string& text) {
  expect_text(client, command, REDIS_REPLY_ERROR, text);
}
void expect_integer(Client& client, const Command& command, long long value) {
  const Reply reply = client.call(command);
  check(reply->type == REDIS_REPLY_INTEGER && reply->integer == value,
        shown(command) + "answered " + std::to_string(reply->integer));
}
void expect_nil(Client& client, const Command& command) {
  check(client.call(command)->type == REDIS_REPLY_NIL, shown(command) + "is not nil");
}

void test_connection(Client& client) {
  expect_status(client, {"FLUSHALL"});
  expect_status(client, {"PING"}, "PONG");
  expect_string(client, {"PING", "hello"}, "hello");
  expect_string(client, {"ECHO", std::string("\0\xff\r\n", 4)}, std::string("\0\xff\r\n", 4));
  expect_status(client, {"CLIENT", "SETNAME", "hiredis"});
  expect_string(client, {"CLIENT", "GETNAME"}, "hiredis");
  check(client.call({"CLIENT", "ID"})->integer > 0, "CLIENT ID");
  expect_status(client, {"SELECT", "2"});
  expect_status(client, {"SET", "k", "two"});
  expect_status(client, {"SELECT", "0"});
  expect_nil(client, {"GET", "k"});
  expect_error(client, {"SELECT", "16"}, "ERR DB index is out of range");
  expect_error(client, {"NOSUCH", "a"},
               "ERR unknown command 'NOSUCH', with args beginning with: 'a' ");
  expect_error(client, {"GET"}, "ERR wrong number of arguments for 'get' command");
  expect_error(client, {"AUTH", "x"},
               "ERR AUTH <password> called without any password configured for the default user. "
               "Are you sure your "
               "configuration is correct?");
}

void test_strings(Client& client) {
  expect_status(client, {"SET", "k", "v"});
  expect_nil(client, {"SET", "k", "w", "NX"});
  expect_string(client, {"SET", "k", "w", "XX", "GET"}, "v");
  expect_error(client, {"SET", "k", "w", "XX", "NX"}, "ERR syntax error");
  expect_error(client, {"SET", "k", "w", "EX", "0"}, "ERR invalid expire time in 'set' command");
  expect_integer(client, {"APPEND", "k", "xyz"}, 4);
  expect_status(client, {"MSET", "a", "1", "b", "2"});
  const Reply values = client.call({"MGET", "a", "none", "b"});
  check(values->type == REDIS_REPLY_ARRAY && values->elements == 3 &&
            values->element[1]->type == REDIS_REPLY_NIL &&
            std::string(values->element[2]->str) == "2",
        "MGET a none b");
  expect_integer(client, {"INCR", "a"}, 2);
  expect_integer(client, {"INCRBY", "a", "9223372036854775805"}, 9223372036854775807LL);
  expect_error(client, {"INCR", "a"}, "ERR increment or decrement would overflow");
  expect_integer(client, {"DECR", "b"}, 1);
  expect_integer(client, {"DECRBY", "b", "3"}, -2);
  expect_error(client, {"INCR", "k"}, "ERR value is not an integer or out of range");
  expect_integer(client, {"EXISTS", "a", "b", "a", "none"}, 3);
  expect_integer(client, {"DEL", "a", "b", "none"}, 2);
  const std::string large(1 << 20, 'L');
  expect_status(client, {"SET", "large", large});
  expect_string(client, {"GET", "large"}, large);
  const Reply formatted = client.formatted("SET %b %b", "f\0k", size_t{3}, "v\0v", size_t{3});
  check(formatted->type == REDIS_REPLY_STATUS, "SET %b %b");
  expect_string(client, {"GET", std::string("f\0k", 3)}, std::string("v\0v", 3));
}

void test_expiry(Client& client) {
  expect_status(client, {"SET", "k", "v", "EX", "100"});
  expect_integer(client, {"TTL", "k"}, 100);
  expect_integer(client, {"EXPIRE", "k", "200", "GT"}, 1);
  expect_integer(client, {"PEXPIRE", "k", "300000", "LT"}, 0);
  expect_status(client, {"SET", "k", "w", "KEEPTTL"});
  expect_integer(client, {"TTL", "k"}, 200);
  expect_status(client, {"SET", "k", "w", "EXAT", std::to_string(std::time(nullptr) + 1000)});
  check(client.call({"PTTL", "k"})->integer > 990000, "PTTL after EXAT");
  expect_integer(client, {"PERSIST", "k"}, 1);
  expect_integer(client, {"TTL", "k"}, -1);
  expect_integer(client, {"TTL", "none"}, -2);
  expect_status(client, {"TYPE", "k"}, "string");
}

void test_keyspace_and_server(Client& client) {
  expect_status(client, {"FLUSHDB"});
  for (int i = 0; i < 1000; ++i)
    client.append({"SET", "key" + std::to_string(i), std::to_string(i)});
  for (int i = 0; i < 1000; ++i) check(client.next()->type == REDIS_REPLY_STATUS, "pipelined SET");
  for (int i = 0; i < 1000; ++i) client.append({"GET", "key" + std::to_string(i)});
  for (int i = 0; i < 1000; ++i)
    check(std::string(client.next()->str) == std::to_string(i), "pipelined GET");
  expect_integer(client, {"DBSIZE"}, 1000);
  std::string cursor = "0";
  std::size_t seen = 0;
  do {
    const Reply reply =
        client.call({"SCAN", cursor, "MATCH", "key*", "COUNT", "50", "TYPE", "string"});
    cursor = reply->element[0]->str;
    seen += reply->element[1]->elements;
  } while (cursor != "0");
  check(seen >= 1000, "SCAN saw every key");
  check(client.call({"KEYS", "key99?"})->elements == 10, "KEYS key99?");
  check(client.call({"COMMAND", "COUNT"})->integer > 20, "COMMAND COUNT");
  check(client.call({"COMMAND", "INFO", "get"})->elements == 1, "COMMAND INFO get");
  check(client.call({"CONFIG", "GET", "appendfsync"})->elements >= 2, "CONFIG GET");
  expect_status(client, {"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  check(std::string(client.call({"INFO"})->str).find("redis_version:") != std::string::npos,
        "INFO");
  expect_status(client, {"SAVE"});
  expect_status(client, {"DEBUG", "SLEEP", "0"});
  expect_status(client, {"FLUSHALL", "ASYNC"});
}

#if HIREDIS_MAJOR >= 1
void test_resp3(Client& client) {
  const Reply greeting = client.call({"HELLO", "3"});
  check(greeting->type == REDIS_REPLY_MAP, "HELLO 3 is a map");
  expect_nil(client, {"GET", "none"});
  check(client.call({"CONFIG", "GET", "appendfsync"})->type == REDIS_REPLY_MAP,
        "CONFIG GET is a map");
  check(client.call({"INFO"})->type == REDIS_REPLY_VERB, "INFO is verbatim");
}
#endif

}  // namespace

int main() {
  Client client;
  test_connection(client);
  test_strings(client);
  test_expiry(client);
  test_keyspace_and_server(client);
#if HIREDIS_MAJOR >= 1
  Client resp3;
  test_resp3(resp3);
  test_connection(resp3);
  test_strings(resp3);
  test_expiry(resp3);
  test_keyspace_and_server(resp3);
#else
  std::printf("hiredis %d.%d parses RESP2 only\n", HIREDIS_MAJOR, HIREDIS_MINOR);
#endif
  std::printf("%d passed, %d failed\n", checks - failures, failures);
  return failures == 0 ? 0 : 1;
}
