#!/usr/bin/env python3
"""Order per connection and atomicity of MSET, with two shard threads, many connections and deep
pipelines.

Order: each connection sends pipelines of SET, INCR, APPEND, DEL, GET and MGET on keys of its own,
which lie on both threads; every reply must be the one that the commands before it imply. All
connections also read one key that one of them counts up: no connection may see it go back.
Atomicity: writers MSET ten keys of a group to one value while readers MGET the group, its keys in
another order: all ten must be equal. Each runs twice: with everything in memory, and with groups
far beyond `maxmemory`, so that keys are evicted from memory and read back between and within the
commands (Redis itself runs without a limit).
"""

import argparse
import collections
import dataclasses
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import server as server_module
import wire

GROUP_KEYS = 10
COLD_VALUE_BYTES = 1000


class Violations:
    """What went wrong, collected from all threads; the first few are kept with their words."""

    def __init__(self):
        self._lock = threading.Lock()
        self.count = 0
        self.samples = []

    def add(self, text):
        with self._lock:
            self.count += 1
            if len(self.samples) < 10:
                self.samples.append(text)


class OwnKeys:
    """What one connection's own keys must hold, command by command."""

    def __init__(self, name, keys, value_bytes, chance):
        self._chance = chance
        self._names = [f"{name}:{i}" for i in range(keys)]
        self._values = {}
        self._padding = b"p" * value_bytes
        self._sequence = 0

    def request(self):
        """A random command and its only correct reply."""
        key = self._chance.choice(self._names)
        value = self._values.get(key)
        self._sequence += 1
        kind = self._chance.randrange(6)
        if kind == 0:
            self._values[key] = b"%d:%b" % (self._sequence, self._padding)
            return ("SET", key, self._values[key]), b"OK"
        if kind == 1:
            counter = key + ":n"
            self._values[counter] = b"%d" % (int(self._values.get(counter, 0)) + 1)
            return ("INCR", counter), int(self._values[counter])
        if kind == 2:
            suffix = b"+%d" % self._sequence
            self._values[key] = (value or b"") + suffix
            return ("APPEND", key, suffix), len(self._values[key])
        if kind == 3:
            self._values.pop(key, None)
            return ("DEL", key), int(value is not None)
        if kind == 4:
            return ("GET", key), value
        names = self._chance.sample(self._names, 4)
        return ("MGET", *names), [self._values.get(name) for name in names]


def check_order(server, name, arguments, phase, stop, violations, counts):
    """One connection of the order test. The connection named 0 counts the shared key up; the others
    watch it."""
    chance = random.Random(f"{arguments.seed}:{name}")
    own = OwnKeys(f"own{name}", phase.own_keys, phase.value_bytes, chance)
    shared = 0
    with server.connect(timeout_s=120) as connection:
        while not stop.is_set():
            requests = [own.request() for _ in range(chance.choice((1, 10, 50, 200)))]
            watch = ("INCR", "shared") if name == 0 else ("GET", "shared")
            replies = connection.pipeline([command for command, _ in requests] + [watch])
            for (command, expected), reply in zip(requests, replies):
                if reply != expected:
                    violations.add(
                        f"order: {command[:2]!r} answered {reply!r:.80}, due {expected!r:.80}"
                    )
            seen = int(replies[-1] or 0)
            if seen < shared:
                violations.add(f"order: shared went from {shared} back to {seen}")
            shared = seen
            counts["ordered commands"] += len(replies)


def group(number):
    return [f"group:{number}:{i}" for i in range(GROUP_KEYS)]


def write_groups(server, name, arguments, phase, stop, _violations, counts):
    """One connection that sets whole groups."""
    chance = random.Random(f"{arguments.seed}:writer{name}")
    sequence = 0
    with server.connect(timeout_s=120) as connection:
        while not stop.is_set():
            commands = []
            for _ in range(chance.choice((1, 4, 16))):
                sequence += 1
                value = b"%d:%d:%b" % (name, sequence, b"g" * phase.value_bytes)
                keys = group(phase.choose_group(chance))
                chance.shuffle(keys)
                commands.append(("MSET", *[part for key in keys for part in (key, value)]))
            for reply in connection.pipeline(commands):
                if reply != b"OK":
                    raise wire.ProtocolBroken(f"MSET answered {reply!r}")
            counts["MSET"] += len(commands)


