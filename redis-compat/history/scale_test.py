#!/usr/bin/env python3
"""More keys than memory: loads them, reads them, restarts, and watches PING and memory all along.

10 M keys of 100-byte values with `maxmemory 512mb` by default. Checked, and marked MISSED where not
met:
  memory     anonymous memory at most maxmemory + 20 %, sampled ten times a second
  PING       answered within 10 ms throughout loading and reading, also while every read from disk
             takes 5 ms longer (DEBUG COLD-READ-DELAY). All that is not the server runs on another
             core, and the prober at real-time priority where the system allows it, so that it
             measures neither its own waiting nor the loader's work
  keys       a sample of random keys, or with --read all every key, has its value
  restart    the first read is answered within 2 s of the start of the process (after SIGTERM, and
             after SIGKILL)

Redis itself (for trying the script) is started without a memory limit and misses that one.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import load
import measure
import server as server_module
import wire

VALUE_BYTES = 100


def value_of(number):
    """A value that only this key has."""
    return (b"%020d" % number) * (VALUE_BYTES // 20)


def get_reply(number):
    return b"$%d\r\n%b\r\n" % (VALUE_BYTES, value_of(number))


def probe(port, stop, worst, pause_s=0.001):
    """Pings until told to stop; leaves (slowest ms, pings, [(time, ms) of those over 10 ms])."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        pass
    slowest_ms, count, late = 0.0, 0, []
    with wire.Connection(port, timeout_s=120) as connection:
        while not stop.is_set():
            started = time.monotonic()
            connection.call("PING")
            elapsed_ms = (time.monotonic() - started) * 1000
            slowest_ms = max(slowest_ms, elapsed_ms)
            count += 1
            if elapsed_ms > 10:
                late.append((time.time(), round(elapsed_ms, 1)))
            time.sleep(pause_s)
    worst.put((slowest_ms, count, late))


class Watch:
    """Probes PING and samples memory while its `with` block runs; afterwards its fields say how it
    went."""

    def __init__(self, server):
        self._server = server
        self._stop_probe = multiprocessing.Event()
        self._result = multiprocessing.Queue()
        self._process = multiprocessing.Process(
            target=probe, args=(server.port, self._stop_probe, self._result)
        )
        self._stop_sampling = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self.anonymous_bytes_max = 0
        self.slowest_ping_ms = 0.0
        self.pings = 0
        self.late = []
        self.elapsed_s = 0.0

    def _sample(self):
        while not self._stop_sampling.wait(0.1):
            self.anonymous_bytes_max = max(self.anonymous_bytes_max, self._server.anonymous_bytes())

    def __enter__(self):
        self._process.start()
        self._sampler.start()
        self._started = time.monotonic()
        return self

    def __exit__(self, *_):
        self.elapsed_s = time.monotonic() - self._started
        self._stop_sampling.set()
        self._sampler.join()
        self._stop_probe.set()
        try:
            self.slowest_ping_ms, self.pings, self.late = self._result.get(timeout=130)
        finally:
            self._process.join(10)


class Verdict:
    """Prints each measured value with its limit and remembers whether all were met."""

    def __init__(self):
        self.values = {}
        self.met = True

    def note(self, name, value, unit, limit=None):
        missed = limit is not None and value > limit
        self.met = self.met and not missed
        self.values[name] = value
        bound = (
            ""
            if limit is None
            else f"  (at most {limit:g} {unit}: {'MISSED' if missed else 'met'})"
        )
        print(f"{name:<42} {value:12.1f} {unit}{bound}", flush=True)

    def watch(self, name, watch, memory_limit_mb):
        self.note(f"{name}: time", watch.elapsed_s, "s")
        self.note(f"{name}: slowest of {watch.pings} PINGs", watch.slowest_ping_ms, "ms", 10)
        self.note(f"{name}: PINGs over 10 ms", len(watch.late), "")
        self.note(
            f"{name}: anonymous memory", watch.anonymous_bytes_max / 2**20, "MiB", memory_limit_mb
        )


def write(server, keys, count):
    """Writes `count` of the keys, each once."""
    with server.connect(timeout_s=600) as connection:
        load.write(connection, load.scattered(keys, count), value_of)


