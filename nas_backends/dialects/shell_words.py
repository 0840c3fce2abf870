"""Words of a shell command line, and which of them a value may not stand in because some program reads them as code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ebs_core.domain.errors import SkeletonError

UNQUOTED, SINGLE, DOUBLE = "unquoted", "single", "double"


@dataclass(slots=True)
class Place:
    """Where a value stands: inside which quotes, and whether a leading ``-`` would make an option of it."""

    offset: int
    quotes: str
    guarded: bool = False
    whole: bool = False
    """The value is the whole word, so a negative number is only a number."""


@dataclass(slots=True)
class ShellWord:
    """One word: its text without quotes and the values in it. ``bare``: written without quotes, escapes and expansions."""

    start: int
    parts: list[str | Place] = field(default_factory=list)
    bare: bool = True

    @property
    def places(self) -> list[Place]:
        return [part for part in self.parts if isinstance(part, Place)]

    @property
    def literal(self) -> str:
        """Text before the first value."""
        texts: list[str] = []
        for part in self.parts:
            if isinstance(part, Place):
                break
            texts.append(part)
        return "".join(texts)

    @property
    def is_assignment(self) -> bool:
        return re.match(r"[A-Za-z_][A-Za-z0-9_]*\+?=", self.literal) is not None

    def refuse(self, why: str, remedy: str) -> None:
        """Raise SkeletonError at the first value in this word, if there is one."""
        if self.places:
            raise SkeletonError(f"a value cannot be {why}", self.places[0].offset, remedy=remedy)


AS_ARGUMENT = "pass it as an argument: sh -c '… \"$1\"' _ {{ x }}"
IN_VARIABLE = "set a variable to it: X={{ x }} …"

_SHELLS = frozenset("sh bash dash ash ksh mksh zsh su runuser script".split())
_SCRIPTED = frozenset("perl ruby node php lua awk gawk mawk nawk sed expect tclsh . source".split())
_CLOSED = frozenset(
    (
        "eval alias trap let declare typeset [[ ssh rsh nft watch parallel mysql mariadb psql sqlite3 vtysh at batch crontab "
        "systemd-run start-stop-daemon docker podman kubectl lxc-attach"
    ).split()
)
"""Programs that read all their arguments as code (``nft`` joins and parses them; ``ssh`` gives them to a remote shell)."""
_PERMUTING = frozenset("su runuser script sed".split())
"""Programs that take options after operands too."""
_LOADERS = frozenset("xargs iptables-restore ip6tables-restore ebtables-restore arptables-restore ipset ip tc bridge".split())
"""Programs that read commands (or arguments for one) from their standard input."""
_STEERING = re.compile(r"(PATH|IFS|ENV|BASH_ENV|SHELLOPTS|PS[0-9]|PYTHON\w*|PERL\w*|RUBY\w*|LD_\w*|GIT_\w*|EDITOR|PAGER)\+?=")
"""Variables that decide which code runs."""
_NAMING = frozenset("export readonly local unset read getopts".split())
_OPERATORS = frozenset("[ test".split())
"""Their operands are told by position, not by a leading dash."""

_WRAPPERS: dict[str, tuple[str, int]] = {
    "env": ("-u -C -S", 0), "sudo": ("-u -g -C -h -p -U -R -T -r -t -D", 0), "doas": ("-u -C", 0), "nohup": ("", 0),
    "nice": ("-n", 0), "ionice": ("-c -n -p", 0), "setsid": ("", 0), "timeout": ("-s -k", 1), "exec": ("-a", 0),
    "command": ("", 0), "builtin": ("", 0), "busybox": ("", 0), "chroot": ("", 1), "flock": ("-w -E", 1), "time": ("", 0),
    "stdbuf": ("-i -o -e", 0), "xargs": ("-I -n -P -L -d -s -E -a", 0), "nsenter": ("-t", 0), "unshare": ("", 0),
    "taskset": ("", 1), "chrt": ("", 1),
}  # fmt: skip
"""Programs that start another: their options that take a value, and how many operands stand before the command."""


def check_command(words: Sequence[ShellWord]) -> None:
    """Judge one simple command. Raises SkeletonError for a value that would be read as code or as a name; marks the places
    where a leading dash would make an option of a value."""
    rest = list(words)
    while rest and rest[0].is_assignment:
        if _STEERING.match(rest[0].literal):
            rest[0].refuse("in a variable that decides what runs", "give it a fixed value")
        rest.pop(0)
    data_from = _check(rest)
    for index, word in enumerate(rest):
        if word.literal == "--" and not word.places:
            return
        if 0 < index < data_from:
            _guard(word)


def code_reader(words: Sequence[ShellWord]) -> str:
    """The program's name if the command reads code from its standard input, or else an empty text."""
    rest = list(words)
    while rest and rest[0].is_assignment:
        rest.pop(0)
    if not rest:
        return ""
    name, arguments = PurePosixPath(rest[0].literal).name or rest[0].literal, rest[1:]
    if name in _LOADERS or name in _CLOSED or name in _SHELLS or rest[0].literal.startswith("$"):
        return name
    if name in _WRAPPERS:
        return code_reader(arguments[_wrapped(name, arguments) :])
    scripted = name in _SCRIPTED - {"awk", "gawk", "mawk", "nawk", "sed"} or re.fullmatch(r"python[0-9.]*", name)
    return name if scripted and not any(word.literal not in ("-", "") for word in arguments) else ""


