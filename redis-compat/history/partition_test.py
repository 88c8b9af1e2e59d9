#!/usr/bin/env python3
"""A network that falls apart between real nodes, and heals: what each side acknowledged is there.

Three nodes, each a host of a network of this test's own (network.py; exits with 77, skipped, where
that is not allowed). First with a majority needed for writes: the side of one node refuses, the
other goes on, unless a connection or a call asks for other quorums. Then with one copy enough: both
sides take writes. After healing, DYN.GET shows both values of a key that was set on both sides, and
DYN.PUT with its context leaves one, everywhere; keys that plain SETs were repeated on have no more
siblings than there were sides; counters that both sides counted up add up; where conflict-policy
says so the last write wins; no deletion is undone. At last many plain SETs of few keys, through
changing nodes of the healthy cluster, leave no siblings at all.
"""

import argparse
import itertools
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster as cluster_module
import network as network_module
import server as server_module
import wire

NODES = 3
KEYS = 20
ROUNDS = 40
COUNTS = 50
WITHIN_S = 30


class Failed(Exception):
    """What the test has found."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def eventually(what, text):
    """Waits until what() is true."""
    deadline = time.monotonic() + WITHIN_S
    while not what():
        check(time.monotonic() < deadline, f"not within {WITHIN_S} s: {text}")
        time.sleep(0.05)


def ask(node, *command):
    with node.connect(timeout_s=10) as connection:
        return connection.call(*command)


def accepts(node, key):
    """Whether a SET of the key through the node is acknowledged."""
    try:
        return ask(node, "SET", key, "probe") == b"OK"
    except OSError:
        return False


def cut_off(servers, network, writes_there):
    """Parts the first node from the others, and waits until both sides have found their ways."""
    network.part([0])
    for node in servers.nodes[1:]:
        eventually(
            lambda node=node: all(accepts(node, f"probe:{i}") for i in range(KEYS)),
            f"the greater side takes writes at {node.host}",
        )
    alone = servers.nodes[0]
    eventually(
        lambda: all(accepts(alone, f"probe:{i}") == writes_there for i in range(KEYS)),
        f"the lone node {'takes' if writes_there else 'refuses'} writes",
    )


def heal(servers, network):
    network.heal()
    servers.wait_until_agreed()


def values_of(node, key):
    """[context, [value…]]; none if there is no such key."""
    reply = ask(node, "DYN.GET", key)
    return (reply[0], sorted(reply[1])) if isinstance(reply, list) else (None, [])


def everywhere(servers, key, values):
    eventually(
        lambda: all(values_of(node, key)[1] == values for node in servers.nodes),
        f"{key} is {values} at every node",
    )


def majority(arguments, network):
    """R = W = 2: nothing is acknowledged by the side that has no majority."""
    with start(arguments, network) as servers:
        check(ask(servers.nodes[0], "SET", "before", "1") == b"OK", "a healthy cluster takes writes")
        cut_off(servers, network, writes_there=False)
        for i in range(KEYS):
            reply = ask(servers.nodes[0], "SET", f"majority:{i}", "lone")
            check(isinstance(reply, wire.ReplyError), f"the lone node answered {reply!r}")
            reply = ask(servers.nodes[1 + i % 2], "SET", f"majority:{i}", "many")
            check(reply == b"OK", f"the greater side answered {reply!r}")
        own_quorums(servers)
        heal(servers, network)
        for i in range(KEYS):
            everywhere(servers, f"majority:{i}", [b"many"])
            everywhere(servers, f"own:{i}", [b"lone", b"many"])
    print("ok: only the side with a majority takes writes", flush=True)


def own_quorums(servers):
    """Quorums that a connection or a call asks for, while the first node is cut off."""
    with servers.nodes[0].connect(timeout_s=10) as connection:
        connection.call("DYN.QUORUM", "R", 1, "W", 1)
        for i in range(KEYS):
            reply = connection.call("SET", f"own:{i}", "lone")
            check(reply == b"OK", f"one copy was asked for, and the answer was {reply!r}")
        check(connection.call("WAIT", 1, 100) == 0, "nobody else has it")
    for node in servers.nodes[1:]:
        with node.connect(timeout_s=10) as connection:
            for i in range(KEYS):
                reply = connection.call("DYN.PUT", f"own:{i}", "", "all", "W", 3)
                refused = isinstance(reply, wire.ReplyError) and str(reply).startswith("NOQUORUM")
                check(refused, f"three copies were asked for, and the answer was {reply!r}")
                check(connection.call("SET", f"own:{i}", "many") == b"OK", "two can be had")
            check(connection.call("WAIT", 1, 0) == 1, "the other one has it")


def write_on(side, name):
    """What both sides do at once; through each node of the side in turns."""
    nodes = itertools.cycle(side)
    for i in range(KEYS):
        check(ask(next(nodes), "SET", f"both:{i}", name) == b"OK", f"SET on the side {name}")
        check(ask(next(nodes), "SET", f"last:{i}", name) == b"OK", f"SET on the side {name}")
    for number in range(ROUNDS):
        for i in range(KEYS):
            reply = ask(next(nodes), "SET", f"loop:{i}", f"{name} {number}")
            check(reply == b"OK", f"SET in a loop on the side {name}: {reply!r}")
    for i in range(KEYS * COUNTS):
        reply = ask(next(nodes), "INCR", f"count:{i % KEYS}")
        check(isinstance(reply, int), f"INCR on the side {name}: {reply!r}")


def both_sides(arguments, network):
    """R = W = 1: both sides take writes, and merge."""
    options = [("read-quorum", 1), ("write-quorum", 1), ("conflict-policy", "last: lww")]
    with start(arguments, network, options) as servers:
        for i in range(KEYS):
            ask(servers.nodes[1], "SET", f"count:{i}", 1000)
            ask(servers.nodes[1], "SET", f"both:{i}", "before")
            ask(servers.nodes[1], "SET", f"gone:{i}", "before")
        for i in range(KEYS):
            everywhere(servers, f"gone:{i}", [b"before"])
            everywhere(servers, f"count:{i}", [b"1000"])
        cut_off(servers, network, writes_there=True)
        sides = {"one": servers.nodes[:1], "two": servers.nodes[1:]}
        failures = []

        def guarded(name):
            try:
                write_on(sides[name], name)
            except (Failed, OSError) as failure:
                failures.append(f"side {name}: {failure}")

        threads = [threading.Thread(target=guarded, args=(name,)) for name in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(not failures, "; ".join(failures))
        for i in range(KEYS):
            check(ask(servers.nodes[i % NODES], "DEL", f"gone:{i}") == 1, "DEL on one side")
        heal(servers, network)
        judge_merged(servers)


def last_write_won(servers, key):
    """One of both values, the same at every node. With R = 1 a node may be read before it has the
    other side's."""
    seen = []

    def merged():
        seen[:] = [values_of(node, key)[1] for node in servers.nodes]
        return seen[0] in ([b"one"], [b"two"]) and all(values == seen[0] for values in seen)

    eventually(merged, f"{key} is the same one value at every node")
    for node in servers.nodes:
        got = ask(node, "GET", key)
        check([got] == seen[0], f"{key} is {got!r} at {node.host}, and was {seen[0]} everywhere")


