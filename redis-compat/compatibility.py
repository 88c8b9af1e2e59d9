#!/usr/bin/env python3
"""Writes the compatibility page, COMPATIBILITY.md, from the server's own command table (COMMAND,
COMMAND DOCS) and, for what is missing, that of a Redis beside it.

  compatibility.py --server PATH --reference PATH            checks that the page is up to date
  compatibility.py --server PATH --reference PATH --write    writes it
"""

import argparse
import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import server as server_module

PAGE = pathlib.Path(__file__).resolve().parent / "COMPATIBILITY.md"
# What Redis has for its own replication, clustering and persistence formats, and does not document.
INTERNAL = {b"syscmd", b"internal"}
# What changes a Redis Cluster by hand: here it is answered with an error that says why.
REFUSED = {
    "cluster|" + name
    for name in (
        "addslots addslotsrange bumpepoch delslots delslotsrange failover flushslots replicate reset"
        " set-config-epoch setslot"
    ).split()
}


def pairs(items):
    return dict(zip(items[::2], items[1::2]))


def commands_of(binary):
    """{name: documentation} of a server's commands and subcommands ("client|id")."""
    with server_module.Server(binary) as server, server.connect() as connection:
        documentation = pairs(connection.call("COMMAND", "DOCS"))
        version = server.info("server")["redis_version"]
    commands = {}
    for name, fields in documentation.items():
        of_command = pairs(fields)
        subcommands = pairs(of_command.get(b"subcommands", []))
        if not subcommands:
            commands[name.decode()] = of_command
        for subcommand, of_subcommand in subcommands.items():
            entry = pairs(of_subcommand)
            entry.setdefault(b"group", of_command[b"group"])
            commands[subcommand.decode()] = entry
    return commands, version


def shown(name):
    return name.replace("|", " ").upper()


def page(ours, theirs, version):
    groups = collections.defaultdict(lambda: ([], [], [], []))
    for name, fields in {**theirs, **ours}.items():
        if name.endswith("|help"):
            continue
        if name not in ours and INTERNAL & set(fields.get(b"doc_flags", [])):
            continue
        here, missing, own, refused = groups[fields[b"group"].decode()]
        if name in REFUSED:
            column = refused
        elif name not in ours:
            column = missing
        else:
            column = here if name in theirs else own
        column.append(shown(name))
    total = sum(len(here) + len(missing) + len(refused) for here, missing, _, refused in groups.values())
    done = sum(len(here) for here, *_ in groups.values())
    lines = [
        "# Compatibility",
        "",
        "Written by `redis-compat/compatibility.py` from the command table; a test keeps it so.",
        "",
        f"{done} of the {total} commands of Redis {version} are here, with all their options:"
        " what is listed as here",
        "answers as Redis 7.2 does (`redis-compat/replies` compares), what is missing is answered"
        " as an unknown command,",
        "what is refused with an error that says why it has no meaning here.",
        "",
        f"| group | here | beyond Redis {version} | missing | refused |",
        "| --- | --- | --- | --- | --- |",
    ]
    for group in sorted(groups):
        columns = [" · ".join(sorted(names)) for names in groups[group]]
        lines.append(f"| {group} | {columns[0]} | {columns[2]} | {columns[1]} | {columns[3]} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", required=True)
    parser.add_argument("--reference", required=True, help="a redis-server")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    theirs, version = commands_of(arguments.reference)
    text = page(commands_of(arguments.server)[0], theirs, version)
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is not what the command table says: compatibility.py --write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
