#!/usr/bin/env python3
"""Starts a redis-server or quorate-server binary for a test, and measures it from /proc.

As a module: `with Server(path) as server: server.connect()…`. As a program it runs any client
against a fresh server:

  server.py --server PATH [--threads N] -- COMMAND…

COMMAND finds the server in QUORATE_TEST_HOST and QUORATE_TEST_PORT; its exit code is this
program's. The servers listen on 127.0.0.1 on a free port, in a temporary directory unless one is
given, and are ended by their process id. Options are Quorate's; the few that Redis spells
differently are translated here and nowhere else.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import wire

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """The server did not start, stop or stay as asked; the text carries the end of its log."""


def is_redis(binary):
    """Whether the binary is Redis itself: it says so when asked for its version."""
    if "quorate" in pathlib.Path(binary).name:
        return False
    answer = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return answer.stdout.startswith("Redis server v=")


def free_port():
    """A port that nobody listens on, below those that the kernel gives to outgoing connections: one
    of those could be taken between this look and the server's start."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """One server process. Not started before start() or `with`; restarts on the same directory and
    port.

    threads        shard threads; Redis has no such thing and gets none
    appendfsync    always | everysec | no; the journal is always on (`appendonly yes` for Redis)
    maxmemory      e.g. "512mb"; not given to Redis, which cannot hold more data than memory
    core           the core it is pinned to, or None
    wrapper        a command to run it under, e.g. valgrind
    host           the address it listens on
    options        further (name, value) pairs, given to either kind as they are
    """

    def __init__(
        self,
        binary,
        threads=1,
        appendfsync="everysec",
        maxmemory=None,
        core=None,
        directory=None,
        wrapper=(),
        host="127.0.0.1",
        options=(),
    ):
        self.binary = str(binary)
        self.redis = is_redis(binary)
        self.threads = threads
        self.appendfsync = appendfsync
        self.maxmemory = maxmemory
        self.core = core
        self.wrapper = list(wrapper)
        self.host = host
        self.options = list(options)
        self.port = free_port()
        self.process = None
        self._own = tempfile.mkdtemp(prefix="quorate-compat-")
        self.directory = directory or os.path.join(self._own, "data")
        os.makedirs(self.directory, exist_ok=True)
        self._log_path = os.path.join(self._own, "log")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def _command(self):
        command = [
            self.binary,
            "--port",
            str(self.port),
            "--bind",
            self.host,
            "--dir",
            self.directory,
            "--appendfsync",
            self.appendfsync,
            "--enable-debug-command",
            "local",
        ]
        if self.redis:
            command += ["--appendonly", "yes", "--save", ""]
        else:
            command += ["--threads", str(self.threads)]
            if self.maxmemory:
                command += ["--maxmemory", self.maxmemory]
        for name, value in self.options:
            command += [f"--{name}", str(value)]
        pin = ["taskset", "-c", str(self.core)] if self.core is not None else []
        return pin + self.wrapper + command

    def start(self, timeout_s=60):
        """Starts the process and returns when it answers PING."""
        with open(self._log_path, "ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + timeout_s
        pause_s = 0.002
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerFailed(
                    f"ended with {self.process.returncode} at the start:\n{self.log_tail()}"
                )
            if self._answers():
                return self
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.05)
        self.kill()
        raise ServerFailed(f"no PONG within {timeout_s} s:\n{self.log_tail()}")

    def _answers(self):
        try:
            with self.connect(timeout_s=5) as connection:
                return connection.call("PING") == b"PONG"
        except OSError:
            return False

    def one_node(self):
        """What a Cluster has several of."""
        return self

    def connect(self, protocol=2, timeout_s=30):
        return wire.Connection(
            self.port, host=self.host, protocol=protocol, timeout_s=timeout_s
        )

    def stop(self, timeout_s=60):
        """A clean stop by SIGTERM; an end by another way than exit code 0 is an error."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(
                f"still there {timeout_s} s after SIGTERM:\n{self.log_tail()}"
            ) from None
        if code != 0:
            raise ServerFailed(f"ended with {code} after SIGTERM:\n{self.log_tail()}")

    def kill(self):
        """SIGKILL, no farewell."""
        self.process.kill()
        self.process.wait()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        """Ends the process if it still runs and removes what this object made."""
        if self.running():
            self.kill()
        shutil.rmtree(self._own, ignore_errors=True)

    def log(self):
        """Everything the server has printed since the object was made."""
        with open(self._log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def cpu_s(self):
        """CPU seconds used by all threads, also those that ended; child processes are not
        counted."""
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def goes_on(self):
        """Whether it is neither stopped by a signal nor dead."""
        return self._stat()[0] not in "TtZX"

    def _stat(self):
        """What the kernel says of the process, from its state on."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()

    def anonymous_bytes(self):
        """Resident anonymous memory: heap and stacks, not mapped files such as LMDB's."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Anonymous:"):
                    return int(line.split()[1]) * 1024
        raise ServerFailed("no Anonymous line in smaps_rollup")

    def info(self, section):
        """The fields of an INFO section as a dict of strings."""
        with self.connect() as connection:
            text = connection.call("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def checkpoints_completed(self):
        """How many checkpoints the server has finished; None for Redis, which has none."""
        field = self.info("persistence").get("checkpoints_completed")
        return None if field is None else int(field)


def add_server_arguments(parser):
    """The arguments every program here takes for the server under test."""
    parser.add_argument("--server", required=True, help="the server binary under test")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further option for the server under test",
    )


def parse_options(pairs):
    """["name=value"] as [(name, value)]."""
    return [tuple(pair.split("=", 1)) for pair in pairs]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_server_arguments(parser)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("a command is needed")
    with Server(
        arguments.server, threads=arguments.threads, options=parse_options(arguments.option)
    ) as server:
        environment = dict(
            os.environ, QUORATE_TEST_HOST="127.0.0.1", QUORATE_TEST_PORT=str(server.port)
        )
        code = subprocess.run(command, env=environment, check=False).returncode
        if not server.running():
            print(f"the server died:\n{server.log_tail()}", file=sys.stderr)
            return 1
        server.stop()
        return code


if __name__ == "__main__":
    sys.exit(main())
