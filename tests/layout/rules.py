"""The rules of the source tree: where files live, who includes whom, who calls the system, lengths.

Each rule takes a Tree and yields Violations. `ALL` lists them; check.py runs them over the
repository and rules_test.py shows each of them a small tree that breaks it.
"""

import os
import re
from dataclasses import dataclass

import cpp_source

# A room may include itself and the rooms it can reach downwards (DESIGN: the rooms).
DIRECTLY_BELOW = {
    "server": ("redis",),
    "redis": ("coordinator",),
    "coordinator": ("repair",),
    "repair": ("storage", "cluster"),
    "storage": ("object",),
    "cluster": ("object",),
    "object": ("runtime",),
    "runtime": (),
}
TEST_DIRECTORIES = (*DIRECTLY_BELOW, "sim", "fuzz", "bench", "history", "layout", "mutants")
SOURCE_DIRECTORIES = (
    "include",
    "src",
    "tests",
    "scripts",
    "redis-compat",
    "cmake",
    "docker",
    "conf",
    ".ci",
)
IGNORED_DIRECTORIES = ("node_modules", "__pycache__", "corpus", "build")
CODE_ENDINGS = (".h", ".cc", ".py", ".js", ".mjs", ".sh", ".cmake", "CMakeLists.txt", "Dockerfile")
CPP_ENDINGS = (".h", ".cc")
FOREIGN_CPP_ENDINGS = (".c", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ipp")

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70


@dataclass(frozen=True)
class Violation:
    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


class Tree:
    """The text files under a root that the rules look at, by their path from the root."""

    def __init__(self, files):
        self.files = files

    @classmethod
    def read(cls, root):
        files = {}
        for path in _paths(root):
            try:
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    files[path] = file.read()
            except UnicodeDecodeError:
                continue  # a picture, a recorded frame: nothing the rules speak of
        return cls(files)

    def code(self):
        for path, text in sorted(self.files.items()):
            if _is_code(path, text):
                yield path, text

    def cpp(self):
        for path, text in sorted(self.files.items()):
            if path.endswith(CPP_ENDINGS):
                yield path, text


def _paths(root):
    for name in sorted(os.listdir(root)):
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for top in SOURCE_DIRECTORIES:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(set(folders) - set(IGNORED_DIRECTORIES))
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), root)


def _is_code(path, text):
    return path.endswith(CODE_ENDINGS) or text.startswith("#!")


def _line_of(text, position):
    return text.count("\n", 0, position) + 1


def reachable(room):
    found = {room}
    for below in DIRECTLY_BELOW[room]:
        found |= reachable(below)
    return found


