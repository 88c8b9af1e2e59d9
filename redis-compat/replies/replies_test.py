#!/usr/bin/env python3
"""Reply for reply: sends every script beside this file to the server under test and to Redis, in
RESP2 and in RESP3.

Compares the bytes of the replies; script.py explains the scripts and how they declare what may
differ. Each script starts on empty databases. Prints every difference and `N passed, N failed`,
counted in replies.
"""

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import script
import server as server_module
import wire

HERE = pathlib.Path(__file__).resolve().parent
QUIET_S = 0.2
OF_A_LONE_NODE = ("cluster",)


class Peer:
    """One of the two servers as a script sees it: a connection that directives replace."""

    def __init__(self, server, protocol):
        self._server = server.one_node()  # the same for all connections: passwords are a node's
        self._protocol = protocol
        self._connection = None
        self.reconnect(plain=False)
        self._connection.call("FLUSHALL")

    def reconnect(self, plain):
        self.close()
        self._connection = self._server.connect(protocol=2 if plain else self._protocol)

    def close(self):
        if self._connection:
            self._connection.close()

    def answer(self, step):
        """What this server makes of the step: the reply's bytes, or what stands for them."""
        if step.kind == "command":
            self._connection.send(*step.arguments)
            return self._connection.read_with_bytes()[1]
        if step.kind == "raw":
            with self._server.connect() as connection:
                connection.send_raw(b"".join(step.arguments))
                data, closed = connection.read_to_end(QUIET_S)
            return data + (b" <closed>" if closed else b" <open>")
        return self._scan(step.arguments)

    def _scan(self, arguments):
        keys, cursor = set(), b"0"
        while True:
            reply = self._connection.call("SCAN", cursor, *arguments)
            if isinstance(reply, wire.ReplyError):
                return reply.encode()
            cursor, page = reply
            keys.update(page)
            if cursor == b"0":
                return b"".join(b"%r " % key for key in sorted(keys))


def elements(raw):
    """A reply's elements in an order of their own."""
    value = wire.parse(raw)[0]
    return sorted(value, key=repr) if isinstance(value, list) else value


def same(step, subject, reference, protocol, subject_is_redis):
    """Whether the answers agree as the step wants it."""
    comparison = step.comparison
    expected = comparison.get(f"expect{protocol}", comparison.get("expect"))
    if expected is not None and not subject_is_redis:
        return subject == expected
    if "match" in comparison:
        return all(
            comparison["match"].fullmatch(raw.decode("latin-1")) for raw in (subject, reference)
        )
    if "near" in comparison:
        numbers = [wire.parse(raw)[0] for raw in (subject, reference)]
        return (
            all(isinstance(n, int) for n in numbers)
            and abs(numbers[0] - numbers[1]) <= comparison["near"]
        )
    if "unordered" in comparison:
        return elements(subject) == elements(reference)
    return subject == reference


def shorten(raw):
    return repr(raw) if len(raw) < 600 else f"{raw[:300]!r}… ({len(raw)} bytes)"


def run_script(path, subject_server, reference_server, protocol):
    """Sends one script to both; returns (replies compared, descriptions of the differences)."""
    subject, reference = Peer(subject_server, protocol), Peer(reference_server, protocol)
    compared, differences = 0, []
    for step in script.read(path):
        if step.kind == "sleep":
            time.sleep(float(step.arguments[0]))
        elif step.kind == "raw" and protocol == 3:
            continue  # such a step has a connection of its own, HELLO or not is in its bytes
        elif step.kind == "again":
            subject.reconnect(step.arguments == [b"plain"])
            reference.reconnect(step.arguments == [b"plain"])
        else:
            theirs = reference.answer(step)
            try:
                ours = subject.answer(step)
            except (OSError, wire.ProtocolBroken) as error:
                differences.append(
                    f"{path.name}:{step.number} RESP{protocol}: {step.text[:200]}\n  {error!r}"
                )
                return compared + 1, differences
            compared += 1
            if not same(step, ours, theirs, protocol, subject_server.redis):
                wanted = step.comparison.get("expect")
                differences.append(
                    f"{path.name}:{step.number} RESP{protocol}: {step.text[:200]}\n"
                    f"  under test: {shorten(ours)}\n  reference:  {shorten(theirs)}"
                    + (f"\n  expected:   {shorten(wanted)}" if wanted else "")
                )
    subject.close()
    reference.close()
    return compared, differences


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.add_argument("--reference", default="redis-server", help="the Redis to compare with")
    parser.add_argument("scripts", nargs="*", help="names of scripts (default: all)")
    arguments = parser.parse_args()
    paths = [HERE / f"{name.removesuffix('.txt')}.txt" for name in arguments.scripts] or sorted(
        path for path in HERE.glob("*.txt") if arguments.nodes == 1 or path.stem not in OF_A_LONE_NODE
    )
    compared, differences = 0, []
    with cluster.start_server(arguments) as subject, server_module.Server(
        arguments.reference
    ) as reference:
        for path in paths:
            for protocol in (2, 3):
                count, found = run_script(path, subject, reference, protocol)
                compared += count
                differences += found
                if not subject.running():
                    differences.append(f"the server ended in {path.name}:\n{subject.log_tail()}")
                    subject.start()
    for difference in differences:
        print(difference)
    print(f"{compared - len(differences)} passed, {len(differences)} failed")
    return 1 if differences or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
