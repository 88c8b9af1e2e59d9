"""Open-loop load: quorate-latency (latency.cc) at a rate, and the peak that such a rate is told of."""

import json
import statistics
import subprocess

import measure
import server as server_module


def add_arguments(parser, required=True):
    """What a run of the generator needs to know."""
    parser.add_argument("--generator", required=required, help="the program quorate-latency")
    parser.add_argument("--duration", type=float, default=20, help="seconds of one run")
    parser.add_argument("--mix", default="1:1", help="GETs to SETs")


def peak(server, arguments, pinned=True):
    """Requests per second without pipelining, half GET, half SET."""
    rates = []
    for name in ("get", "set"):
        case = measure.Case(name, 1, name)
        requests = measure.requests_for(server, case, arguments, pinned)
        rates.append(
            max(
                measure.benchmark(server, case, requests, arguments, pinned).requests_per_s
                for _ in range(3)
            )
        )
    return statistics.harmonic_mean(rates)


def generate(server, rate, seed, arguments, pinned=True):
    """One run of the generator; its report."""
    command = ["taskset", "-c", str(measure.CLIENT_CORE)] if pinned else []
    command += [
        arguments.generator,
        "--port",
        str(server.port),
        "--rate",
        f"{rate:.0f}",
        "--duration",
        str(arguments.duration),
        "--warmup",
        "2",
        "--connections",
        str(arguments.clients),
        "--keys",
        str(arguments.keys),
        "--size",
        str(arguments.size),
        "--mix",
        arguments.mix,
        "--arrivals",
        "poisson",
        # Unpinned it shares its core with the servers.
        "--wait",
        "spin" if pinned else "sleep",
        "--seed",
        str(seed),
        "--json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=arguments.duration + 120, check=False
    )
    if done.returncode != 0:
        raise server_module.ServerFailed(f"quorate-latency: {done.stdout}{done.stderr}")
    measure.settle(server)
    return json.loads(done.stdout)
