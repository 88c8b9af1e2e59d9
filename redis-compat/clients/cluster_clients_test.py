#!/usr/bin/env python3
"""Cluster-aware clients, unmodified, against three nodes: RedisCluster of redis-py, redis-cli -c and
redis-benchmark --cluster find each key's coordinator by themselves, so that nothing is forwarded,
and go on when a node is gone.
"""

import pathlib
import subprocess
import sys
import time

import redis.cluster

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compat_case

KEYS = 2000
ROUTED_WITHIN_S = 10
ATTEMPTS = 5


class ClusterCase(compat_case.ServerCase):
    def forwarded(self):
        """How many commands all nodes have forwarded, and run for others."""
        total = 0
        for node in self.server.nodes:
            stats = node.info("stats")
            total += int(stats["forwarded_commands"]) + int(stats["peer_commands"])
        return total

    def changes_of_health(self):
        """How often a node did not seem well to another one, or well again."""
        signs = ("is suspected", "answers again")
        return sum(node.log().count(sign) for node in self.server.nodes for sign in signs)

    def find_nodes(self):
        """Has the client ask anew which node has which slots."""

    def assert_direct(self, run):
        """Nothing is forwarded while all nodes seem well, as on a machine that is busy with other
        things they may not for once. That counts from before the client asks where to go."""
        for _ in range(ATTEMPTS):
            health = self.changes_of_health()
            self.server.wait_until_agreed()
            try:
                self.find_nodes()
                before = self.forwarded()  # to find them takes an INFO, which asks all nodes
                run()
            except (redis.RedisError, redis.exceptions.RedisClusterException):
                if self.changes_of_health() == health:
                    raise
                continue
            forwarded = self.forwarded() - before
            if self.changes_of_health() == health:
                break
        else:
            self.fail("no time without a suspicion")
        self.assertEqual(forwarded, 0)


class RedisPyCluster(ClusterCase):
    def setUp(self):
        super().setUp()
        self.find_nodes()

    def find_nodes(self):
        # 4.3 cannot look again by itself.
        self.client = redis.cluster.RedisCluster(
            host="127.0.0.1", port=self.server.port, socket_timeout=10, socket_connect_timeout=10
        )
        self.addCleanup(self.client.close)

    def test_knows_all_nodes(self):
        ports = {node.port for node in self.client.get_nodes()}
        self.assertEqual(ports, {node.port for node in self.server.nodes})
        slots = self.client.cluster_slots()
        self.assertEqual(sum(last - first + 1 for first, last in slots), 16384)

    def test_single_keys_go_straight_to_their_coordinator(self):
        def use():
            for i in range(KEYS):
                self.assertTrue(self.client.set(f"key:{i}", i))
            for i in range(KEYS):
                self.assertEqual(self.client.get(f"key:{i}"), b"%d" % i)
            for i in range(100):
                self.assertEqual(self.client.incr(f"key:{i}"), i + 1)
                self.assertEqual(self.client.append(f"key:{i}", "0"), len(str((i + 1) * 10)))
                self.assertTrue(self.client.expire(f"key:{i}", 100))
                self.assertEqual(self.client.delete(f"key:{i}"), 1)

        self.assert_direct(use)

    def test_pipelines(self):
        def use():
            with self.client.pipeline() as pipeline:
                for i in range(KEYS):
                    pipeline.set(f"key:{i}", i).get(f"key:{i}")
                replies = pipeline.execute()
            self.assertEqual(replies[1::2], [b"%d" % i for i in range(KEYS)])

        self.assert_direct(use)

    def test_several_keys(self):
        values = {f"key:{i}": b"%d" % i for i in range(100)}
        self.assertTrue(self.client.mset_nonatomic(values))
        self.assertEqual(self.client.mget_nonatomic(list(values)), list(values.values()))
        # Here also what Redis Cluster refuses.
        node = self.client.get_default_node()
        reply = self.client.execute_command("MGET", *values, target_nodes=node)
        self.assertEqual(reply, list(values.values()))

    def test_all_keys_from_one_node(self):
        for i in range(300):
            self.client.set(f"key:{i}", i)
        for node in self.client.get_nodes():
            self.assertEqual(self.client.dbsize(target_nodes=node), 300)
            self.assertEqual(len(self.client.keys(target_nodes=node)), 300)
        self.assertEqual(set(self.client.scan_iter(count=100)), {b"key:%d" % i for i in range(300)})

    def test_slots_and_keys(self):
        self.assertEqual(self.client.cluster_keyslot("{tag}a"), self.client.keyslot("{tag}b"))
        for i in range(5):
            self.client.set("{tag}%d" % i, i)
        slot = self.client.keyslot("{tag}")
        node = self.client.get_node_from_key("{tag}")
        self.assertEqual(self.client.cluster_countkeysinslot(slot), 5)
        found = self.client.execute_command(
            "CLUSTER GETKEYSINSLOT", slot, 10, target_nodes=node
        )
        self.assertEqual(sorted(found), ["{tag}%d" % i for i in range(5)])
        self.assertTrue(self.client.readonly(target_nodes=node))
        self.assertTrue(self.client.readwrite(target_nodes=node))

    def test_goes_on_without_a_node(self):
        for i in range(200):
            self.client.set(f"key:{i}", i)
        victim = self.server.nodes[-1]
        victim.kill()
        try:
            deadline = time.monotonic() + ROUTED_WITHIN_S
            left = set(range(200))
            while left:
                self.assertLess(time.monotonic(), deadline, f"{len(left)} keys cannot be written")
                for i in sorted(left):
                    try:
                        self.client.set(f"key:{i}", i + 1000)
                        left.remove(i)
                    except (redis.RedisError, redis.exceptions.RedisClusterException, OSError):
                        self.find_nodes()
            for i in range(200):
                self.assertEqual(self.client.get(f"key:{i}"), b"%d" % (i + 1000))
        finally:
            victim.start()
            self.server.wait_until_agreed()


class Tools(ClusterCase):
    def run_tool(self, *command, text_in=None):
        done = subprocess.run(
            command, input=text_in, capture_output=True, text=True, timeout=120, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_redis_cli(self):
        script = "".join(f"SET key:{i} {i}\n" for i in range(50)) + "GET key:7\nDBSIZE\n"
        for node in self.server.nodes:
            out = self.run_tool("redis-cli", "-c", "-p", str(node.port), text_in=script)
            self.assertEqual(out.split("\n")[50:52], ["7", "50"])
            self.assertNotIn("rror", out)

    def test_redis_cli_cluster_commands(self):
        address = f"127.0.0.1:{self.server.port}"
        out = self.run_tool("redis-cli", "--cluster", "info", address)
        self.assertIn("[OK]", out)
        out = self.run_tool("redis-cli", "--cluster", "call", address, "PING")
        self.assertEqual(out.count("PONG"), 3)

    def test_redis_benchmark(self):
        def use():
            command = ["redis-benchmark", "--cluster", "-p", str(self.server.port)]
            command += ["-t", "set,get,incr", "-n", "20000", "-r", "10000", "-P", "16", "--csv"]
            out = self.run_tool(*command)
            for name in ("SET", "GET", "INCR"):
                self.assertIn(f'"{name}"', out)

        self.assert_direct(use)


if __name__ == "__main__":
    compat_case.main()
