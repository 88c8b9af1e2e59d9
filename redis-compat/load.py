"""Keys named as redis-benchmark names them, and the fast way to write and read many of them from
Python."""

import wire

BATCH = 2000


def key_name(number):
    return b"key:%012d" % number


def tagged_name(tag, number):
    """As redis-benchmark --cluster does, which puts a tag of one of a node's slots into its keys."""
    return b"key:{%b}:%012d" % (tag, number)


def set_request(key, value):
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


def get_request(number):
    return b"*2\r\n$3\r\nGET\r\n$16\r\n%b\r\n" % key_name(number)


def scattered(keys, count):
    """`count` different key numbers below `keys` in no order, in batches, so that nothing profits
    from sorted input."""
    step = next(prime for prime in (7368787, 5915587, 15485863) if keys % prime)
    for first in range(0, count, BATCH):
        yield [i * step % keys for i in range(first, min(first + BATCH, count))]


def write(connection, batches, value_of, name_of=key_name):
    """SETs every key of the batches to value_of(number), one pipeline a batch."""
    for numbers in batches:
        connection.send_raw(
            b"".join(set_request(name_of(number), value_of(number)) for number in numbers)
        )
        replies = connection.read_exactly(5 * len(numbers))
        if replies != b"+OK\r\n" * len(numbers):
            raise wire.ProtocolBroken(f"SET answered {replies[:200]!r}")
