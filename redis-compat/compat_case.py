"""The frame of the Python tests here: unittest cases that share one fresh server per class.

Every test program takes --server PATH (and --option NAME=VALUE, --threads N, --nodes N, which has a
cluster stand for the server: connections go to its nodes in turns); the rest of its arguments goes to unittest, so `redis_py_test.py --server PATH -v RedisPy.test_scan` works.
"""

import argparse
import sys
import time
import unittest

import cluster
import server as server_module

EMPTY_WITHIN_S = 10

_arguments = None


class ServerCase(unittest.TestCase):
    """Cases against a server that setUpClass starts; each test begins with no keys in any
    database."""

    @classmethod
    def setUpClass(cls):
        cls.server = cluster.start_server(_arguments)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        if not cls.server.running():
            raise server_module.ServerFailed(f"died during the tests:\n{cls.server.log_tail()}")
        cls.server.stop()

    def setUp(self):
        with self.server.connect() as connection:
            deadline = time.monotonic() + EMPTY_WITHIN_S
            reply = connection.call("FLUSHALL")
            # Of a cluster, if a node did not seem well just then.
            while reply != b"OK" and str(reply).startswith("UNCERTAIN"):
                self.assertLess(time.monotonic(), deadline, reply)
                reply = connection.call("FLUSHALL")
            self.assertEqual(reply, b"OK")


def main():
    """The main function of a test program: parses the server's arguments and runs the cases of
    __main__."""
    global _arguments
    parser = argparse.ArgumentParser(add_help=False)
    cluster.add_cluster_arguments(parser)
    _arguments, rest = parser.parse_known_args()
    unittest.main(module="__main__", argv=[sys.argv[0], *rest])