def room_of(path):
    """The room whose production code `path` is, or None."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2 and parts[1] in DIRECTLY_BELOW:
        return parts[1]
    if parts[:2] == ["include", "quorate"] and len(parts) > 3 and parts[2] in DIRECTLY_BELOW:
        return parts[2]
    return None


def _tested_room(path):
    parts = path.split("/")
    return (
        parts[1] if parts[0] == "tests" and len(parts) > 2 and parts[1] in DIRECTLY_BELOW else None
    )


# --- where files live ---------------------------------------------------------

_PLACES = (
    re.compile(r"include/quorate/(%s)/[a-z0-9_]+\.h" % "|".join(DIRECTLY_BELOW)),
    re.compile(r"src/(%s)/[a-z0-9_]+\.(h|cc)" % "|".join(DIRECTLY_BELOW)),
    re.compile(r"tests/(%s)/[a-z0-9_]+\.(h|cc)" % "|".join(TEST_DIRECTORIES)),
    re.compile(r"redis-compat/([a-z0-9_-]+/)*[a-z0-9_]+\.(h|cc)"),
)


def places(tree):
    for path in sorted(tree.files):
        if path.endswith(FOREIGN_CPP_ENDINGS):
            yield Violation(path, 1, "C++ sources end in .cc, headers in .h")
        elif path.endswith(CPP_ENDINGS) and not any(place.fullmatch(path) for place in _PLACES):
            yield Violation(
                path,
                1,
                "no room's place: include/quorate/<room>, src/<room>, tests/<room>; snake_case",
            )
        elif path.endswith(".cc") and not _test_name_is_right(tree, path):
            yield Violation(
                path,
                1,
                "a test's name ends in _test.cc; other code of a test needs a header of its name",
            )


def _test_name_is_right(tree, path):
    if _tested_room(path) is None:
        return True
    return path.endswith("_test.cc") or path[: -len(".cc")] + ".h" in tree.files


_VAGUE_NAMES = {"util", "utils", "common", "misc", "helper", "helpers", "manager", "managers"}


def names(tree):
    for path in sorted(tree.files):
        for part in path.split("/"):
            vague = _VAGUE_NAMES.intersection(re.split(r"[^a-z]+", part.lower()))
            if vague:
                yield Violation(
                    path, 1, f"'{vague.pop()}' says nothing: name the one idea that lives there"
                )


# --- who includes whom --------------------------------------------------------

_RESERVED_HEADERS = (
    (re.compile(r"uv\.h|uv/.*"), "runtime", "libuv"),
    (re.compile(r"openssl/.*"), "runtime", "OpenSSL"),
    (re.compile(r"lmdb\.h"), "storage", "LMDB"),
    (
        re.compile(r"sys/(socket|un|random|epoll)\.h|netinet/.*|arpa/.*|netdb\.h|sys/time\.h"),
        "runtime",
        "sockets, randomness and time of the system",
    ),
)


def includes(tree):
    for path, text in tree.cpp():
        if path.split("/")[0] not in ("include", "src", "tests"):
            continue
        for include in cpp_source.includes_of(text):
            fault = _include_fault(tree, path, include)
            if fault:
                yield Violation(path, include.line, fault)


def _include_fault(tree, path, include):
    if not include.quoted:
        return _reserved_fault(path, include.name)
    target = _resolve(tree, path, include.name)
    if target is None:
        return f'"{include.name}" is no header of this tree: system and library headers go in <>'
    if path.startswith("include/") and not target.startswith("include/"):
        return f"a public header includes the private {target}"
    return _direction_fault(path, target)


def _reserved_fault(path, name):
    room = room_of(path)
    for pattern, owner, what in _RESERVED_HEADERS:
        if room not in (None, owner) and pattern.fullmatch(name):
            return f"<{name}>: {what} belong to {owner}, not to {room}"
    return None


def _resolve(tree, path, name):
    folder = os.path.dirname(path)
    for candidate in (f"{folder}/{name}", f"include/{name}", f"src/{name}", f"tests/{name}"):
        candidate = os.path.normpath(candidate)
        if candidate in tree.files:
            return candidate
    return None


def _direction_fault(path, target):
    own = room_of(path) or _tested_room(path)
    theirs = room_of(target)
    if own is None or theirs is None:
        if room_of(path) and theirs is None:
            return f"production code includes {target}"
        return None
    if theirs not in reachable(own):
        return f"{own} does not know {theirs}: a room includes only rooms below it"
    if target.startswith("src/") and theirs != own:
        return f"{own} reaches into {theirs}: {target} is private"
    return None


# --- what no room may call ----------------------------------------------------

_SYSTEM_CALLS = (
    (
        r"\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock|file_clock)\b",
        "a clock of the system",
    ),
    (
        r"(?<![\w.>:])(?:std::|::)?time\s*\(\s*(?:nullptr|NULL|0|&\s*\w+)\s*\)",
        "a clock of the system",
    ),
    (r"\b(?:gettimeofday|clock_gettime|timespec_get)\s*\(", "a clock of the system"),
    (r"\brandom_device\b", "a random device"),
    (
        r"\b(?:getrandom|getentropy|arc4random|drand48|lrand48|srand|srandom)\s*\(",
        "a random device",
    ),
    # Not a declaration: `Random random();` and `int rand() const` have a type before the name.
    (
        r"(?:(?<=return )|(?<!\w\s)(?<!\w[&*>]\s))(?<![\w.>:&*])(?:std::|::)?(?:rand|random)\s*\(\s*\)",
        "a random device",
    ),
    (
        r"(?<![\w>])::\s*(?:socket|connect|accept4?|bind|listen|send|sendto|recv|recvfrom)\s*\(",
        "a socket",
    ),
    (
        r"\b(?:socket|socketpair)\s*\(\s*(?:AF_|PF_)|\b(?:AF_INET6?|AF_UNIX)\b"
        r"|\b(?:SOCK_STREAM|SOCK_DGRAM)\b|\bgetaddrinfo\s*\(",
        "a socket",
    ),
    (
        r"\b(?:sleep_for|sleep_until|usleep|nanosleep|clock_nanosleep)\b",
        "a wait for the system's clock",
    ),
)


def system_calls(tree):
    for path, text in tree.cpp():
        if room_of(path) in (None, "runtime"):
            continue
        code = cpp_source.code_of(text)
        for pattern, what in _SYSTEM_CALLS:
            for match in re.finditer(pattern, code):
                call = " ".join(match.group().split())
                yield Violation(
                    path,
                    _line_of(code, match.start()),
                    f"'{call}': {what} is reached only through runtime",
                )


# --- how long things are ------------------------------------------------------


def file_length(tree):
    for path, text in tree.code():
        lines = text.count("\n") + (not text.endswith("\n"))
        if lines > MAX_FILE_LINES:
            yield Violation(
                path, lines, f"{lines} lines, at most {MAX_FILE_LINES}: split it by idea"
            )


def function_length(tree):
    for path, text in tree.cpp():
        try:
            functions = cpp_source.functions_of(text)
        except cpp_source.Unbalanced as fault:
            yield Violation(path, 1, f"cannot be measured: {fault}")
            continue
        for function in functions:
            if function.length > MAX_FUNCTION_LINES:
                yield Violation(
                    path,
                    function.line,
                    f"{function.name} has {function.length} lines, at most {MAX_FUNCTION_LINES}",
                )


# --- what a text must and must not say ----------------------------------------

_UNFINISHED = re.compile(
    r"\b(?:%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
)


def unfinished(tree):
    for path, text in sorted(tree.files.items()):
        for match in _UNFINISHED.finditer(text):
            yield Violation(
                path,
                _line_of(text, match.start()),
                f"'{match.group()}': unfinished work does not land",
            )


def header_shape(tree):
    for path, text in tree.cpp():
        if not path.endswith(".h"):
            continue
        if path.startswith("include/") and not text.startswith("//"):
            yield Violation(
                path,
                1,
                "a public header begins with a comment: what it is for, invariants, thread, errors",
            )
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield Violation(path, 1, "no #pragma once")


ALL = (
    places,
    names,
    includes,
    system_calls,
    file_length,
    function_length,
    unfinished,
    header_shape,
)


def violations(tree):
    return [violation for rule in ALL for violation in rule(tree)]
