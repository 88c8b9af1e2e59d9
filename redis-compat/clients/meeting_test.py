#!/usr/bin/env python3
"""CLUSTER MEET while clients are connected, as a script or an operator does it: one after the other,
through one node.

Nodes that meet agree on one hash seed, for which empty ones start again. Nobody must notice: every
MEET is accepted, connections that were open stay open with all that their clients said, and no
command fails. A node that is told to end about then ends.
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

MEET_WITHIN_S = 20


class Bystander(threading.Thread):
    """Asks one node again and again, on one connection."""

    def __init__(self, node, stop):
        super().__init__()
        self._node = node
        self._halt = stop
        self.commands = 0
        self.problem = None

    def run(self):
        try:
            with self._node.connect(timeout_s=10) as connection:
                connection.call("CLIENT", "SETNAME", "bystander")
                connection.call("SELECT", 3)
                connection.call("CONFIG", "SET", "maxclients", 777)
                while not self._halt.is_set():
                    self.commands += 1
                    connection.call("GET", f"key:{self.commands}")
                    if connection.call("CLIENT", "GETNAME") != b"bystander":
                        raise AssertionError("the client's name is gone")
                if connection.call("CONFIG", "GET", "maxclients")[1] != b"777":
                    raise AssertionError("what CONFIG SET said is forgotten")
                if b" db=3 " not in connection.call("CLIENT", "INFO"):
                    raise AssertionError("the client's database is another one")
        except (OSError, AssertionError, wire.ProtocolBroken) as problem:
            self.problem = f"port {self._node.port}: {problem!r}"


def make_nodes(arguments, count):
    """With their ports for each other."""
    peer_ports = [server_module.free_port() for _ in range(count)]
    nodes = [
        server_module.Server(arguments.server, options=[("cluster-port", port), ("threads", 2)])
        for port in peer_ports
    ]
    return nodes, peer_ports


def end_when_told(arguments, delay_s):
    """Returns what went wrong."""
    nodes, peer_ports = make_nodes(arguments, 2)
    problems = []
    try:
        for node in nodes:
            node.start()
        cluster.meet(nodes[0], nodes[1], peer_ports[1])
        time.sleep(delay_s)
        for node in nodes:
            try:
                node.stop(timeout_s=20)
            except server_module.ServerFailed as failure:
                problems.append(f"SIGTERM {delay_s:.3f} s after CLUSTER MEET: {failure}")
        return problems
    finally:
        for node in nodes:
            node.close()


def attempt(arguments):
    """Returns what went wrong, and how many nodes started again."""
    nodes, peer_ports = make_nodes(arguments, arguments.nodes)
    stop = threading.Event()
    problems = []
    try:
        for node in nodes:
            node.start()
        bystanders = [Bystander(node, stop) for node in nodes]
        for bystander in bystanders:
            bystander.start()
        time.sleep(0.05)
        for node, port in list(zip(nodes, peer_ports))[1:]:
            try:
                reply = cluster.meet(nodes[0], node, port)
            except OSError as error:
                reply = error
            if reply != b"OK":
                problems.append(f"CLUSTER MEET: {reply!r}")
        wanted = b"cluster_known_nodes:%d\r\n" % len(nodes)
        deadline = time.monotonic() + MEET_WITHIN_S
        while not all(knows(node, wanted, problems) for node in nodes):
            if problems or time.monotonic() > deadline:
                problems.append("they do not know each other")
                break
            time.sleep(0.02)
        stop.set()
        for bystander in bystanders:
            bystander.join()
        problems += [bystander.problem for bystander in bystanders if bystander.problem]
        if not all(bystander.commands > 1 for bystander in bystanders):
            problems.append("a bystander did nothing")
        lives = sum(node.log().count("Ready to accept connections") for node in nodes)
        if problems:
            problems += [node.log_tail() for node in nodes]
        return problems, lives - len(nodes)
    finally:
        stop.set()
        for node in nodes:
            node.close()


def knows(node, wanted, problems):
    try:
        with node.connect(timeout_s=10) as connection:
            return wanted in connection.call("CLUSTER", "INFO")
    except OSError as error:
        problems.append(f"CLUSTER INFO of port {node.port}: {error!r}")
        return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", required=True)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    failures, restarts = [], 0
    for _ in range(arguments.rounds):
        problems, again = attempt(arguments)
        failures += problems
        restarts += again
    for milliseconds in range(0, 100, 10):
        failures += end_when_told(arguments, milliseconds / 1000)
    if restarts == 0:
        failures.append("no node had to start again: nothing was tested")
    for failure in failures[:20]:
        print("FAILED:", failure)
    print(f"{arguments.rounds} clusters, {restarts} nodes started again, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
