"""What a writer may find after a crash: the states of its keys that its acknowledged writes allow.

A Writer owns its keys and one connection, so its writes on a key are ordered. It sends pipelines
without waiting and remembers, per request, the state each touched key has after it. After a crash a
key may be in the state its last acknowledged write left or that of any later request of the same
writer that was sent; anything else is a lost or invented write. State is the value as bytes, or
None for no key. One thread drives all writers.
"""

import collections
import socket

import wire

LONG_EXPIRY_MS = 3_600_000_000


class WrongReply(Exception):
    """A reply that no correct server gives to a writer that is alone on its keys."""


class Writer:
    """One connection's writes, its keys named after `name`, its choices made by `random`."""

    def __init__(self, name, keys, random):
        self._random = random
        self._names = [f"{name}:{i}" for i in range(keys)]
        self._sequence = 0
        self.acknowledged = dict.fromkeys(
            self._names
        )  # key -> state after its last acknowledged write
        self._latest = dict(self.acknowledged)  # key -> state after its last write sent
        self._outstanding = collections.deque()  # (expected reply, [(key, state)]) in sending order
        self._socket = None
        self._input = b""
        self._output = b""
        self.acknowledgements = 0

    def connect(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setblocking(False)
        self._input = self._output = b""

    def fileno(self):
        return self._socket.fileno()

    def _request(self):
        """A random write: (command, expected reply, [(key, state afterwards)])."""
        key = self._random.choice(self._names)
        self._sequence += 1
        value = b"%d:%b" % (self._sequence, b"v" * self._random.randrange(120))
        before = self._latest[key]
        kind = self._random.randrange(100)
        if kind < 45:
            return ("SET", key, value), b"OK", [(key, value)]
        if kind < 55:
            return ("SET", key, value, "PX", LONG_EXPIRY_MS), b"OK", [(key, value)]
        if kind < 65:
            return (
                ("APPEND", key, value),
                len(before or b"") + len(value),
                [(key, (before or b"") + value)],
            )
        if kind < 75:
            return ("DEL", key), int(before is not None), [(key, None)]
        if kind < 85:
            chosen = self._random.sample(self._names, 3)
            return (
                ("MSET", *[part for name in chosen for part in (name, value)]),
                b"OK",
                [(name, value) for name in chosen],
            )
        counter = self._names[self._random.randrange(8)] + ":n"
        total = int(self._latest.get(counter) or 0) + 1
        return ("INCR", counter), total, [(counter, b"%d" % total)]

    def queue(self, requests):
        """Adds a pipeline to what is to be sent."""
        parts = []
        for _ in range(requests):
            command, reply, states = self._request()
            self._outstanding.append((reply, states))
            for key, state in states:
                self._latest[key] = state
            parts.append(wire.encode(*command))
        self._output += b"".join(parts)

    def outstanding(self):
        return len(self._outstanding)

    def write(self):
        """Sends what the kernel takes; False when the server is gone."""
        try:
            if self._output:
                self._output = self._output[self._socket.send(self._output) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def read(self):
        """Takes the replies that have come; False when the server is gone."""
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._input += data
        position = 0
        try:
            while position < len(self._input):
                reply, position = wire.parse(self._input, position)
                self._acknowledge(reply)
        except wire.Incomplete:
            pass
        self._input = self._input[position:]
        return bool(data)

    def _acknowledge(self, reply):
        expected, states = self._outstanding.popleft()
        if reply != expected:
            raise WrongReply(
                f"{reply!r} where {expected!r} was due, writing {[key for key, _ in states]}"
            )
        for key, state in states:
            self.acknowledged[key] = state
        self.acknowledgements += 1

    def after_crash(self):
        """Reads what acknowledgements the dead server had still sent, then closes."""
        while self.read():
            pass
        self._socket.close()

    def check(self, connection):
        """Compares every key with what is allowed; returns descriptions of losses and goes on from
        what is there."""
        allowed = {key: [state] for key, state in self.acknowledged.items()}
        for _, states in self._outstanding:
            for key, state in states:
                allowed.setdefault(key, [None]).append(state)
        keys = list(allowed)
        values = connection.call("MGET", *keys)
        if not isinstance(values, list):
            raise WrongReply(f"MGET answered {values!r}")
        losses = []
        for key, found in zip(keys, values):
            if found not in allowed[key]:
                losses.append(
                    f"{key}: found {found!r}, allowed {allowed[key][:3]!r}"
                    f"{' …' if len(allowed[key]) > 3 else ''}"
                )
            self.acknowledged[key] = found
        self._latest = dict(self.acknowledged)
        self._outstanding.clear()
        return losses
