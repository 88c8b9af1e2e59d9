"""What the comparisons share: one redis-benchmark run with the server's CPU, pairs in turns,
medians and their limits.

The yardstick is always Redis, started beside the server under test in the same run. Ratios are
taken pair by pair (the two runs next to each other in time) and only then summarised, so that a
slow minute of the machine cancels out.
"""

import csv
import dataclasses
import os
import platform
import statistics
import subprocess
import time

import load
import server as server_module

SERVER_CORE = 0
CLIENT_CORE = 1
YARDSTICK = "redis"
SUBJECT = "quorate"


@dataclasses.dataclass
class Sample:
    """One run against one server."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the server, all threads, per request


@dataclasses.dataclass
class Case:
    """What redis-benchmark is told: a test of its own, or a command line; and further options."""

    name: str
    pipeline: int
    test: str = ""
    command: tuple = ()
    options: tuple = ()


@dataclasses.dataclass
class Limit:
    """A required bound on a ratio to Redis."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, value):
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def __str__(self):
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


def fill(server, keys, value_bytes, name_of=load.key_name):
    """Writes every key once."""
    value = b"x" * value_bytes
    with server.connect(timeout_s=600) as connection:
        load.write(connection, load.scattered(keys, keys), lambda _: value, name_of)


def settle(server, limit_s=20):
    """Waits until the server has finished the work that requests left behind (checkpoint, journal
    rewrite)."""
    deadline = time.monotonic() + limit_s
    before = server.cpu_s()
    while time.monotonic() < deadline:
        time.sleep(0.2)
        now = server.cpu_s()
        if now - before <= 0.02 and not saves(server):
            return
        before = now


def saves(server):
    """Whether a checkpoint or a rewrite is under way, which may rest for a while."""
    for node in getattr(server, "nodes", [server]):
        if not node.goes_on():
            continue
        persistence = node.info("persistence")
        if "1" in (
            persistence.get("checkpoint_in_progress"),
            persistence.get("aof_rewrite_in_progress"),
        ):
            return True
    return False


def benchmark(server, case, requests, arguments, pinned=True):
    """One redis-benchmark run. The CPU the server spends on what the run left behind is the
    run's."""
    command = ["taskset", "-c", str(CLIENT_CORE)] if pinned else []
    command += [
        "redis-benchmark",
        "-p",
        str(server.port),
        "-n",
        str(requests),
        "-P",
        str(case.pipeline),
        "-r",
        str(arguments.keys),
        "-d",
        str(arguments.size),
        "-c",
        str(arguments.clients),
        "--csv",
    ]
    command += case.options
    command += ["-t", case.test] if case.test else list(case.command)
    before = server.cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    settle(server)
    cpu_s = server.cpu_s() - before
    rows = list(csv.DictReader(done.stdout[done.stdout.index('"test"') :].splitlines()))
    if len(rows) != 1:
        raise server_module.ServerFailed(f"redis-benchmark: {done.stdout} {done.stderr}")
    return Sample(
        float(rows[0]["rps"]),
        float(rows[0]["p50_latency_ms"]),
        float(rows[0]["p99_latency_ms"]),
        cpu_s / requests * 1e6,
    )


def requests_for(server, case, arguments, pinned=True):
    """How many requests keep Redis busy for the seconds wanted; the run that finds out also warms
    it."""
    probe = benchmark(server, case, 20_000 if case.pipeline == 1 else 100_000, arguments, pinned)
    return max(20_000, int(probe.requests_per_s * arguments.seconds / 10_000 + 0.5) * 10_000)


def in_turns(servers, case, arguments, pinned=True, cases=None):
    """Samples per server name, taken pair by pair, each server first in every other pair. `cases`
    may say another case for each name; as many requests as `case` needs."""
    requests = requests_for(servers[YARDSTICK], case, arguments, pinned)
    samples = {name: [] for name in servers}
    for number in range(arguments.rounds):
        order = list(servers) if number % 2 == 0 else list(reversed(servers))
        for name in order:
            of = cases[name] if cases else case
            samples[name].append(benchmark(servers[name], of, requests, arguments, pinned))
    return samples


def ratios(samples, field):
    """The subject's value over the yardstick's, pair by pair."""
    return [
        getattr(ours, field) / max(getattr(theirs, field), 1e-9)
        for ours, theirs in zip(samples[SUBJECT], samples[YARDSTICK])
    ]


def median(samples, field):
    return statistics.median(getattr(sample, field) for sample in samples)


class Table:
    """Rows of ratios with their spread and whether limits are met; keeps all for --json."""

    def __init__(self):
        self.rows = []
        self.missed = 0

    def heading(self, title, redis_name="Redis", subject_name="Quorate"):
        print(
            f"\n{title}\n{'':34} {redis_name:>12} {subject_name:>12} {'ratio':>7} "
            f"{'(min..max)':>14}  limit",
            flush=True,
        )

    def row(self, name, theirs, ours, pair_ratios, limit=None, digits=1):
        """One measured quantity: medians of both, the median of the pairs' ratios, the spread, the
        limit."""
        ratio = statistics.median(pair_ratios)
        spread = f"({min(pair_ratios):.2f}..{max(pair_ratios):.2f})"
        verdict = self._verdict(limit, ratio)
        print(
            f"{name:34} {theirs:12,.{digits}f} {ours:12,.{digits}f} {ratio:7.2f} "
            f"{spread:>14}  {verdict}",
            flush=True,
        )
        self._keep(
            name=name,
            redis=theirs,
            quorate=ours,
            ratio=ratio,
            ratios=pair_ratios,
            limit=limit,
            value=ratio,
        )

    def fact(self, name, value, limit=None):
        """A single number, with its limit if it has one."""
        shown = "not told" if value is None else f"{value:,.2f}".removesuffix(".00")
        verdict = "MISSED" if limit and value is None else self._verdict(limit, value)
        print(f"{name:47} {shown:>12}  {verdict}", flush=True)
        self._keep(name=name, limit=limit, value=value)

    @staticmethod
    def _verdict(limit, value):
        return "" if limit is None else f"{limit} {'met' if limit.met(value) else 'MISSED'}"

    def _keep(self, limit, value, **fields):
        missed = limit is not None and (value is None or not limit.met(value))
        self.missed += missed
        self.rows.append(
            {
                **fields,
                "value": value,
                "limit": str(limit) if limit else None,
                "met": None if limit is None else not missed,
            }
        )


def machine():
    """What the figures were measured on."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    version = subprocess.run(
        ["redis-benchmark", "--version"], capture_output=True, text=True, check=False
    ).stdout
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "redis": version.strip(),
    }


def add_arguments(parser):
    """The arguments of every comparison with Redis."""
    server_module.add_server_arguments(parser)
    parser.add_argument("--redis", default="redis-server", help="the Redis to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="pairs per measurement")
    parser.add_argument("--seconds", type=float, default=4, help="how long one run takes on Redis")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=100, help="bytes of a value")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--json", metavar="FILE", help="also write all values here")
