#!/usr/bin/env python3
"""One node of three goes away under load and comes back: nothing acknowledged may be lost.

Clients write numbers to keys of their own through all nodes and read them back, one command at a
time; every third is RedisCluster of redis-py, which asks each key's coordinator. Then one node is killed (SIGKILL) or stopped (SIGSTOP). Its clients go to another node; every
command through a node that stayed and that fails later than ROUTING_S after that moment is a
failure of the cluster, and so is a read that misses what was acknowledged. At the end every key is
read through every node, the one that came back included. Prints how many commands failed and for
how long.
"""

import argparse
import contextlib
import logging
import pathlib
import signal
import sys
import threading
import time

import redis
import redis.cluster

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import wire

CLIENTS = 12
KEYS = 50
# Longer than it takes the others to notice.
TIMEOUT_S = 4
AWARE_TIMEOUT_S = 0.3
# The last is what redis-py 4.3 has of a node that it forgot in the middle of a command.
REDIS_PY_ERRORS = (
    redis.RedisError,
    redis.exceptions.RedisClusterException,
    OSError,
    AttributeError,
)
# A silent node is avoided within 2 s; the rest is so that a busy machine fails nothing.
ROUTING_S = 2.0 + 4.0


class Client(threading.Thread):
    """Sets its keys to ascending numbers. What a failed SET wrote is uncertain for ever: a node that
    stands still has it in its socket, and may do it when it goes on, as a single Redis may."""

    def __init__(self, number, nodes, stop):
        super().__init__()
        self._number = number
        self._nodes = nodes
        self._at = number % len(nodes)
        self._halt = stop
        self._connection = None
        self.known = {}
        self.uncertain = {}
        self.commands = 0
        self.failures = []  # (when, what, the node's port)
        self.wrong = []

    def key(self, i):
        return f"failover:{self._number}:{i}"

    def _call(self, *command):
        self.commands += 1
        port = self._nodes[self._at].port
        try:
            if self._connection is None:
                self._connection = wire.Connection(port, timeout_s=TIMEOUT_S)
            reply = self._connection.call(*command)
        except OSError as error:
            self.failures.append((time.monotonic(), repr(error), port))
            self._connection = None
            self._at = (self._at + 1) % len(self._nodes)
            return None
        if isinstance(reply, wire.ReplyError):
            self.failures.append((time.monotonic(), str(reply), port))
            return None
        return reply

    def run(self):
        value = 0
        while not self._halt.is_set():
            value += 1
            key = self.key(value % KEYS)
            if self._call("SET", key, value) == b"OK":
                self.known[key] = value
            else:
                self.uncertain.setdefault(key, set()).add(value)
            got = self._call("GET", key)
            if got is not None and not self.may_be(key, got):
                self.wrong.append(f"{key} was {got!r}, acknowledged {self.known.get(key)}")

    def may_be(self, key, got):
        return int(got) == self.known.get(key) or int(got) in self.uncertain.get(key, ())


class AwareClient(Client):
    """The same by a client that knows where each key is coordinated. It tries a silent node several
    times before it asks another one for the slots."""

    def _call(self, *command):
        self.commands += 1
        begun = time.monotonic()
        try:
            if self._connection is None:
                self._connection = self._connected()
            reply = self._connection.execute_command(*command)
        except REDIS_PY_ERRORS as error:
            self.failures.append((time.monotonic(), repr(error), None))
            self._connection = None
            return None
        if command[0] == "SET" and time.monotonic() - begun > AWARE_TIMEOUT_S:
            self.uncertain.setdefault(command[1], set()).add(command[2])  # was sent twice, maybe
        return b"OK" if reply is True else reply

    def _connected(self):
        """By way of the first node that answers."""
        for node in self._nodes:
            with contextlib.suppress(*REDIS_PY_ERRORS):
                return redis.cluster.RedisCluster(
                    host=node.host, port=node.port, socket_timeout=AWARE_TIMEOUT_S
                )
        raise redis.ConnectionError("no node answers")


def make_clients(count, nodes, stop, plain=Client, aware=AwareClient):
    """Every third is aware."""
    return [(aware if i % 3 == 2 else plain)(i, nodes, stop) for i in range(count)]


def run(arguments, how):
    """Returns descriptions of what went wrong."""
    stop = threading.Event()
    with cluster.start_server(arguments) as servers:
        clients = make_clients(CLIENTS, servers.nodes, stop)
        for client in clients:
            client.start()
        time.sleep(arguments.seconds)
        victim = servers.nodes[-1]
        starved = bool(servers.suspected_ports())
        gone = time.monotonic()
        victim.process.send_signal(how)
        time.sleep(arguments.seconds + ROUTING_S)
        stop.set()
        for client in clients:
            client.join()
        starved = starved or bool(servers.suspected_ports() - {victim.port})
        failures = [text for client in clients for text in client.wrong][:20]
        late = judge(clients, gone, how, victim.port)
        # Who gets no processor is rightly suspected: how soon others go on says nothing then.
        if starved:
            print("a node that ran was suspected:", "; ".join(late) or "to no effect", flush=True)
        else:
            failures += late
        if how == signal.SIGKILL:
            victim.process.wait()
            victim.start()
        else:
            victim.process.send_signal(signal.SIGCONT)
        servers.wait_until_agreed()
        failures += read_back(clients, servers)
        if failures:
            failures.append(servers.log_tail())
        return failures


def judge(clients, gone, how, victim):
    """Whether others went on soon enough."""
    every = sorted(failure for client in clients for failure in client.failures)
    stayed = [(when, text) for when, text, port in every if port != victim]
    commands = sum(client.commands for client in clients)
    print(
        f"{how.name}: {commands} commands, {len(every)} failed, {len(stayed)} of them through nodes "
        "that stayed",
        flush=True,
    )
    for text in sorted({text for _, text in stayed}):
        times = [when - gone for when, what in stayed if what == text]
        print(f"  {len(times)}, the last {max(*times, 0):.2f} s after: {text[:120]}", flush=True)
    wrong = [f"before anything happened: {text}" for when, text, _ in every if when < gone]
    wrong += [
        f"{when - gone:.1f} s after: {text}" for when, text in stayed if when > gone + ROUTING_S
    ]
    if commands < 1000:
        wrong.append(f"only {commands} commands")
    return wrong[:20]


def read_back(clients, servers):
    wrong = []
    for node in servers.nodes:
        with node.connect() as connection:
            for client in clients:
                for key in client.known:
                    got = connection.call("GET", key)
                    if not isinstance(got, bytes) or not client.may_be(key, got):
                        wrong.append(f"{key} at {node.port}: {got!r} for {client.known[key]}")
    return wrong[:20]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.set_defaults(nodes=3)
    parser.add_argument("--seconds", type=float, default=3, help="before and after, each")
    arguments = parser.parse_args()
    failures = []
    logging.disable(logging.CRITICAL)  # each retry of redis-py
    for how in (signal.SIGKILL, signal.SIGSTOP):
        failures += run(arguments, how)
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