def _guard(word: ShellWord) -> None:
    for part in word.parts:
        if isinstance(part, str) and part:
            return
        if isinstance(part, Place):
            part.guarded, part.whole = True, len(word.parts) == 1


def _check(words: Sequence[ShellWord]) -> int:
    """The index from which words can no longer be options of the command."""
    if not words:
        return 0
    words[0].refuse("(part of) the command word", AS_ARGUMENT)
    if words[0].literal.startswith("$") and any(re.match(r"-[A-Za-z]*[ce]$", word.literal) for word in words[1:]):
        for word in words[1:]:
            word.refuse("in what may be a script, of a command that only a variable names", "name the command")
    name, arguments = PurePosixPath(words[0].literal).name or words[0].literal, words[1:]
    if name in _WRAPPERS:
        start = 1 + _wrapped(name, arguments)
        return start + _check(words[start:])
    if name == "ip" and [word.literal for word in arguments[:2]] == ["netns", "exec"]:
        return 4 + _check(words[4:])
    if name == "find":
        return _check_find(words)
    if name in _CLOSED:
        for word in arguments:
            word.refuse(f"in what {name} reads as code", IN_VARIABLE if name != "nft" else _NFT_REMEDY)
    elif name in _NAMING:
        for word in arguments:
            if not word.is_assignment:
                word.refuse("a variable name", IN_VARIABLE)
    elif name == "printf" or name in _SHELLS or name in _SCRIPTED or re.fullmatch(r"python[0-9.]*", name):
        operand = 1 + _first_operand(name, arguments)
        inline = name == "printf" or re.match(r"-[A-Za-z]*[ce]$", words[operand - 2].literal) is not None
        return operand if inline and name not in _PERMUTING else len(words)
    return 1 if name in _OPERATORS else len(words)


_NFT_REMEDY = "write a plain nft line without shell operators or single quotes, and list the dialect nft in the profile"


def _first_operand(name: str, arguments: Sequence[ShellWord]) -> int:
    """Refuse values in an interpreter's options and in its first operand (script text, script file, format); the words after
    that are its arguments."""
    skip = False
    for index, word in enumerate(arguments):
        word.refuse(f"in the script of {name}", AS_ARGUMENT)
        if skip or (name in _SHELLS and re.match(r"[-+][A-Za-z]*[oO]$", word.literal)):
            skip = not skip  # the name of an option: sh -o errexit -c …
            continue
        if not word.literal.startswith(("-", "+")) and not _more_code(name, arguments[index + 1 :]):
            return index + 1
    return len(arguments)


def _more_code(name: str, following: Sequence[ShellWord]) -> bool:
    """Perl, sed, su and their like take further ``-e``/``-c`` scripts after the first operand."""
    if name not in _SCRIPTED and name not in ("su", "runuser", "script"):
        return False
    return any(re.match(r"-[A-Za-z]*[ceErfv]$|--(command|expression|eval|session-command)\b", word.literal) for word in following)


def _wrapped(name: str, arguments: Sequence[ShellWord]) -> int:
    """How many arguments of a wrapper stand before the command it starts."""
    valued, operands = _WRAPPERS[name]
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word.literal in valued.split() and not word.places:
            index += 1
            if word.literal == "-S" and index < len(arguments):
                arguments[index].refuse("in what env splits into a command", AS_ARGUMENT)
        elif not word.literal.startswith("-") and not (name in ("env", "sudo") and word.is_assignment):
            if not operands:
                return index
            operands -= 1
        index += 1
    return index


def _check_find(words: Sequence[ShellWord]) -> int:
    for index, word in enumerate(words):
        if word.literal in ("-exec", "-execdir", "-ok", "-okdir"):
            _check(words[index + 1 :])
    return len(words)
