#!/usr/bin/env python3
"""Records what clients of running servers see of a few keys, for history_check to judge.

  linearize.py --node HOST:PORT… --output FILE [--clients 32] [--keys 20] [--seconds 10]

Clients are spread over the nodes and over processes. Each sends one command after the other on
random keys: GET, SET, SET with NX, INCR, APPEND and DEL, of which half of the SETs to keys with an
even number write integers and all others values that are written nowhere else. FILE gets every
operation in the text form of tests/history/history.h, with times of CLOCK_MONOTONIC in nanoseconds.

A lost connection, a timeout or an error that begins with UNCERTAIN leaves an operation uncertain;
errors that say that nothing was applied (NOT_APPLIED below) leave it out; any other error but
INCR's own is the recorder's failure. Keys are named after --prefix and must not exist before; they
are deleted at the start unless --keep says that the caller has seen to it. Exits 0 when it has
recorded, 1 when it failed.
"""

import argparse
import dataclasses
import multiprocessing
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import wire

FIRST_LINE = "quorate-history 1"
NOT_APPLIED = ("NOQUORUM", "TRYAGAIN", "LOADING", "MISCONF")
# As Redis and Quorate word them: results of INCR, not failures.
INCR_ERRORS = (
    "ERR value is not an integer or out of range",
    "ERR increment or decrement would overflow",
)
MIX = {"GET": 40, "SET": 22, "SETNX": 10, "INCR": 10, "APPEND": 8, "DEL": 10}
RECONNECT_PAUSE_S = 0.02
END_WITHIN_S = 120


class RecorderFailed(Exception):
    """A reply that the recorder cannot put down."""


def hexadecimal(data):
    return "x" + data.hex()


@dataclasses.dataclass
class Call:
    """One command and how a history names it."""

    kind: str
    key: bytes
    argument: bytes | None = None

    def command(self):
        if self.kind == "SETNX":
            return ("SET", self.key, self.argument, "NX")
        if self.argument is None:
            return (self.kind, self.key)
        return (self.kind, self.key, self.argument)


def result_of(call, reply):
    """The text of a reply; None if the operation is uncertain, "" if it did not happen."""
    if isinstance(reply, wire.ReplyError):
        if reply.startswith("UNCERTAIN"):
            return None
        if reply.startswith(NOT_APPLIED):
            return ""
        if call.kind == "INCR" and reply in INCR_ERRORS:
            return "!" + hexadecimal(reply.encode())
        raise RecorderFailed(f"{call.command()!r} answered {reply!r}")
    if reply is None:
        return "nil"
    if isinstance(reply, int):
        return f":{reply}"
    if call.kind in ("SET", "SETNX") and reply == b"OK":
        return "OK"
    if call.kind == "GET":
        return hexadecimal(reply)
    raise RecorderFailed(f"{call.command()!r} answered {reply!r}")


def line_of(client, call, invoked, returned, result):
    """One operation in the text form; uncertain if `result` is None."""
    argument = "-" if call.argument is None else hexadecimal(call.argument)
    end = "- -" if result is None else f"{returned} {result}"
    return f"{client} {hexadecimal(call.key)} {call.kind} {argument} {invoked} {end}\n"


class Client:
    """One connection's commands, one at a time; a new connection whenever the old one is lost."""

    def __init__(self, number, node, arguments):
        self._number = number
        self._node = node
        self._arguments = arguments
        self._chance = random.Random(f"{arguments.seed}:{number}")
        self._sequence = 0
        self._connection = None
        self.lines = []

    def _unique(self):
        """Of many lengths, so that the length that APPEND answers says what it was appended to."""
        self._sequence += 1
        return b"<%d:%d%b>" % (self._number, self._sequence, b"." * self._chance.randrange(60))

    def _call(self):
        number = self._chance.randrange(self._arguments.keys)
        key = f"{self._arguments.prefix}{number}".encode()
        kind = self._chance.choices(list(MIX), MIX.values())[0]
        if kind in ("GET", "INCR", "DEL"):
            return Call(kind, key)
        if kind == "SET" and number % 2 == 0 and self._chance.random() < 0.5:
            return Call(kind, key, b"%d" % self._chance.randrange(-1_000_000, 1_000_000))
        return Call(kind, key, self._unique())

    def _connect(self):
        host, port = self._node
        try:
            self._connection = wire.Connection(
                port, host=host, timeout_s=self._arguments.timeout_s
            )
        except OSError:
            time.sleep(RECONNECT_PAUSE_S)

    def _execute(self, call):
        """The result's text, None if nobody knows."""
        try:
            reply = self._connection.call(*call.command())
        except OSError:
            self._connection.close()
            self._connection = None
            return None
        return result_of(call, reply)

    def run_until(self, deadline):
        while time.monotonic() < deadline:
            if self._connection is None:
                self._connect()
                continue
            call = self._call()
            invoked = time.monotonic_ns()
            result = self._execute(call)
            returned = time.monotonic_ns()
            if result != "":
                self.lines.append(line_of(self._number, call, invoked, returned, result))
        if self._connection is not None:
            self._connection.close()


def run_process(numbers, arguments, deadline, queue):
    """A process's clients, a thread each; puts (lines, failures) into the queue."""
    failures = []

    def guarded(client):
        try:
            client.run_until(deadline)
        except Exception as error:  # a thread's end must fail the recording, whatever ended it
            failures.append(f"a client ended: {error!r}")

    nodes = arguments.node
    clients = [Client(number, nodes[number % len(nodes)], arguments) for number in numbers]
    threads = [threading.Thread(target=guarded, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(([line for client in clients for line in client.lines], failures))


def delete_keys(arguments):
    host, port = arguments.node[0]
    with wire.Connection(port, host=host, timeout_s=arguments.timeout_s) as connection:
        for number in range(arguments.keys):
            reply = connection.call("DEL", f"{arguments.prefix}{number}")
            if not isinstance(reply, int):
                raise RecorderFailed(f"DEL answered {reply!r}")


def record(arguments):
    """Records for the given seconds; returns (lines, failures)."""
    if not arguments.keep:
        delete_keys(arguments)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = []
    deadline = time.monotonic() + arguments.seconds
    for first in range(arguments.processes):
        numbers = range(first, arguments.clients, arguments.processes)
        processes.append(
            context.Process(target=run_process, args=(numbers, arguments, deadline, queue))
        )
        processes[-1].start()
    lines, failures = [], []
    for _ in processes:
        some_lines, some_failures = queue.get(timeout=arguments.seconds + END_WITHIN_S)
        lines += some_lines
        failures += some_failures
    for process in processes:
        process.join()
    return lines, failures


def node_address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def parse_arguments(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--node", type=node_address, action="append", required=True, metavar="HOST:PORT"
    )
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--prefix", default="linearize:")
    parser.add_argument("--keep", action="store_true", help="do not delete the keys at the start")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--timeout-s", type=float, default=5, help="of a connection and a command")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args(words)


def main(words=None):
    arguments = parse_arguments(words)
    print(f"seed {arguments.seed}", flush=True)
    try:
        lines, failures = record(arguments)
    except (OSError, RecorderFailed) as error:
        lines, failures = [], [repr(error)]
    with open(arguments.output, "w", encoding="ascii") as output:
        output.write(FIRST_LINE + "\n")
        output.writelines(lines)
    uncertain = sum(line.endswith(" - -\n") for line in lines)
    print(f"{len(lines)} operations recorded, {uncertain} of them uncertain")
    for failure in failures[:10]:
        print("FAILED:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
