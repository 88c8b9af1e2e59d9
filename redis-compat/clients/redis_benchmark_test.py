#!/usr/bin/env python3
"""redis-benchmark, unmodified: -t ping,set,get,incr,mset, without and with pipelining and random
keys, RESP2 and RESP3."""

import csv
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compat_case

TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


class RedisBenchmark(compat_case.ServerCase):
    def run_benchmark(self, *arguments):
        """The names of the tests that ran, each checked to have served requests."""
        done = subprocess.run(
            [
                "redis-benchmark",
                "-p",
                str(self.server.port),
                "-t",
                "ping,set,get,incr,mset",
                "-n",
                "5000",
                "-e",
                "--csv",
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Error", done.stdout + done.stderr)
        rows = list(csv.DictReader(done.stdout.splitlines()))
        for row in rows:
            self.assertGreater(float(row["rps"]), 0, row)
        return [row["test"] for row in rows]

    def keys(self):
        with self.server.connect() as connection:
            return connection.call("DBSIZE")

    def test_unpipelined(self):
        self.assertEqual(self.run_benchmark(), TESTS)

    def test_pipelined_random_keys(self):
        self.assertEqual(self.run_benchmark("-P", "16", "-r", "10000"), TESTS)
        self.assertGreater(self.keys(), 3000)

    def test_deep_pipelines_of_larger_values(self):
        self.assertEqual(
            self.run_benchmark("-P", "64", "-d", "4096", "-r", "100", "-c", "50"), TESTS
        )

    def test_resp3(self):
        self.assertEqual(self.run_benchmark("-3", "-P", "16"), TESTS)


if __name__ == "__main__":
    compat_case.main()
