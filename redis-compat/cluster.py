#!/usr/bin/env python3
"""Several servers that are one cluster, for tests: `with Cluster(path, nodes=3) as cluster: …`.

A Cluster can stand where a test expects a Server: connect() takes the nodes in turns, the rest is
done to all of them. As a program it runs any client against a fresh cluster:

  cluster.py --server PATH [--nodes N] [--threads N] -- COMMAND…

COMMAND finds the first node in QUORATE_TEST_HOST and QUORATE_TEST_PORT, and all of them, as
HOST:PORT with spaces between, in QUORATE_TEST_NODES; its exit code is this program's.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import time

import server as server_module
import wire

AGREE_WITHIN_S = 30


def meet(node, other, peer_port):
    with node.connect() as connection:
        return connection.call("CLUSTER", "MEET", other.host, other.port, peer_port)


class Cluster:
    """Nodes that have met each other and agree on who holds what. Arguments are Server's;
    `links` is a SlowLinks that all messages between nodes go through, `network` the Network that
    they are hosts of."""

    def __init__(self, binary, nodes=3, options=(), links=None, network=None, **arguments):
        name = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.nodes = []
        self._name = name
        self._peer_ports = []
        for number in range(nodes):
            own = [("cluster-name", name), ("cluster-port", server_module.free_port())]
            self._peer_ports.append(own[-1][1])
            if links is not None:
                self._peer_ports[-1] = links.add(self._peer_ports[-1])
                own.append(("cluster-announce-bus-port", self._peer_ports[-1]))
            if network is not None:
                own += [("cluster-secret", name), ("protected-mode", "no")]
                arguments["wrapper"] = network.wrapper(number)
                arguments["host"] = network.address(number)
            self.nodes.append(
                server_module.Server(binary, options=[*own, *options], **arguments)
            )
        self._options = options
        self._binary = binary
        self._arguments = arguments
        self._turns = itertools.cycle(range(nodes))
        self._joined = False
        self.redis = False

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    @property
    def port(self):
        return self.nodes[0].port

    @property
    def addresses(self):
        return [f"{node.host}:{node.port}" for node in self.nodes]

    def start(self):
        """Starts all nodes and returns when they agree."""
        for node in self.nodes:
            node.start()
        if not self._joined:
            for other, peer_port in list(zip(self.nodes, self._peer_ports))[1:]:
                meet(self.nodes[0], other, peer_port)
            self._joined = True
        self.wait_until_agreed()
        return self

    def join(self):
        """Starts one more node, which meets the first one; returns it. It joins in its own time."""
        own = [("cluster-name", self._name), ("cluster-port", server_module.free_port())]
        node = server_module.Server(
            self._binary, options=[*own, *self._options], **self._arguments
        )
        node.start()
        meet(node, self.nodes[0], self._peer_ports[0])
        self.nodes.append(node)
        self._peer_ports.append(own[-1][1])
        return node

    def wait_until_agreed(self, within_s=AGREE_WITHIN_S):
        deadline = time.monotonic() + within_s
        while not self.agreed():
            if time.monotonic() > deadline:
                raise server_module.ServerFailed(f"no agreement:\n{self.log_tail()}")
            time.sleep(0.05)

    def agreed(self):
        """Whether every node that runs sees all nodes, well, and the same placement."""
        digests = set()
        for node in self.nodes:
            try:
                with node.connect(timeout_s=5) as connection:
                    info = connection.call("CLUSTER", "INFO")
                    ring = connection.call("DYN.RING")
            except (OSError, wire.ProtocolBroken):
                return False  # it starts again, with the others' hash seed
            if b"cluster_known_nodes:%d\r\n" % len(self.nodes) not in info:
                return False
            if b"cluster_slots_ok:16384\r\n" not in info:
                return False
            digests.add(ring[ring.index(b"digest") + 1])
        return len(digests) == 1

    def one_node(self):
        """A node, each in its turn."""
        return self.nodes[next(self._turns)]

    def connect(self, **arguments):
        return self.one_node().connect(**arguments)

    def stop(self):
        for node in self.nodes:
            node.stop()

    def kill(self):
        for node in self.nodes:
            node.kill()

    def running(self):
        return all(node.running() for node in self.nodes)

    def close(self):
        for node in self.nodes:
            node.close()

    def suspected_ports(self):
        """Of nodes that another one has taken for dead, however shortly."""
        line = re.compile(r"\([^)]*:(\d+)@\d+\) is suspected to be down")
        return {int(port) for node in self.nodes for port in line.findall(node.log())}

    def log_tail(self, lines=30):
        return "\n".join(
            f"--- node at {node.port}\n{node.log_tail(lines)}" for node in self.nodes
        )


def start_server(arguments, **more):
    """What a test program with --nodes is to run against: a server, or a cluster."""
    more.setdefault("threads", arguments.threads)
    more["options"] = server_module.parse_options(arguments.option)
    if arguments.nodes > 1:
        return Cluster(arguments.server, nodes=arguments.nodes, **more)
    return server_module.Server(arguments.server, **more)


def add_cluster_arguments(parser):
    """Those of every program that can run against a server or a cluster."""
    server_module.add_server_arguments(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1, help="more than one: a cluster")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_cluster_arguments(parser)
    parser.set_defaults(nodes=3)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("a command is needed")
    with start_server(arguments) as cluster:
        environment = dict(
            os.environ,
            QUORATE_TEST_HOST="127.0.0.1",
            QUORATE_TEST_PORT=str(cluster.port),
            QUORATE_TEST_NODES=" ".join(getattr(cluster, "addresses", [])),
        )
        code = subprocess.run(command, env=environment, check=False).returncode
        if not cluster.running():
            print(f"a node died:\n{cluster.log_tail()}", file=sys.stderr)
            return 1
        cluster.stop()
        return code


if __name__ == "__main__":
    sys.exit(main())
