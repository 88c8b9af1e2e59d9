#!/usr/bin/env python3
"""A fourth node joins three that hold keys, under load by plain and cluster-aware clients: no command fails, nothing acknowledged is
missed, and at the end every node shows every key.

The same again with the joining node killed (SIGKILL) while it takes over its slots, and with one of
those killed that hold them: each is started again, and the join ends. Then only commands that a
killed node had under way may fail. Prints how long it took and the slowest command.
"""

import argparse
import logging
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import failover_test
import wire

CLIENTS = 9
JOINED_WITHIN_S = 120
AFTERWARDS_S = 1.0


class Measuring:
    """A client that also measures."""

    slowest = 0.0

    def _call(self, *command):
        begun = time.monotonic()
        reply = super()._call(*command)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return reply


class Client(Measuring, failover_test.Client):
    pass


class AwareClient(Measuring, failover_test.AwareClient):
    pass


def preload(servers, keys):
    value = "x" * 100
    with servers.nodes[0].connect() as connection:
        for first in range(0, keys, 1000):
            pairs = []
            for i in range(first, min(first + 1000, keys)):
                pairs += [f"preloaded:{i}", f"{i}:{value}"]
            reply = connection.call("MSET", *pairs)
            if reply != b"OK":
                raise RuntimeError(f"MSET: {reply!r}")


def wait_for(what, text):
    deadline = time.monotonic() + JOINED_WITHIN_S
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {JOINED_WITHIN_S} s: {text}")
        time.sleep(0.005)


def has_begun(newcomer):
    """Whether it knows, and so has saved, that it joins others."""
    try:
        known = statuses(newcomer)
        return "joining" in known and len(known) > 1
    except (OSError, wire.ProtocolBroken):
        return False  # it starts again, with the others' hash seed


def statuses(node):
    """Of each member, as the node sees it, in any order."""
    with node.connect(timeout_s=5) as connection:
        members = connection.call("DYN.MEMBERS")
    return [member[member.index(b"status") + 1].decode() for member in members]


def joined(servers):
    try:
        return statuses(servers.nodes[0]) == ["normal"] * len(servers.nodes)
    except (OSError, wire.ProtocolBroken):
        return False


def run(arguments, killed):
    """`killed`: the number of the node that is killed in the middle, or None. Returns descriptions
    of what went wrong."""
    stop = threading.Event()
    with cluster.start_server(arguments) as servers:
        preload(servers, arguments.keys)
        nodes = list(servers.nodes)
        clients = failover_test.make_clients(CLIENTS, nodes, stop, Client, AwareClient)
        for client in clients:
            client.start()
        try:
            time.sleep(1)
            took = let_join(servers, killed)
            time.sleep(AFTERWARDS_S)
        finally:
            stop.set()
            for client in clients:
                client.join()
        servers.wait_until_agreed()
        wrong = judge(servers, clients, killed, took, arguments.slowest)
        wrong += failover_test.read_back(clients, servers)
        wrong += read_preloaded(servers, arguments.keys)
        if wrong:
            wrong.append(servers.log_tail())
        return wrong


def let_join(servers, killed):
    """How long it took."""
    begun = time.monotonic()
    newcomer = servers.join()
    if killed is not None:
        victim = servers.nodes[killed]
        wait_for(lambda: has_begun(newcomer), "the newcomer joins")
        victim.kill()
        time.sleep(2)
        victim.start()
    wait_for(lambda: joined(servers), "the newcomer is a member like the others")
    return time.monotonic() - begun


def judge(servers, clients, killed, took, slowest_s):
    wrong = [text for client in clients for text in client.wrong]
    failures = [failure for client in clients for failure in client.failures]
    slowest = max(client.slowest for client in clients)
    print(
        f"killed {killed}: joined after {took:.1f} s, {sum(c.commands for c in clients)} commands, "
        f"{len(failures)} failed, the slowest {slowest * 1000:.0f} ms",
        flush=True,
    )
    starved = servers.suspected_ports()
    if killed is None and not starved:
        wrong += [f"failed: {text} at {port}" for _, text, port in failures]
        if slowest > slowest_s:
            wrong.append(f"a command took {slowest:.1f} s")
    elif killed is not None and starved <= {servers.nodes[killed].port}:
        allowed = 0 if killed == len(servers.nodes) - 1 else 2 * CLIENTS
        if len(failures) > allowed:
            wrong += [f"failed: {text} at {port}" for _, text, port in failures]
    return wrong[:20]


def read_preloaded(servers, keys):
    wrong = []
    for node in servers.nodes:
        with node.connect() as connection:
            if connection.call("DBSIZE") != keys + CLIENTS * failover_test.KEYS:
                wrong.append(f"DBSIZE at {node.port}: {connection.call('DBSIZE')}")
            for first in range(0, keys, 1000):
                numbers = range(first, min(first + 1000, keys))
                values = connection.call("MGET", *(f"preloaded:{i}" for i in numbers))
                for i, value in zip(numbers, values):
                    if not isinstance(value, bytes) or not value.startswith(b"%d:" % i):
                        wrong.append(f"preloaded:{i} at {node.port}: {value!r:.80}")
    return wrong[:20]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.set_defaults(nodes=3)
    parser.add_argument("--keys", type=int, default=100_000, help="beside those of the load")
    # A command waits for what changes hands; not for the whole transfer.
    parser.add_argument("--slowest", type=float, default=2, help="seconds a command may take")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each retry of redis-py
    failures = []
    for killed in (None, arguments.nodes, 1):
        failures += run(arguments, killed)
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
