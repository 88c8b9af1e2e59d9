r"""The reply scripts: one command per line, quoted as in redis-cli; `#` begins a comment line.

An argument {c*N} stands for N times the character c. A line that begins with @ is a directive. Some
say how the next command's replies are compared (otherwise: byte for byte with the reference's):

  @expect "BYTES"     the server under test must answer exactly this where Redis 7.0 answers
                      otherwise
  @expect2, @expect3  the same for one protocol only
  @match REGEX        both replies must match (time and place dependent ones); bytes as Latin-1
  @unordered          the same elements in any order
  @near N             integers that differ by at most N

The others are steps themselves:

  @raw "BYTES" …      these bytes, joined, on a connection of their own; compared is all that comes
                      until the server closes the connection or is quiet, and which of the two it
                      was
  @scan ARGUMENTS…    SCAN from 0 to 0 with these arguments; compared is the set of keys
  @again [plain]      a new connection; plain: without HELLO
  @sleep SECONDS
"""

import dataclasses
import re

ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b"}
COMPARISONS = ("expect", "expect2", "expect3", "match", "unordered", "near")
STEPS = ("raw", "scan", "again", "sleep")


class BadScript(Exception):
    """A line that means nothing."""


@dataclasses.dataclass
class Step:
    """One line that does something. kind is command, raw, scan, again or sleep; comparison maps
    names to arguments."""

    number: int
    text: str
    kind: str
    arguments: list
    comparison: dict


def _double_quoted(text, position):
    data = bytearray()
    while position < len(text) and text[position] != '"':
        if text[position] != "\\":
            data += text[position].encode()
            position += 1
        elif text[position + 1] == "x":
            data.append(int(text[position + 2 : position + 4], 16))
            position += 4
        else:
            data += ESCAPES.get(text[position + 1], text[position + 1].encode())
            position += 2
    if position >= len(text):
        raise BadScript(f"unbalanced quotes: {text}")
    return bytes(data), position + 1


def split(text):
    """The arguments of a line as bytes."""
    arguments, position = [], 0
    while match := re.compile(r"\s*(\"|'[^']*'|[^\s\"']+)").match(text, position):
        word, position = match.group(1), match.end()
        if word == '"':
            data, position = _double_quoted(text, position)
        elif word.startswith("'"):
            data = word[1:-1].encode()
        elif repeated := re.fullmatch(r"\{(.)\*(\d+)\}", word):
            data = repeated.group(1).encode() * int(repeated.group(2))
        else:
            data = word.encode()
        arguments.append(data)
    return arguments


def _comparison(name, rest):
    if name.startswith("expect"):
        return split(rest)[0]
    if name == "match":
        return re.compile(rest, re.DOTALL)
    return int(rest) if name == "near" else None


def read(path):
    """The steps of a script file."""
    steps, comparison = [], {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith("@"):
            steps.append(Step(number, text, "command", split(text), comparison))
            comparison = {}
            continue
        name, _, rest = text[1:].partition(" ")
        if name in COMPARISONS:
            comparison[name] = _comparison(name, rest)
        elif name in STEPS:
            steps.append(Step(number, text, name, split(rest), {}))
        else:
            raise BadScript(f"{path}:{number}: unknown directive {name}")
    return steps
