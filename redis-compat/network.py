"""A network of its own for servers on this machine, whose links can be cut without anybody being
told, as a broken switch does.

Each host has a network namespace with one address; they hang on bridges, one for each part of a
partition, and so does whoever made the network, who reaches all hosts at any time. Needs the right
to make namespaces: enter() runs the program again where it has it.
"""

import os
import subprocess
import sys

SKIPPED = 77
INSIDE = "QUORATE_NETWORK_INSIDE"
BRIDGES = 2


def enter():
    """Goes on in a network namespace of this process's own; False if that is not allowed here."""
    if INSIDE in os.environ:
        # Named namespaces and /sys of this network are not the machine's.
        run("mount", "-t", "tmpfs", "none", "/run")
        return True
    for options in (["-mn"], ["-mnUr"]):
        probe = ["unshare", *options, "ip", "link", "add", "probe", "type", "bridge"]
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])
    print("skipped: no right to make network namespaces here")
    return False


def run(*command):
    subprocess.run(command, check=True)


class Network:
    """Hosts 0 to count - 1, all connected."""

    def __init__(self, count):
        run("ip", "link", "set", "lo", "up")
        for bridge in range(BRIDGES):
            run("ip", "link", "add", f"bridge{bridge}", "type", "bridge")
            run("ip", "link", "set", f"bridge{bridge}", "up")
            run("ip", "address", "add", f"10.99.{bridge}.254/32", "dev", f"bridge{bridge}")
        for host in range(count):
            self._add(host)
        self._count = count
        self.heal()

    @staticmethod
    def address(host):
        return f"10.99.9.{host + 1}"

    @staticmethod
    def wrapper(host):
        """What to run a command under, so that it runs on the host."""
        return ("ip", "netns", "exec", f"host{host}")

    def _add(self, host):
        inside = (*self.wrapper(host), "ip")
        run("ip", "netns", "add", f"host{host}")
        run("ip", "link", "add", f"port{host}", "type", "veth", "peer", "name", f"inner{host}")
        run("ip", "link", "set", f"inner{host}", "netns", f"host{host}")
        run("ip", "link", "set", f"port{host}", "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "link", "set", f"inner{host}", "up")
        run(*inside, "address", "add", f"{self.address(host)}/16", "dev", f"inner{host}")

    def part(self, side):
        """Cuts the hosts of `side` off from all others."""
        for host in range(self._count):
            bridge = f"bridge{1 if host in side else 0}"
            run("ip", "link", "set", f"port{host}", "master", bridge)
            run("ip", "route", "replace", f"{self.address(host)}/32", "dev", bridge)

    def heal(self):
        self.part(())
