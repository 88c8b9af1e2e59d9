#!/usr/bin/env python3
"""RESP3 on the wire, for the client libraries whose Debian versions cannot parse it (redis-py 4.3,
hiredis 0.14).

Checks the types that RESP3 adds and that only they are used after HELLO 3, and back after HELLO 2.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compat_case
import wire


class Resp3(compat_case.ServerCase):
    def setUp(self):
        super().setUp()
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)

    def raw(self, *command):
        self.connection.send(*command)
        return self.connection.read_with_bytes()[1]

    def test_hello_switches_both_ways(self):
        greeting = self.connection.call("HELLO", "3", "SETNAME", "tester")
        self.assertIsInstance(greeting, dict)
        self.assertEqual(greeting[b"proto"], 3)
        self.assertEqual(greeting[b"server"], b"redis")
        self.assertEqual(greeting[b"role"], b"master")
        self.assertEqual(greeting[b"modules"], [])
        self.assertEqual(self.connection.call("CLIENT", "GETNAME"), b"tester")
        self.assertEqual(self.raw("GET", "none"), b"_\r\n")
        self.assertIsInstance(self.connection.call("HELLO", "2"), list)
        self.assertEqual(self.raw("GET", "none"), b"$-1\r\n")

    def test_refused_versions_change_nothing(self):
        for version in ("1", "4", "x"):
            self.assertIsInstance(self.connection.call("HELLO", version), wire.ReplyError)
            self.assertEqual(self.raw("GET", "none"), b"$-1\r\n")

    def test_nulls(self):
        self.connection.call("HELLO", "3")
        self.assertEqual(self.raw("GET", "none"), b"_\r\n")
        self.assertEqual(self.raw("SET", "none", "v", "XX"), b"_\r\n")
        self.assertEqual(self.raw("MGET", "none", "nothing"), b"*2\r\n_\r\n_\r\n")
        self.assertEqual(self.raw("SET", "k", "v", "GET"), b"_\r\n")
        self.assertEqual(self.raw("COMMAND", "INFO", "nosuch"), b"*1\r\n_\r\n")

    def test_maps_and_sets(self):
        self.connection.call("HELLO", "3")
        self.assertEqual(
            self.raw("CONFIG", "GET", "appendfsync"),
            b"%1\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n",
        )
        documentation = self.connection.call("COMMAND", "DOCS", "get")
        self.assertEqual(documentation[b"get"][b"since"], b"1.0.0")
        (description,) = self.connection.call("COMMAND", "INFO", "get")
        self.assertIsInstance(description[2], wire.SetReply)
        self.assertIn(b"readonly", description[2])

    def test_info_is_verbatim_text(self):
        self.connection.call("HELLO", "3")
        raw = self.raw("INFO", "server")
        self.assertEqual(raw[:1], b"=")
        self.assertEqual(raw[raw.index(b"\r\n") + 2 :][:4], b"txt:")

    def test_scan_and_pipelines(self):
        self.connection.call("HELLO", "3")
        replies = self.connection.pipeline(
            [("SET", f"k{i}", i) for i in range(100)] + [("GET", "none")]
        )
        self.assertEqual(replies, [b"OK"] * 100 + [None])
        seen, cursor = set(), b"0"
        while True:
            cursor, keys = self.connection.call("SCAN", cursor, "COUNT", "7")
            seen.update(keys)
            if cursor == b"0":
                break
        self.assertEqual(seen, {b"k%d" % i for i in range(100)})

    def test_errors_stay_simple(self):
        self.connection.call("HELLO", "3")
        self.assertEqual(self.raw("GET"), b"-ERR wrong number of arguments for 'get' command\r\n")

    def test_protocol_is_per_connection(self):
        with self.server.connect(protocol=3) as other:
            self.assertIsNone(other.call("GET", "none"))
            self.assertEqual(self.raw("GET", "none"), b"$-1\r\n")


if __name__ == "__main__":
    compat_case.main()
