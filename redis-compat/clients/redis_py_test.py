#!/usr/bin/env python3
"""redis-py, unmodified: RESP2, and RESP3 where the installed version can (5.0 and later; Debian 12
has 4.3).

resp3_test.py covers RESP3 on the wire for the versions that cannot.
"""

import pathlib
import sys
import threading
import time
import unittest

import redis

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compat_case


class RedisPy(compat_case.ServerCase):
    protocol_options = {}

    def setUp(self):
        super().setUp()
        self.client = redis.Redis(port=self.server.port, socket_timeout=30, **self.protocol_options)
        self.addCleanup(self.client.close)

    def assert_error(self, text, *command):
        with self.assertRaises(redis.ResponseError) as caught:
            self.client.execute_command(*command)
        self.assertEqual(str(caught.exception), text)

    def test_connection(self):
        client = self.client
        self.assertTrue(client.ping())
        self.assertEqual(client.echo(b"\x00\xff"), b"\x00\xff")
        single = redis.Redis(
            port=self.server.port, single_connection_client=True, client_name="tester"
        )
        self.addCleanup(single.close)
        self.assertEqual(single.client_getname(), "tester")
        self.assertGreater(single.client_id(), 0)
        self.assertTrue(single.client_setname("other"))
        self.assertEqual(single.client_getname(), "other")
        with self.assertRaises(redis.ResponseError):
            redis.Redis(port=self.server.port, db=99).ping()
        with self.assertRaises((redis.AuthenticationError, redis.ResponseError)):
            redis.Redis(port=self.server.port, password="wrong").ping()

    def test_databases_are_separate(self):
        other = redis.Redis(port=self.server.port, db=5)
        self.addCleanup(other.close)
        self.client.set("k", "zero")
        other.set("k", "five")
        self.assertEqual(self.client.get("k"), b"zero")
        self.assertTrue(other.flushdb())
        self.assertEqual((self.client.dbsize(), other.dbsize()), (1, 0))
        self.assertTrue(self.client.flushall(asynchronous=True))
        self.assertEqual(self.client.dbsize(), 0)

    def test_set_options(self):
        client = self.client
        self.assertTrue(client.set("k", "v", nx=True))
        self.assertIsNone(client.set("k", "w", nx=True))
        self.assertEqual(client.set("k", "w", xx=True, get=True), b"v")
        self.assertIsNone(client.set("none", "w", xx=True))
        self.assertTrue(client.set("k", "v", ex=100))
        self.assertTrue(client.set("k", "w", keepttl=True))
        self.assertEqual(client.ttl("k"), 100)
        self.assertTrue(client.set("k", "v", px=100_000))
        self.assertTrue(99_000 < client.pttl("k") <= 100_000)
        self.assertTrue(client.set("k", "v", exat=int(time.time()) + 50))
        self.assertTrue(48 <= client.ttl("k") <= 50)
        self.assertTrue(client.set("k", "v", pxat=int(time.time() * 1000) + 50_000))
        self.assertTrue(48 <= client.ttl("k") <= 50)
        self.assertTrue(client.set("k", "v"))
        self.assertEqual(client.ttl("k"), -1)

    def test_set_errors(self):
        self.assert_error("syntax error", "SET", "k", "v", "NX", "XX")
        self.assert_error("syntax error", "SET", "k", "v", "EX", "10", "KEEPTTL")
        self.assert_error("syntax error", "SET", "k", "v", "EX", "10", "PX", "10")
        self.assert_error("syntax error", "SET", "k", "v", "NONSENSE")
        self.assert_error("invalid expire time in 'set' command", "SET", "k", "v", "PX", "-1")
        self.assert_error("value is not an integer or out of range", "SET", "k", "v", "EX", "abc")
        self.assert_error("wrong number of arguments for 'set' command", "SET", "k")

    def test_strings_and_counters(self):
        client = self.client
        self.assertTrue(client.mset({"a": "1", "b": "2"}))
        self.assertEqual(client.mget("a", "none", "b"), [b"1", None, b"2"])
        self.assertEqual(client.incr("n"), 1)
        self.assertEqual(client.incrby("n", 2**62), 2**62 + 1)
        self.assert_error("increment or decrement would overflow", "INCRBY", "n", str(2**62))
        self.assertEqual(client.decr("a"), 0)
        self.assertEqual(client.decrby("a", 10), -10)
        self.assertEqual(client.append("b", "34"), 3)
        self.assertEqual(client.get("b"), b"234")
        client.set("text", "abc")
        self.assert_error("value is not an integer or out of range", "INCR", "text")
        self.assertEqual(client.exists("a", "b", "a", "none"), 3)
        self.assertEqual(client.delete("a", "b", "none"), 2)
        self.assertEqual(client.type("text"), b"string")
        self.assertEqual(client.type("none"), b"none")

    def test_expiry(self):
        client = self.client
        client.set("k", "v")
        self.assertEqual((client.ttl("k"), client.pttl("none")), (-1, -2))
        self.assertTrue(client.expire("k", 100, nx=True))
        self.assertFalse(client.expire("k", 200, nx=True))
        self.assertTrue(client.expire("k", 200, gt=True))
        self.assertFalse(client.expire("k", 300, lt=True))
        self.assertTrue(client.pexpire("k", 300_000, xx=True))
        self.assertEqual(client.ttl("k"), 300)
        self.assertTrue(client.persist("k"))
        self.assertFalse(client.persist("k"))
        self.assertTrue(client.expire("k", -1))
        self.assertEqual(client.exists("k"), 0)
        client.set("short", "v", px=2000)
        started = time.monotonic()
        while client.get("short") == b"v" and time.monotonic() - started < 30:
            time.sleep(0.01)
        self.assertIsNone(client.get("short"))
        self.assertGreater(time.monotonic() - started, 1.9)
        # In a cluster the replica that was read leaves the removal to the slot's coordinator.
        patience_s = 10 if hasattr(self.server, "nodes") else 0
        gone = time.monotonic()
        while client.dbsize() != 0 and time.monotonic() - gone < patience_s:
            time.sleep(0.01)
        self.assertEqual(client.dbsize(), 0)

    def test_scan_and_keys(self):
        client = self.client
        client.mset({f"user:{i}": "v" for i in range(500)})
        client.set("other", "v")
        self.assertEqual(len(set(client.scan_iter())), 501)
        self.assertEqual(len(set(client.scan_iter(match="user:*", count=7))), 500)
        self.assertEqual(len(set(client.scan_iter(_type="string"))), 501)
        self.assertEqual(list(client.scan_iter(_type="hash")), [])
        self.assertEqual(sorted(client.keys("user:1?")), [b"user:%d" % i for i in range(10, 20)])

    def test_server_commands(self):
        client = self.client
        info = client.info()
        for field in ("redis_version", "used_memory", "connected_clients", "tcp_port"):
            self.assertIn(field, info)
        self.assertEqual(client.info("server")["tcp_port"], self.server.port)
        self.assertTrue(client.config_set("maxmemory-policy", "allkeys-lru"))
        self.assertEqual(client.config_get("maxmemory-pol*"), {"maxmemory-policy": "allkeys-lru"})
        self.assertTrue(client.config_set("maxmemory-policy", "noeviction"))
        self.assertEqual(client.command_count(), len(client.command()))
        self.assertEqual(client.command_getkeys("MSET", "a", "1", "b", "2"), ["a", "b"])
        self.assertIn(b"get", client.execute_command("COMMAND LIST"))
        self.assertTrue(client.save())
        self.assertTrue(client.bgsave())
        started = time.monotonic()
        self.assertEqual(client.execute_command("DEBUG SLEEP", "0.1"), b"OK")
        self.assertGreaterEqual(time.monotonic() - started, 0.1)

    def test_pipeline(self):
        with self.client.pipeline(transaction=False) as pipeline:
            for i in range(1000):
                pipeline.set(f"k{i}", i).incr(f"k{i}").get(f"k{i}")
            pipeline.execute_command("INCR", "k0", "surplus")
            replies = pipeline.execute(raise_on_error=False)
        self.assertEqual(replies[:-1:3], [True] * 1000)
        self.assertEqual(replies[1:-1:3], list(range(1, 1001)))
        self.assertEqual(replies[2:-1:3], [b"%d" % (i + 1) for i in range(1000)])
        self.assertIsInstance(replies[-1], redis.ResponseError)

    def test_binary_and_large_values(self):
        key, value = bytes(range(256)), bytes(range(256)) * 16384  # 4 MiB
        self.assertTrue(self.client.set(key, value))
        self.assertEqual(self.client.get(key), value)
        self.assertEqual(self.client.keys(), [key])
        self.assertTrue(self.client.set("", ""))
        self.assertEqual(self.client.get(""), b"")

    def test_many_threads_count_exactly(self):
        def count():
            for _ in range(500):
                self.client.incr("hits")

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client.get("hits"), b"4000")


@unittest.skipIf(
    int(redis.__version__.split(".", maxsplit=1)[0]) < 5, "this redis-py speaks RESP2 only"
)
class RedisPyResp3(RedisPy):
    protocol_options = {"protocol": 3}


if __name__ == "__main__":
    compat_case.main()