def read(server, batches):
    """Reads batches of key numbers; returns how many values were wrong or missing."""
    wrong = 0
    with server.connect(timeout_s=600) as connection:
        for numbers in batches:
            # The PING ends the batch whatever its replies are; byte-wise comparison keeps up with
            # the server.
            connection.send_raw(b"".join(map(load.get_request, numbers)) + b"PING\r\n")
            replies = connection.read_until(b"+PONG\r\n")
            if replies != b"".join(map(get_reply, numbers)):
                wrong += count_wrong(replies, numbers)
    return wrong


def count_wrong(replies, numbers):
    wrong, position = 0, 0
    for number in numbers:
        value, position = wire.parse(replies, position)
        wrong += value != value_of(number)
    return wrong


def random_batches(keys, count, seed):
    chance = random.Random(seed)
    for _ in range(0, count, load.BATCH):
        yield [chance.randrange(keys) for _ in range(load.BATCH)]


def all_batches(keys):
    for first in range(0, keys, load.BATCH):
        yield range(first, min(first + load.BATCH, keys))


def restart(server, verdict, name, chance, keys):
    """Starts again and measures until the first value, which is one of the keys at random."""
    started = time.monotonic()
    number = chance.randrange(keys)
    server.start(timeout_s=600)
    with server.connect(timeout_s=600) as connection:
        found = connection.call("GET", load.key_name(number))
        while isinstance(found, wire.ReplyError) and found.startswith("LOADING"):
            time.sleep(0.005)
            found = connection.call("GET", load.key_name(number))
    verdict.note(f"{name}: first read after", time.monotonic() - started, "s", 2)
    verdict.note(f"{name}: wrong values", float(found != value_of(number)), "", 0)
    with server.connect(timeout_s=600) as connection:
        verdict.note(
            f"{name}: keys missing in DBSIZE", abs(keys - connection.call("DBSIZE")), "", 0
        )


def slow_disk(server, verdict, arguments, limit_mb):
    """Random reads while every read from disk takes 5 ms longer."""
    with server.connect() as connection:
        connection.call("DEBUG", "COLD-READ-DELAY", "5000")
        with Watch(server) as watch:
            wrong = read(
                server,
                random_batches(arguments.keys, arguments.sample // 10, arguments.seed + 1),
            )
        connection.call("DEBUG", "COLD-READ-DELAY", "0")
    verdict.watch("read, disk slow by 5 ms", watch, limit_mb)
    verdict.note("read, disk slow by 5 ms: wrong values", wrong, "", 0)


def run(arguments, verdict):
    keys = arguments.keys
    limit_mb = 1.2 * int(arguments.maxmemory.removesuffix("mb"))
    chance = random.Random(arguments.seed)
    with server_module.Server(
        arguments.server,
        threads=arguments.threads,
        maxmemory=arguments.maxmemory,
        core=measure.SERVER_CORE,
        directory=arguments.dir,
        options=server_module.parse_options(arguments.option),
    ) as server:
        with Watch(server) as watch:
            write(server, keys, keys)
        verdict.watch("load", watch, limit_mb)
        batches = (
            all_batches(keys)
            if arguments.read == "all"
            else random_batches(keys, arguments.sample, arguments.seed)
        )
        with Watch(server) as watch:
            wrong = read(server, batches)
        verdict.watch("read", watch, limit_mb)
        verdict.note("read: wrong values", wrong, "", 0)
        if not server.redis:
            slow_disk(server, verdict, arguments, limit_mb)
        server.stop(timeout_s=600)
        restart(server, verdict, "restart after SIGTERM", chance, keys)
        write(server, keys, keys // 10)
        server.kill()
        restart(server, verdict, "restart after SIGKILL", chance, keys)
        server.stop(timeout_s=600)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server_module.add_server_arguments(parser)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--maxmemory", default="512mb", help="in megabytes, e.g. 512mb")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--read", choices=("sample", "all"), default="sample")
    parser.add_argument(
        "--sample", type=int, default=1_000_000, help="random reads with --read sample"
    )
    parser.add_argument("--dir", help="the data directory (default: a temporary one)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="also write the values here")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {measure.CLIENT_CORE})
    verdict = Verdict()
    run(arguments, verdict)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(
            json.dumps(verdict.values, indent=2) + "\n", encoding="utf-8"
        )
    return 0 if verdict.met else 1


if __name__ == "__main__":
    sys.exit(main())
