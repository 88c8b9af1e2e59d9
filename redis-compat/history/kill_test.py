#!/usr/bin/env python3
"""SIGKILL at a random moment under pipelined load: no acknowledged write may be lost.

Rounds go through appendfsync always, everysec and no, and through 1 and 2 shard threads. Each
setting of appendfsync keeps one directory for all its rounds, so a recovery stands on earlier
recoveries, written by another number of threads. Several writers send SET, SET PX, APPEND, MSET,
DEL and INCR in pipelines (acknowledged.py says what they may find afterwards); some rounds add a
checkpoint (BGSAVE) so that the kill can fall into it.

A failing run is repeated with its seed; the moment of the kill is chosen by the seed, the machine
does the rest.
"""

import argparse
import collections
import pathlib
import random
import selectors
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import server as server_module
from acknowledged import Writer, WrongReply

APPENDFSYNC = ("always", "everysec", "no")
THREADS = (1, 2)


def load_until(writers, deadline, pipeline, high_water):
    """Keeps all writers' pipelines full until the deadline; False when the server went away
    before."""
    selector = selectors.DefaultSelector()
    for writer in writers:
        selector.register(writer, selectors.EVENT_READ | selectors.EVENT_WRITE)
    try:
        while time.monotonic() < deadline:
            for key, events in selector.select(0.01):
                writer = key.fileobj
                if events & selectors.EVENT_READ and not writer.read():
                    return False
                if writer.outstanding() < high_water:
                    writer.queue(pipeline)
                if not writer.write():
                    return False
        return True
    finally:
        selector.close()


class Setting:
    """One appendfsync setting: its directory and its writers, which outlive the rounds."""

    def __init__(self, binary, appendfsync, arguments, chance):
        self._binary = binary
        self._appendfsync = appendfsync
        self._arguments = arguments
        self._chance = chance
        self.directory = tempfile.mkdtemp(
            prefix=f"quorate-kill-{appendfsync}-", dir=arguments.work_dir
        )
        self.writers = [
            Writer(f"w{i}", arguments.keys, random.Random(chance.random()))
            for i in range(arguments.connections)
        ]

    def _server(self, threads):
        return server_module.Server(
            self._binary,
            threads=threads,
            appendfsync=self._appendfsync,
            maxmemory=self._arguments.maxmemory,
            directory=self.directory,
            options=server_module.parse_options(self._arguments.option),
        )

    def round(self, threads):
        """Starts, checks what the last round left, loads, kills. Returns (losses, seconds of
        load)."""
        with self._server(threads) as server:
            losses = self.check(server)
            for writer in self.writers:
                writer.connect(server.port)
            load_s = self._chance.uniform(self._arguments.load_s / 10, self._arguments.load_s)
            started = time.monotonic()
            if self._chance.random() < 0.25:
                load_until(self.writers, started + load_s / 2, 16, 64)
                with server.connect() as connection:
                    connection.call("BGSAVE")
            pipeline = self._chance.choice((1, 8, 32, 128))
            if not load_until(self.writers, started + load_s, pipeline, 2 * pipeline):
                raise server_module.ServerFailed(f"ended by itself:\n{server.log_tail()}")
            server.kill()
            for writer in self.writers:
                writer.after_crash()
            return losses, time.monotonic() - started

    def check(self, server):
        with server.connect(timeout_s=120) as connection:
            return [loss for writer in self.writers for loss in writer.check(connection)]

    def last_check(self, threads):
        with self._server(threads) as server:
            losses = self.check(server)
            server.stop()
            return losses

    def acknowledgements(self):
        return sum(writer.acknowledgements for writer in self.writers)


def run(arguments):
    """All rounds; returns the losses found, each with its round."""
    chance = random.Random(arguments.seed)
    settings = {name: Setting(arguments.server, name, arguments, chance) for name in APPENDFSYNC}
    counts = collections.Counter()
    failures = []
    started = time.monotonic()
    try:
        for number in range(arguments.rounds):
            name = APPENDFSYNC[number % len(APPENDFSYNC)]
            threads = THREADS[number // len(APPENDFSYNC) % len(THREADS)]
            losses, load_s = settings[name].round(threads)
            counts[name, threads] += 1
            failures += [
                f"before round {number} ({name}, {threads} threads): {loss}" for loss in losses
            ]
            if arguments.verbose:
                print(
                    f"round {number}: appendfsync {name}, {threads} threads, "
                    f"killed after {load_s * 1000:.0f} ms, "
                    f"{settings[name].acknowledgements()} acknowledged so far",
                    flush=True,
                )
        for name, setting in settings.items():
            failures += [f"at the end ({name}): {loss}" for loss in setting.last_check(1)]
    finally:
        elapsed_s = time.monotonic() - started
        total = sum(setting.acknowledgements() for setting in settings.values())
        if arguments.keep:
            print("kept:", *(setting.directory for setting in settings.values()))
        else:
            for setting in settings.values():
                shutil.rmtree(setting.directory, ignore_errors=True)
    spread = ", ".join(
        f"{name}/{threads}: {count}" for (name, threads), count in sorted(counts.items())
    )
    print(
        f"{arguments.rounds} rounds in {elapsed_s:.1f} s ({spread}), {total} acknowledged writes, "
        f"{len(failures)} lost"
    )
    return failures


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    server_module.add_server_arguments(parser)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--keys", type=int, default=200, help="per connection")
    parser.add_argument("--load-s", type=float, default=0.4, help="the longest load before a kill")
    parser.add_argument("--maxmemory", default="64mb")
    parser.add_argument("--work-dir", help="where the data directories are made")
    parser.add_argument("--keep", action="store_true", help="keep the data directories")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    try:
        failures = run(arguments)
    except (WrongReply, server_module.ServerFailed) as error:
        failures = [str(error)]
    for failure in failures[:20]:
        print("LOST:", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