def judge_merged(servers):
    for i in range(KEYS):
        everywhere(servers, f"both:{i}", [b"one", b"two"])
        everywhere(servers, f"gone:{i}", [])
        last_write_won(servers, f"last:{i}")
        total = b"%d" % (1000 + 2 * COUNTS)
        eventually(
            lambda i=i, total=total: all(
                ask(node, "GET", f"count:{i}") == total for node in servers.nodes
            ),
            f"count:{i} is {total} at every node",
        )
        for node in servers.nodes:
            values = values_of(node, f"loop:{i}")[1]
            check(1 <= len(values) <= 2, f"loop:{i} has {values} at {node.host}")
    print("ok: both sides' writes are there, counters add up, deletions stay", flush=True)
    for i in range(KEYS):
        node = servers.nodes[i % NODES]
        context, _ = values_of(node, f"both:{i}")
        check(ask(node, "DYN.PUT", f"both:{i}", context, "resolved") is not None, "DYN.PUT")
        everywhere(servers, f"both:{i}", [b"resolved"])
    print("ok: a write with the context of both leaves one, everywhere", flush=True)


def no_siblings(arguments, network):
    """Plain SETs through changing nodes, many at once."""
    with start(arguments, network) as servers:
        share = arguments.sets // NODES
        failures = []

        def write(node, first):
            with node.connect(timeout_s=60) as connection:
                for start_at in range(first, first + share, 100):
                    batch = [("SET", f"plain:{n % 1000}", n) for n in range(start_at, start_at + 100)]
                    replies = connection.pipeline(batch)
                    failures.extend(reply for reply in replies if reply != b"OK")

        threads = [
            threading.Thread(target=write, args=(node, number * 7))
            for number, node in enumerate(servers.nodes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Who gets no processor is rightly suspected; the cluster was not healthy then.
        starved = servers.suspected_ports()
        check(starved or not failures, f"{len(failures)} SETs failed: {failures[:3]}")
        most = NODES if starved else 1
        for node in servers.nodes:
            for number in range(1000):
                _, values = values_of(node, f"plain:{number}")
                check(1 <= len(values) <= most, f"plain:{number} has {values} at {node.host}")
        if starved:
            print(f"nodes that ran were suspected: {len(failures)} SETs failed", flush=True)
            return
    print(f"ok: {share * NODES} plain SETs left no siblings", flush=True)


def start(arguments, network, options=()):
    return cluster_module.Cluster(
        arguments.server,
        NODES,
        options=[*server_module.parse_options(arguments.option), *options],
        network=network,
        threads=arguments.threads,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server_module.add_server_arguments(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", type=int, default=60_000, help="plain SETs at the end")
    arguments = parser.parse_args()
    if not network_module.enter():
        return network_module.SKIPPED
    network = network_module.Network(NODES)
    for part in (majority, both_sides, no_siblings):
        try:
            part(arguments, network)
        except Failed as failure:
            print(f"FAILED: {part.__name__}: {failure}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
