"""A C++ source as the layout rules read it: its includes, its functions, and its code alone.

Not a compiler: it knows just enough of the language (comments, string, raw string and character
literals, digit separators, directives, braces) to measure functions and to search code only.
"""

import re
from dataclasses import dataclass

_LEXEME = re.compile(
    r"""(?P<comment>//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/)
      | (?P<string>(?:u8|u|U|L)?R"(?P<fence>[^()\\\s]{0,16})\(.*?\)(?P=fence)"
                 | (?:u8|u|U|L)?"(?:[^"\\\n]|\\.)*")
      | (?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
      | (?P<character>(?:u8|u|U|L)?'(?:[^'\\\n]|\\.)+')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<symbol>::|->|&&|\S)
    """,
    re.DOTALL | re.VERBOSE,
)
_INCLUDE = re.compile(r'\s*#\s*include\s*(?P<open>[<"])(?P<name>[^>"]+)[>"]')
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)


@dataclass(frozen=True)
class Include:
    line: int
    name: str
    quoted: bool


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    length: int  # lines from the first of its signature to its closing brace


class Unbalanced(Exception):
    """The braces or parentheses of a file do not close; the argument says where."""


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without(text, *kinds):
    """`text` with the lexemes of these kinds blanked, every other character at its old place."""

    def replace(match):
        return _blank(match.group()) if match.lastgroup in kinds else match.group()

    # `fence` is a group inside `string`: lastgroup names the outermost one that closed last.
    return _LEXEME.sub(replace, text)


def code_of(text):
    """`text` without comments and without literals; directives stay."""
    return without(text, "comment", "string", "character")


def includes_of(text):
    code = code_of(text).split("\n")
    found = []
    for number, line in enumerate(without(text, "comment").split("\n"), start=1):
        match = _INCLUDE.match(line)
        if match and code[number - 1].lstrip().startswith("#"):
            found.append(Include(number, match["name"], match["open"] == '"'))
    return found


def functions_of(text):
    """Every function outside another one, also the lambdas that initialise a variable."""
    code = _DIRECTIVE.sub(lambda match: _blank(match.group()), code_of(text))
    return _Scanner(code).functions()


_TYPE_WORDS = {"class", "struct", "union", "enum"}
_AFTER_PARAMETERS = {
    ")",
    "const",
    "override",
    "final",
    "noexcept",
    "&",
    "&&",
    "mutable",
    "try",
    "volatile",
}
_LAMBDA_TAIL = {"(", ")", "<", ">", "->", "::", "*", "&", "&&", "const"}


class _Scanner:
    def __init__(self, code):
        self._tokens = []  # (text, line)
        line = 1
        position = 0
        for match in _LEXEME.finditer(code):
            line += code.count("\n", position, match.start())
            position = match.start()
            self._tokens.append((match.group(), line))
        self._next = 0
        self._found = []

    def functions(self):
        while self._next < len(self._tokens):
            self._declarations()
            if self._next < len(self._tokens):
                raise Unbalanced(f"a closing brace too many in line {self._line()}")
        return self._found

    def _line(self):
        return self._tokens[min(self._next, len(self._tokens) - 1)][1]

    def _take(self):
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _declarations(self):
        """Reads declarations up to the closing brace of their scope, which stays."""
        head = (
            []
        )  # the declaration so far, groups in parentheses and brackets reduced to their ends
        start = 0
        while self._next < len(self._tokens):
            text, line = self._tokens[self._next]
            if text == "}":
                return
            self._next += 1
            if not head:
                start = line
            if text == ";" or (
                text == ":" and head and head[-1] in ("public", "private", "protected")
            ):
                head = []
            elif text in ("(", "["):
                head += [text, self._group(text, line)]
            elif text == "{":
                head = self._brace(head, start, line)
            else:
                head.append(text)

    def _brace(self, head, start, line):
        """After a `{` that ends `head`: reads to its `}`, returns the declaration so far."""
        kind = _kind_of_brace(head)
        if kind == "scope":
            self._declarations()
            self._close(line)
            return []
        if kind == "function":
            self._skip_body(line)
            self._record(_name_of(head), start)
            return []
        if _is_lambda(head):
            self._skip_body(line)
            self._record("lambda", line)
        else:
            self._group("{", line)
        return head + ["{", "}"]

    def _close(self, line):
        if self._next >= len(self._tokens):
            raise Unbalanced(f"the brace of line {line} is never closed")
        self._next += 1

    def _record(self, name, start):
        end = self._tokens[self._next - 1][1]
        self._found.append(Function(name, start, end - start + 1))

    def _skip_body(self, line):
        depth = 1
        while depth > 0:
            if self._next >= len(self._tokens):
                raise Unbalanced(f"the brace of line {line} is never closed")
            text, _ = self._take()
            depth += {"{": 1, "}": -1}.get(text, 0)

    def _group(self, opening, line):
        """Reads a group up to and with its end, measures the lambdas inside, returns that end."""
        closing = {"(": ")", "[": "]", "{": "}"}[opening]
        seen = []
        while self._next < len(self._tokens):
            text, here = self._take()
            if text == closing:
                return closing
            if text in (")", "]", "}"):
                raise Unbalanced(
                    f"'{text}' in line {here} does not close '{opening}' of line {line}"
                )
            if text == "{" and _is_lambda(seen):
                self._skip_body(here)
                self._record("lambda", here)
                seen += ["{", "}"]
            elif text in ("(", "[", "{"):
                seen += [text, self._group(text, here)]
            else:
                seen.append(text)
        raise Unbalanced(f"'{opening}' of line {line} is never closed")


