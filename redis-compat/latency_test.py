#!/usr/bin/env python3
"""quorate-latency against a server made for it, which stalls or refuses when told: it must see that."""

import argparse
import json
import resource
import socket
import subprocess
import sys
import threading
import time
import unittest

import wire

_arguments = None


class StallingServer:
    """Answers every request with `reply`; once, after `stall_after_s`, nothing for `stall_s`."""

    def __init__(self, reply=b"+OK\r\n", stall_after_s=None, stall_s=0.0):
        self._reply = reply
        self._stall_at = None if stall_after_s is None else time.monotonic() + stall_after_s
        self._stall_s = stall_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        pending = b""
        with connection:
            while data := connection.recv(1 << 16):
                if self._stall_at and time.monotonic() >= self._stall_at:
                    self._stall_at = None
                    time.sleep(self._stall_s)
                pending, count = self._parse(pending + data)
                self.requests += count
                connection.sendall(self._reply * count)

    @staticmethod
    def _parse(pending):
        count, position = 0, 0
        try:
            while position < len(pending):
                _, position = wire.parse(pending, position)
                count += 1
        except wire.Incomplete:
            pass
        return pending[position:], count

    def close(self):
        self._listener.close()
        self._thread.join(10)


class Latency(unittest.TestCase):
    def generate(self, server, *arguments):
        """The generator's report and exit code: 2000 requests/s for a second on one connection."""
        self.addCleanup(server.close)
        command = [_arguments.generator, "--port", str(server.port), "--connections", "1"]
        command += ["--rate", "2000", "--duration", "1", "--warmup", "0", "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout), done.returncode

    def test_offers_the_rate_and_counts_every_request(self):
        server = StallingServer()
        report, code = self.generate(server)
        self.assertEqual(code, 0)
        self.assertEqual(report["requests"], 2000)
        self.assertEqual(server.requests, 2000)
        self.assertEqual(report["errors"] + report["unanswered"], 0)

    def test_poisson_arrivals_repeat_with_their_seed(self):
        counts = {
            self.generate(StallingServer(), "--arrivals", "poisson", "--seed", seed)[0]["requests"]
            for seed in ("5", "5")
        }
        self.assertEqual(len(counts), 1)
        self.assertAlmostEqual(counts.pop(), 2000, delta=250)

    def test_a_stall_shows_in_all_requests_due_during_it(self):
        # 400 ms of 1 s without service: 40 % of the requests were due meanwhile and wait 200 ms on
        # average. A generator that waited for replies would report one slow request.
        report, _ = self.generate(StallingServer(stall_after_s=0.3, stall_s=0.4))
        self.assertEqual(report["requests"], 2000)
        self.assertGreater(report["max_us"], 390_000)
        self.assertGreater(report["p90_us"], 250_000)

    def test_sleeping_between_sends_keeps_the_rate_and_hides_no_stall(self):
        server = StallingServer(stall_after_s=0.3, stall_s=0.4)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        report, code = self.generate(server, "--wait", "sleep")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual(code, 0)
        self.assertEqual(report["requests"], 2000)
        self.assertGreater(report["p90_us"], 250_000)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertLess(spent, 0.7, "of the second, so it did not spin")

    def test_the_pipeline_limit_does_not_hide_a_stall(self):
        server = StallingServer(stall_after_s=0.3, stall_s=0.4)
        report, _ = self.generate(server, "--pipeline-limit", "4")
        self.assertEqual(report["requests"], 2000)
        self.assertGreater(report["p90_us"], 250_000)

    def test_error_replies_are_counted_and_fail_the_run(self):
        report, code = self.generate(StallingServer(reply=b"-ERR no\r\n"))
        self.assertEqual(report["errors"], 2000)
        self.assertEqual(code, 2)


def main():
    global _arguments
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--generator", required=True, help="the program quorate-latency")
    _arguments, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
