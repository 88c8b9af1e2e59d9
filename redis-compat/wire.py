"""The Redis protocol over a plain socket: what the tests send and read where no client library is
under test.

encode() builds a command; Connection sends commands and reads replies, either as values or as the
exact bytes that came. Values: simple and bulk strings are bytes, errors ReplyError, RESP3 maps
dicts, sets SetReply, pushes Push. Source: the RESP2 and RESP3 specifications. One thread per
connection.
"""

import socket


class ReplyError(str):
    """An error reply: its text without the leading minus."""


class SetReply(list):
    """A RESP3 set."""


class Push(list):
    """A RESP3 out-of-band message."""


class Incomplete(Exception):
    """The buffer ends before the reply does."""


class ProtocolBroken(Exception):
    """The bytes are no reply."""


def encode(*arguments):
    """A command as an array of bulk strings; arguments are bytes, str or numbers."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _key(value):
    """Map keys must be hashable; aggregates as keys do not occur in Redis."""
    return tuple(value) if isinstance(value, list) else value


def _aggregate(buffer, position, count):
    items = []
    for _ in range(count):
        item, position = parse(buffer, position)
        items.append(item)
    return items, position


def _bulk(buffer, position, length):
    end = position + length
    if len(buffer) < end + 2:
        raise Incomplete
    return bytes(buffer[position:end]), end + 2


_SCALARS = {
    b"+": bytes,
    b"-": lambda line: ReplyError(line.decode("utf-8", "backslashreplace")),
    b":": int,
    b"(": int,
    b",": float,
    b"#": lambda line: line == b"t",
    b"_": lambda line: None,
}


def parse(buffer, position=0):
    """The reply that starts at `position` and the position behind it; raises Incomplete."""
    line_end = buffer.find(b"\r\n", position)
    if line_end < 0:
        raise Incomplete
    kind = bytes(buffer[position : position + 1])
    line = bytes(buffer[position + 1 : line_end])
    position = line_end + 2
    if kind in _SCALARS:
        return _SCALARS[kind](line), position
    if kind not in (b"$", b"=", b"!", b"*", b"~", b">", b"%"):
        raise ProtocolBroken(f"unknown reply type in {bytes(buffer[:80])!r}")
    count = int(line)
    if count < 0:
        return None, position
    if kind in (b"$", b"=", b"!"):
        value, position = _bulk(buffer, position, count)
        return (ReplyError(value.decode()) if kind == b"!" else value), position
    items, position = _aggregate(buffer, position, 2 * count if kind == b"%" else count)
    if kind == b"%":
        return {_key(k): v for k, v in zip(items[::2], items[1::2])}, position
    return {b"*": list, b"~": SetReply, b">": Push}[kind](items), position


class Connection:
    """A blocking connection. `protocol` 3 says HELLO 3 at once; `timeout_s` bounds every read and
    write."""

    def __init__(self, port, host="127.0.0.1", protocol=2, timeout_s=30):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        if protocol == 3:
            greeting = self.call("HELLO", "3")
            if not isinstance(greeting, dict):
                raise ProtocolBroken(f"HELLO 3 answered {greeting!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, *arguments):
        self.socket.sendall(encode(*arguments))

    def _fill(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data

    def read_with_bytes(self):
        """The next reply as (value, the exact bytes)."""
        wanted = 0
        while True:
            try:
                if len(self._buffer) >= wanted:
                    value, end = parse(self._buffer)
                    raw = bytes(self._buffer[:end])
                    del self._buffer[:end]
                    return value, raw
            except Incomplete:
                # Doubling keeps the cost of reparsing a long reply linear.
                wanted = len(self._buffer) + (
                    len(self._buffer) // 2 if len(self._buffer) > 65536 else 1
                )
                wanted = min(wanted, len(self._buffer) + self._announced())
            self._fill()

    def _announced(self):
        """How many bytes are known to be missing: exact for a single bulk string, else 1."""
        if self._buffer[:1] not in (b"$", b"="):
            return 1
        line_end = self._buffer.find(b"\r\n")
        if line_end < 0:
            return 1
        return max(1, line_end + 4 + int(self._buffer[1:line_end]) - len(self._buffer))

    def read(self):
        return self.read_with_bytes()[0]

    def read_exactly(self, count):
        """`count` raw bytes: the fast way when the expected reply is known byte for byte."""
        data = bytearray(count)
        have = min(count, len(self._buffer))
        data[:have] = self._buffer[:have]
        del self._buffer[:have]
        # Straight to its place: a value of many megabytes comes in small pieces.
        with memoryview(data) as place:
            while have < count:
                received = self.socket.recv_into(place[have:])
                if received == 0:
                    raise ConnectionResetError("the server closed the connection")
                have += received
        return bytes(data)

    def read_line(self):
        """Up to the end of the line, with it."""
        while (end := self._buffer.find(b"\n") + 1) == 0:
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    def read_until(self, ending):
        """Raw bytes up to `ending`, which must be the last thing the server sends; returned without
        it."""
        while not self._buffer.endswith(ending):
            self._fill()
        data = bytes(self._buffer[: -len(ending)])
        self._buffer.clear()
        return data

    def read_to_end(self, quiet_s):
        """Everything until the server closes or stays quiet for `quiet_s`: (bytes, closed)."""
        self.socket.settimeout(quiet_s)
        try:
            while True:
                self._fill()
        except ConnectionResetError:
            closed = True
        except TimeoutError:
            closed = False
        data = bytes(self._buffer)
        self._buffer.clear()
        return data, closed

    def call(self, *arguments):
        self.send(*arguments)
        return self.read()

    def pipeline(self, commands):
        """Sends all commands in one write and returns their replies."""
        self.send_raw(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]
