#!/usr/bin/env python3
"""redis-cli, unmodified, over RESP2 and RESP3: commands, its scan and big-keys modes, mass
insertion through --pipe."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compat_case
import wire


class RedisCli(compat_case.ServerCase):
    protocol_arguments = ()

    def cli(self, *arguments, data=None, check=True):
        """What redis-cli prints, without the last line end."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.server.port), *self.protocol_arguments, *arguments],
            input=data,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode("utf-8", "backslashreplace").rstrip("\n")

    def expect(self, conversation):
        """Each (command line, printed answer) in one redis-cli session, as a person would type
        it."""
        script = "".join(command + "\n" for command, _ in conversation)
        answers = "\n".join(answer for _, answer in conversation)
        self.assertEqual(self.cli("--no-raw", data=script.encode()), answers)

    def test_connection_commands(self):
        self.expect(
            [
                ("PING", "PONG"),
                ("PING hello", '"hello"'),
                ("ECHO 'a b'", '"a b"'),
                ("CLIENT SETNAME tester", "OK"),
                ("CLIENT GETNAME", '"tester"'),
                ("SELECT 3", "OK"),
                ("SET k three", "OK"),
                ("SELECT 0", "OK"),
                ("GET k", "(nil)"),
                ("SELECT 99", "(error) ERR DB index is out of range"),
                (
                    "AUTH secret",
                    "(error) ERR AUTH <password> called without any password configured for the "
                    "default "
                    "user. Are you sure your configuration is correct?",
                ),
                (
                    "NOSUCH a b",
                    "(error) ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ",
                ),
                ("GET", "(error) ERR wrong number of arguments for 'get' command"),
            ]
        )
        self.assertTrue(self.cli("CLIENT", "ID").isdigit())

    def test_string_commands(self):
        self.expect(
            [
                ("SET k v", "OK"),
                ("SET k w XX GET", '"v"'),
                ("SET k x NX", "(nil)"),
                ("SET k x NX XX", "(error) ERR syntax error"),
                ("SET k x EX 0", "(error) ERR invalid expire time in 'set' command"),
                ("APPEND k abc", "(integer) 4"),
                ("MSET a 1 b 2", "OK"),
                ("MGET a b none", '1) "1"\n2) "2"\n3) (nil)'),
                ("INCR a", "(integer) 2"),
                ("INCRBY a 40", "(integer) 42"),
                ("DECR a", "(integer) 41"),
                ("DECRBY a 1", "(integer) 40"),
                ("INCR k", "(error) ERR value is not an integer or out of range"),
                ("EXISTS a b none a", "(integer) 3"),
                ("DEL a none", "(integer) 1"),
                ("TYPE b", "string"),
                ("TYPE none", "none"),
                ('SET bin "\\x00\\xff\\r\\n"', "OK"),
                ("GET bin", '"\\x00\\xff\\r\\n"'),
            ]
        )

    def test_expiry_commands(self):
        self.expect(
            [
                ("SET k v EX 100", "OK"),
                ("TTL k", "(integer) 100"),
                ("EXPIRE k 200 GT", "(integer) 1"),
                ("EXPIRE k 300 LT", "(integer) 0"),
                ("EXPIRE k 300 NX", "(integer) 0"),
                ("PEXPIRE k 400000 XX", "(integer) 1"),
                ("TTL k", "(integer) 400"),
                ("SET k w KEEPTTL", "OK"),
                ("TTL k", "(integer) 400"),
                ("PERSIST k", "(integer) 1"),
                ("TTL k", "(integer) -1"),
                ("PTTL none", "(integer) -2"),
                ("SET k v PXAT 1", "OK"),
                ("EXISTS k", "(integer) 0"),
            ]
        )

    def test_keyspace_commands(self):
        self.expect(
            [
                ("SET only v", "OK"),
                ("DBSIZE", "(integer) 1"),
                ("KEYS o*", '1) "only"'),
                ("SCAN 0 MATCH o* COUNT 100 TYPE string", '1) "0"\n2) 1) "only"'),
                ("FLUSHDB", "OK"),
                ("DBSIZE", "(integer) 0"),
                ("FLUSHALL SYNC", "OK"),
            ]
        )

    def test_server_commands(self):
        self.assertIn("redis_version:", self.cli("INFO", "server"))
        self.assertIn("maxmemory", self.cli("CONFIG", "GET", "maxmemory*"))
        self.assertEqual(self.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), "OK")
        self.assertIn("allkeys-lru", self.cli("CONFIG", "GET", "maxmemory-policy"))
        self.assertEqual(self.cli("CONFIG", "SET", "maxmemory-policy", "noeviction"), "OK")
        self.assertGreater(int(self.cli("COMMAND", "COUNT")), 20)
        self.assertEqual(self.cli("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"), "a\nb")
        self.assertEqual(self.cli("SAVE"), "OK")
        self.assertIn("Background", self.cli("BGSAVE"))
        self.assertEqual(self.cli("DEBUG", "SLEEP", "0"), "OK")

    def test_scan_mode_lists_every_key_once(self):
        names = {f"user:{i}" for i in range(2000)}
        with self.server.connect() as connection:
            connection.pipeline([("SET", name, "v") for name in names] + [("SET", "other", "v")])
        listed = self.cli("--scan", "--pattern", "user:*").split("\n")
        self.assertEqual(len(listed), 2000)
        self.assertEqual(set(listed), names)

    def test_mass_insertion(self):
        count = 100_000
        stream = b"".join(wire.encode("SET", f"key:{i}", f"value:{i}") for i in range(count))
        self.assertIn(f"errors: 0, replies: {count}", self.cli("--pipe", data=stream))
        self.assertEqual(self.cli("DBSIZE"), str(count))
        self.assertEqual(self.cli("GET", "key:77777"), "value:77777")

    def test_big_keys_mode(self):
        self.cli("SET", "small", "x")
        self.cli("SET", "biggest", "x" * 5000)
        summary = self.cli("--bigkeys")
        self.assertIn("Sampled 2 keys in the keyspace!", summary)
        self.assertIn("""Biggest string found '"biggest"' has 5000 bytes""", summary)

    def test_value_from_standard_input(self):
        value = bytes(range(256)) * 64
        self.assertEqual(self.cli("-x", "SET", "blob", data=value), "OK")
        with self.server.connect() as connection:
            self.assertEqual(connection.call("GET", "blob"), value)


class RedisCliResp3(RedisCli):
    protocol_arguments = ("-3",)

    def test_protocol_in_use(self):
        self.assertIn("3", self.cli("HELLO").split("proto", 1)[1][:10])


if __name__ == "__main__":
    compat_case.main()
