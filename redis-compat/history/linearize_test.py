#!/usr/bin/env python3
"""linearize.py and history_check on a running server, or with --nodes on a healthy cluster through
all of its nodes: what they record must be accepted, and refused once the recording is spoiled.

Both are linearizable, so a refusal means that the server, the recorder or the checker is wrong.
That the pair can refuse at all is shown on the same recording: a GET is given a value that a
completed SET had replaced, SETs are left out, and a client's clock is shifted.
"""

import argparse
import contextlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import cluster
import join_test
import linearize
import slow_links

CLIENT, KEY, KIND, ARGUMENT, INVOKED, RETURNED, RESULT = range(7)


def judge(checker, path):
    """history_check's exit code and what it printed."""
    run = subprocess.run(
        [checker, path], capture_output=True, text=True, timeout=240, check=False
    )
    return run.returncode, run.stdout + run.stderr


def read_fields(path):
    lines = path.read_text(encoding="ascii").splitlines()[1:]
    return sorted((line.split(" ") for line in lines), key=lambda fields: int(fields[INVOKED]))


def write_fields(path, operations):
    lines = [linearize.FIRST_LINE] + [" ".join(fields) for fields in operations]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def read_stale(operations):
    """A late GET reads what a completed SET had replaced before."""
    for late in reversed(range(len(operations))):
        if operations[late][KIND] != "GET" or operations[late][RETURNED] == "-":
            continue
        same = [
            fields
            for fields in operations[:late]
            if fields[KEY] == operations[late][KEY]
            and fields[KIND] == "SET"
            and fields[ARGUMENT].startswith("x3c")  # "<": a value that is written once
            and fields[RETURNED] != "-"
        ]
        for replaced in reversed(same):
            if int(replaced[RETURNED]) >= int(operations[late][INVOKED]):
                continue
            for old in same:
                if int(old[RETURNED]) < int(replaced[INVOKED]):
                    operations[late][RESULT] = old[ARGUMENT]
                    return operations
    raise AssertionError("no GET that could be spoiled")


def lose_writes(operations):
    """Nobody put down the SETs of the middle third."""
    third = len(operations) // 3
    return [
        fields
        for i, fields in enumerate(operations)
        if fields[KIND] != "SET" or not third <= i < 2 * third
    ]


def shift_clock(operations):
    """One client's clock is a second behind everybody else's."""
    for fields in operations:
        if fields[CLIENT] == "0" and fields[RETURNED] != "-":
            fields[INVOKED] = str(max(0, int(fields[INVOKED]) - 10**9))
            fields[RETURNED] = str(max(0, int(fields[RETURNED]) - 10**9))
    return operations


SPOILED = (read_stale, lose_writes, shift_clock)


@contextlib.contextmanager
def pauses(server, pause_ms):
    """Meanwhile a node, each in its turn, stands still for so long, every half second."""
    over = threading.Event()

    def pause():
        while not over.wait(0.5):
            process = server.one_node().process
            process.send_signal(signal.SIGSTOP)
            over.wait(pause_ms / 1000)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=pause)
    if pause_ms:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if pause_ms:
            thread.join()


@contextlib.contextmanager
def a_join(server, after_s):
    """A node joins the cluster meanwhile. `server` is a cluster then; None: nobody joins."""
    if server is None:
        yield
        return
    timer = threading.Timer(after_s, server.join)
    timer.start()
    yield
    timer.join()
    join_test.wait_for(lambda: join_test.joined(server), "the newcomer is a member like the others")


def run(arguments, directory):
    """Returns descriptions of what went wrong."""
    recording = directory / "history"
    links = slow_links.SlowLinks(arguments.delay_ms / 1000) if arguments.delay_ms else None
    more = {"links": links} if links else {}
    with cluster.start_server(arguments, **more) as server, pauses(server, arguments.pause_ms):
        nodes = getattr(server, "addresses", [f"127.0.0.1:{server.port}"])
        with a_join(server if arguments.join else None, arguments.seconds / 3):
            code = linearize.main(
                [
                    *(f"--node={node}" for node in nodes),
                    f"--output={recording}",
                    f"--clients={arguments.clients}",
                    f"--keys={arguments.keys}",
                    f"--seconds={arguments.seconds}",
                    "--keep",  # nobody has written yet
                ]
            )
        if code != 0:
            return [f"the recorder failed\n{server.log_tail()}"]
    if links:
        print(f"{links.pieces} pieces of messages were held back", flush=True)
        links.close()
    failures = []
    code, words = judge(arguments.checker, recording)
    print("as recorded:", words.strip(), flush=True)
    operations = read_fields(recording)
    if len(operations) < 1000:
        failures.append(f"only {len(operations)} operations were recorded")
    if code != 0:
        failures.append(f"refused as recorded: exit code {code}")
    for spoil in SPOILED:
        spoiled = directory / spoil.__name__
        write_fields(spoiled, spoil([list(fields) for fields in operations]))
        code, words = judge(arguments.checker, spoiled)
        print(f"{spoil.__name__}: {words.strip()[-1500:]}", flush=True)
        if code != 1:
            failures.append(f"{spoil.__name__}: exit code {code}, not 1")
    return failures


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cluster.add_cluster_arguments(parser)
    parser.set_defaults(threads=2)
    parser.add_argument("--checker", required=True, help="the program history_check")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--keys", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--delay-ms", type=float, default=0, help="of messages between nodes")
    parser.add_argument("--join", action="store_true", help="one more node joins meanwhile")
    parser.add_argument("--pause-ms", type=float, default=0, help="of nodes, in turns")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quorate-linearize-") as directory:
        failures = run(arguments, pathlib.Path(directory))
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
