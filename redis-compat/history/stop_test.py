#!/usr/bin/env python3
"""SIGTERM in the middle of pipelined writes, again and again, of each node in its turn.

The node must end in order (exit code 0), with everything acknowledged on its disk: after all nodes
have ended and started again, every key has what was acknowledged last, or what was under way.
"""

import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import server as server_module
import wire

CLIENTS = 8
KEYS = 40
DEPTH = 16


class Writer(threading.Thread):
    """Sets its keys to ascending numbers, DEPTH at a time, until its connection ends."""

    def __init__(self, number, node):
        super().__init__()
        self._node = node
        self._number = number
        self.known = {}
        self.possible = {}
        self.acknowledged = 0
        self.ended = False

    def key(self, value):
        return f"stop:{self._number}:{value % KEYS}"

    def run(self):
        value = 0
        try:
            with self._node.connect() as connection:
                while True:
                    batch = range(value, value + DEPTH)
                    value += DEPTH
                    for number in batch:
                        self.possible.setdefault(self.key(number), set()).add(number)
                    connection.send_raw(
                        b"".join(wire.encode("SET", self.key(number), number) for number in batch)
                    )
                    for number in batch:
                        if connection.read() == b"OK":
                            self.note(number)
        except (OSError, wire.ProtocolBroken):
            self.ended = True

    def note(self, number):
        self.acknowledged += 1
        self.known[self.key(number)] = number
        self.possible[self.key(number)] = {n for n in self.possible[self.key(number)] if n >= number}


def attempt(servers, nodes, victim):
    """Returns what went wrong, and how many writes were acknowledged."""
    writers = [Writer(i, nodes[i % len(nodes)]) for i in range(CLIENTS)]
    for writer in writers:
        writer.start()
    time.sleep(0.5)
    problems = []
    order = [victim] + [node for node in nodes if node is not victim]
    for node in order:
        try:
            node.stop()
        except server_module.ServerFailed as failure:
            problems.append(str(failure))
    for writer in writers:
        writer.join()
    for node in nodes:
        node.start()
    if len(nodes) > 1:
        servers.wait_until_agreed()
    for node in nodes:
        with node.connect() as connection:
            for writer in writers:
                for key, known in writer.known.items():
                    got = connection.call("GET", key)
                    if not isinstance(got, bytes) or int(got) not in writer.possible[key] | {known}:
                        problems.append(f"{key} is {got!r}, {known} was acknowledged")
    with nodes[0].connect() as connection:
        connection.call("FLUSHALL")
    return problems, sum(writer.acknowledged for writer in writers)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args()
    failures, acknowledged = [], 0
    with cluster.start_server(arguments) as servers:
        nodes = servers.nodes if arguments.nodes > 1 else [servers]
        for number in range(arguments.rounds):
            problems, writes = attempt(servers, nodes, nodes[number % len(nodes)])
            failures += problems
            acknowledged += writes
    if acknowledged < 100 * arguments.rounds:
        failures.append(f"only {acknowledged} writes were acknowledged")
    for failure in failures[:20]:
        print("FAILED:", failure)
    print(f"{arguments.rounds} stops, {acknowledged} writes acknowledged, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