def read_groups(server, name, arguments, phase, stop, violations, counts):
    """One connection that reads whole groups and wants them whole."""
    chance = random.Random(f"{arguments.seed}:reader{name}")
    with server.connect(timeout_s=120) as connection:
        while not stop.is_set():
            numbers = [phase.choose_group(chance) for _ in range(chance.choice((1, 4, 16)))]
            commands = []
            for number in numbers:
                keys = group(number)
                chance.shuffle(keys)
                commands.append(("MGET", *keys))
            for number, values in zip(numbers, connection.pipeline(commands)):
                if len(set(values)) != 1:
                    seen = collections.Counter(value and value[:20] for value in values)
                    violations.add(f"atomicity: group {number} holds {dict(seen)}")
            counts["MGET"] += len(commands)


def run_roles(server, roles, arguments, phase, violations):
    """Runs (function, connections) pairs for the given seconds, a thread per connection; returns
    the counts."""
    stop = threading.Event()
    counts = [collections.Counter() for _, connections in roles for _ in range(connections)]

    def guarded(role, *role_arguments):
        try:
            role(server, *role_arguments)
        except Exception as error:  # a thread's end must fail the test, whatever ended it
            violations.add(f"{role.__name__} ended: {error!r}")
            stop.set()

    threads = []
    for role, connections in roles:
        for name in range(connections):
            threads.append(
                threading.Thread(
                    target=guarded,
                    args=(role, name, arguments, phase, stop, violations, counts[len(threads)]),
                )
            )
    for thread in threads:
        thread.start()
    stop.wait(arguments.seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts, collections.Counter())


@dataclasses.dataclass
class Phase:
    """What distinguishes the two runs. With `maxmemory` the groups and own keys do not all stay in
    memory."""

    title: str
    groups: int
    own_keys: int
    value_bytes: int
    maxmemory: str | None

    def choose_group(self, chance):
        """Half of the accesses go to a few groups, where writers and readers meet; the rest turn
        memory over."""
        return chance.randrange(4 if chance.random() < 0.5 else self.groups)


def run_phase(arguments, phase):
    """One server, both tests at once. Returns the number of violations."""
    violations = Violations()
    with server_module.Server(
        arguments.server,
        threads=arguments.threads,
        maxmemory=phase.maxmemory,
        options=server_module.parse_options(arguments.option),
    ) as server:
        with server.connect(timeout_s=120) as connection:
            for number in range(phase.groups):
                filler = b"0:%b" % (b"g" * phase.value_bytes)
                connection.call("MSET", *[part for key in group(number) for part in (key, filler)])
        started = time.monotonic()
        counts = run_roles(
            server,
            [
                (check_order, arguments.connections),
                (write_groups, arguments.connections),
                (read_groups, arguments.connections),
            ],
            arguments,
            phase,
            violations,
        )
        elapsed_s = time.monotonic() - started
        anonymous_mb = server.anonymous_bytes() / 1e6 if server.running() else 0
        if not server.running():
            violations.add(f"the server ended:\n{server.log_tail()}")
    done = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    group_mb = phase.groups * GROUP_KEYS * phase.value_bytes / 1e6
    print(
        f"{phase.title}: {elapsed_s:.1f} s, {done}, {group_mb:.0f} MB in groups, "
        f"{anonymous_mb:.0f} MB anonymous memory, {violations.count} violations",
        flush=True,
    )
    for sample in violations.samples:
        print("VIOLATION:", sample)
    return violations.count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server_module.add_server_arguments(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--connections", type=int, default=8, help="of each kind: order, MSET, MGET"
    )
    parser.add_argument(
        "--keys", type=int, default=40, help="own keys per connection of the order test"
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each of the two phases")
    parser.add_argument("--maxmemory", default="48mb", help="of the second phase")
    parser.add_argument(
        "--cold-mb", type=int, default=160, help="data in groups in the second phase"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    violations = run_phase(
        arguments,
        Phase("in memory", groups=200, own_keys=arguments.keys, value_bytes=100, maxmemory=None),
    )
    violations += run_phase(
        arguments,
        Phase(
            "evicted and read back",
            groups=arguments.cold_mb * 1_000_000 // (GROUP_KEYS * COLD_VALUE_BYTES),
            own_keys=25 * arguments.keys,
            value_bytes=COLD_VALUE_BYTES,
            maxmemory=arguments.maxmemory,
        ),
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
