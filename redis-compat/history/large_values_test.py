#!/usr/bin/env python3
"""Values far beyond what one message between nodes used to hold, through every node of a cluster.

Five nodes, so that some hold no copy of a key and forward its commands. A value of --megabytes is
set and read through each node; pipelines of reads and writes bring more in one turn than fits into
one answer; many connections write more than replicas can be sent at once; a node that was down
while large values changed gets them when it is back, and reads through it are answered meanwhile.
Every reply must be right, at once: neither an error nor an uncertain write.
"""

import argparse
import concurrent.futures
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import wire

MEBIBYTE = 1 << 20
PIPELINED = 40
KNOWN_AWAY_WITHIN_S = 60


def value_of(number, megabytes):
    return (b"%d:" % number).ljust(megabytes * MEBIBYTE, b"%d" % (number % 10))


class Checks:
    def __init__(self):
        self.failures = []

    def equal(self, what, got, wanted):
        if got != wanted:
            shown = got if not isinstance(got, bytes) else got[:60] + b"... %d bytes" % len(got)
            self.failures.append(f"{what}: {shown!r}")

    def bulk(self, what, connection, wanted):
        """The next reply is that bulk string. Known byte for byte, it is quick to read."""
        header = b"$%d\r\n" % len(wanted)
        began = connection.read_exactly(len(header))
        if began == header:
            self.equal(what, connection.read_exactly(len(wanted) + 2), wanted + b"\r\n")
        else:
            rest = b"" if began.endswith(b"\n") else connection.read_line()
            raise wire.ProtocolBroken(f"{what}: {began + rest!r}")


def through_every_node(nodes, checks, megabytes):
    for number, node in enumerate(nodes):
        with node.connect(timeout_s=60) as connection:
            key = f"large:{number}"
            wanted = value_of(number, megabytes)
            checks.equal(f"SET {key}", connection.call("SET", key, wanted), b"OK")
            checks.equal(f"APPEND {key}", connection.call("APPEND", key, "."), len(wanted) + 1)
        for reader in nodes:
            with reader.connect(timeout_s=60) as connection:
                connection.send("GET", key)
                checks.bulk(f"GET {key}", connection, wanted + b".")


def pipelined(nodes, checks, megabytes):
    """More than one answer holds, of different keys and of one."""
    keys = [f"pipelined:{i}" for i in range(PIPELINED)]
    for number, node in enumerate(nodes[::4]):
        wanted = value_of(number, megabytes)
        with node.connect(timeout_s=60) as connection:
            connection.send_raw(b"".join(wire.encode("SET", key, wanted) for key in keys))
            for key in keys:
                checks.equal(f"pipelined SET {key}", connection.read(), b"OK")
            reads = [wire.encode("GET", key) for key in keys]
            reads += [wire.encode("GET", keys[0])] * PIPELINED
            connection.send_raw(b"".join(reads))
            for i in range(len(reads)):
                checks.bulk(f"pipelined GET {i}", connection, wanted)
            connection.send("MGET", *keys)
            checks.equal("MGET", connection.read_exactly(5), b"*%d\r\n" % len(keys))
            for key in keys:
                checks.bulk(f"MGET {key}", connection, wanted)


def burst(nodes, checks, megabytes):
    """Pipelines of many connections: more than replicas can be sent at once, so some must wait."""
    wanted = value_of(7, megabytes)

    def write(number):
        with nodes[number % len(nodes)].connect(timeout_s=60) as connection:
            for key in range(8):
                connection.send("SET", f"burst:{number}:{key}", wanted)
            for key in range(8):
                checks.equal(f"SET burst:{number}:{key}", connection.read(), b"OK")

    with concurrent.futures.ThreadPoolExecutor(max_workers=24) as clients:
        list(clients.map(write, range(24)))


def missed(servers, checks, megabytes):
    """What changed while a node was down is read through it when it is back."""
    away = servers.nodes[-1]
    away.kill()
    with servers.nodes[0].connect(timeout_s=60) as connection:
        for number in range(6):
            wanted = value_of(number, megabytes)
            deadline = time.monotonic() + KNOWN_AWAY_WITHIN_S
            while (got := connection.call("SET", f"missed:{number}", wanted)) != b"OK":
                if time.monotonic() > deadline or not str(got).startswith(("TRYAGAIN", "UNCERTAIN")):
                    break
            checks.equal(f"SET missed:{number}", got, b"OK")
    away.start()
    servers.wait_until_agreed()
    with away.connect(timeout_s=60) as connection:
        for number in range(6):
            got = connection.call("GET", f"missed:{number}")
            checks.equal(f"GET missed:{number}", got, value_of(number, megabytes))


def run(servers, checks, megabytes):
    through_every_node(servers.nodes, checks, megabytes)
    pipelined(servers.nodes, checks, max(1, megabytes // 10))
    burst(servers.nodes, checks, max(1, megabytes // 30))
    fell_behind = sum("gets no more changes" in node.log() for node in servers.nodes)
    checks.equal("nodes that let another one fall behind", fell_behind, 0)
    missed(servers, checks, megabytes)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.set_defaults(nodes=5, threads=1)
    parser.add_argument("--megabytes", type=int, default=40)
    arguments = parser.parse_args()
    checks = Checks()
    with cluster.start_server(arguments) as servers:
        try:
            run(servers, checks, arguments.megabytes)
        except (OSError, wire.ProtocolBroken) as error:
            checks.failures.append(f"{error!r}\n{servers.log_tail()}")
        if not servers.running():
            checks.failures.append(f"a node ended\n{servers.log_tail()}")
    for failure in checks.failures[:20]:
        print("FAILED:", failure)
    print(f"{len(checks.failures)} checks failed")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
