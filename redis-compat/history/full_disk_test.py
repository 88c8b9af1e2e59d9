#!/usr/bin/env python3
"""A full disk: writes are refused in Redis's words and not applied, reads go on, writes resume when
there is room again, and nothing that was acknowledged is lost, also not by a SIGKILL afterwards.

The server's directory is a small tmpfs in a mount namespace of this test's own, which needs the
right to make one: without it the test exits with 77 (skipped).
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import server as server_module
import wire

DISK_MB = 192
BALLAST_MB = 152
VALUE_BYTES = 1000
BATCH = 100
SKIPPED = 77
INSIDE = "QUORATE_FULL_DISK_INSIDE"


def value_of(number):
    return (b"%d-" % number) * (VALUE_BYTES // 8)


def fill(connection, first):
    """SETs key after key until one is refused; returns the acknowledged numbers, the refused ones
    and the first refusal."""
    acknowledged, refused, refusal = [], [], None
    number = first
    while refusal is None:
        numbers = range(number, number + BATCH)
        number += BATCH
        replies = connection.pipeline([("SET", f"k{n}", value_of(n)) for n in numbers])
        for n, reply in zip(numbers, replies):
            if isinstance(reply, wire.ReplyError):
                refusal = refusal or reply
                refused.append(n)
            else:
                acknowledged.append(n)
        if number * VALUE_BYTES > 16 * DISK_MB * 2**20:
            sys.exit("the disk never got full")
    return acknowledged, refused, refusal


def check(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def check_values(connection, numbers, wanted, text):
    wrong = 0
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH]
        replies = connection.pipeline([("GET", f"k{n}") for n in some])
        wrong += sum(reply != wanted(n) for n, reply in zip(some, replies))
    check(wrong == 0, f"{text}: {wrong} of {len(numbers)} wrong")


def write_again(connection, numbers, seconds=30):
    """Whether all of the keys can be written before long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        replies = connection.pipeline([("SET", f"k{n}", value_of(n)) for n in numbers])
        if replies == [b"OK"] * len(numbers):
            return True
        time.sleep(0.05)
    return False


def run(server, ballast):
    with server.connect() as connection:
        acknowledged, refused, refusal = fill(connection, 0)
        check(refusal.startswith("MISCONF "), f"a write is refused: {refusal[:60]}…")
        # Each shard has a journal of its own, and is full when that is.
        key = f"k{refused[0]}"
        replies = [connection.call(*words) for words in (("DEL", key), ("INCR", key))]
        check(
            all(isinstance(reply, wire.ReplyError) for reply in replies),
            "DEL and INCR are refused too",
        )
        check(connection.call("PING") == b"PONG", "PING is answered")
        check_values(connection, acknowledged, value_of, "acknowledged values while it is full")
        check_values(connection, refused, lambda n: None, "refused writes were not applied")
        ballast.unlink()
        more = [n + 10**6 for n in range(BATCH)]
        check(write_again(connection, more), "writes resume when there is room")
    server.kill()
    server.start()
    with server.connect() as connection:
        check_values(connection, acknowledged + more, value_of, "acknowledged values after SIGKILL")
        check_values(connection, refused, lambda n: None, "refused writes after SIGKILL")
    server.stop()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server_module.add_server_arguments(parser)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if INSIDE not in os.environ:
        for options in (("--mount",), ("--mount", "--map-root-user")):
            if subprocess.run(["unshare", *options, "true"], check=False).returncode == 0:
                os.environ[INSIDE] = "1"
                os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])
        print("skipped: no right to make a mount namespace")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="quorate-full-") as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", directory]
        subprocess.run(mount, check=True)
        options = server_module.parse_options(arguments.option)
        try:
            ballast = pathlib.Path(directory) / "ballast"
            ballast.write_bytes(b"\0" * (BALLAST_MB << 20))
            with server_module.Server(
                arguments.server,
                threads=arguments.threads,
                directory=os.path.join(directory, "data"),
                options=[("journal-segment-size", "4mb"), *options],
            ) as server:
                run(server, ballast)
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