def _strip_introduction(head):
    """`head` without template parameter lists, attributes and alignas in front."""
    position = 0
    while position < len(head):
        if head[position] == "template":
            depth = 0
            position += 1
            while position < len(head):
                depth += {"<": 1, ">": -1}.get(head[position], 0)
                position += 1
                if depth <= 0:
                    break
        elif head[position] == "[":
            position += 2
        elif head[position] in ("alignas", "__attribute__"):
            position += 3
        elif head[position] in ("typedef", "export"):
            position += 1
        else:
            break
    return head[position:]


def _initialised(head):
    """Whether an `=` that is not part of an operator's name stands in `head`."""
    for position, token in enumerate(head):
        before = head[position - 1] if position > 0 else ""
        if token == "=" and before not in (
            "operator",
            "=",
            "<",
            ">",
            "!",
            "+",
            "-",
            "*",
            "/",
            "%",
            "&",
            "|",
            "^",
        ):
            return True
    return False


def _kind_of_brace(head):
    """What a `{` after `head` opens: "scope", "function" or "value" (initialiser, enumeration)."""
    head = _strip_introduction(head)
    if not head:
        return "value"
    last = head[-1]
    if "namespace" in head[:2] or (head[0] == "extern" and "(" not in head and len(head) == 1):
        return "scope"
    if _declares_type(head):
        return "value" if head[0] == "enum" else "scope"
    if "(" not in head or _initialised(head) or "concept" in head:
        return "value"
    after = head[_end_of_parameters(head) :]
    if "requires" in after and last in (")", "requires") and _opens_requirement(after):
        return "value"
    if (
        ":" in after
    ):  # a constructor's initialisers: `member{` goes on, `) {` or `} {` begins the body
        return "function" if last in (")", "}") else "value"
    if last in _AFTER_PARAMETERS or "->" in after or "requires" in after:
        return "function"
    return "value"


def _declares_type(head):
    """Whether `head` names a class, struct, union or enum, and not a function that returns one."""
    constrained = head[0] == "requires" and not _TYPE_WORDS.isdisjoint(head)
    if head[0] not in _TYPE_WORDS and not constrained:
        return False
    return "(" not in head or head[1:2] == ["alignas"] or head[-1] not in _AFTER_PARAMETERS


def _end_of_parameters(head):
    position = head.index("(")
    if head[max(0, position - 1)] == "operator":  # operator()(…)
        position = head.index("(", position + 1)
    return position + 1


def _opens_requirement(after):
    """Whether `after` ends with `requires` or `requires (…)`, whose brace lists requirements."""
    return after[-1] == "requires" or after[-3:] == ["requires", "(", ")"]


def _is_lambda(seen):
    """Whether a `{` after these tokens is a lambda's body: `[…]`, then parameters, a type."""
    position = len(seen) - 1
    while position >= 0 and seen[position] != "]":
        token = seen[position]
        if token not in _LAMBDA_TAIL and not re.fullmatch(r"[A-Za-z_]\w*", token):
            return False
        position -= 1
    if position < 1:
        return False
    before = seen[position - 2] if position >= 2 else ""
    subscript = before in (")", "]") or (
        re.fullmatch(r"\w+", before) and before not in ("return", "co_return")
    )
    return not subscript


def _name_of(head):
    head = _strip_introduction(head)
    position = head.index("(")
    name = head[position - 1] if position > 0 else "?"
    return (
        "operator" + (name if name != "operator" else "()")
        if "operator" in head[:position]
        else name
    )
