"""Cuts shell text into complete logical commands and finds what every value stands in.

The grammar is that of POSIX.1-2017, XCU chapter 2 (Shell Command Language), as far as it decides where a command ends and how a
character is quoted. Here-documents, process substitution and ``$'…'`` are refused: shells differ in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.text import SLOT
from nas_backends.dialects.shell_words import (
    AS_ARGUMENT,
    DOUBLE,
    IN_VARIABLE,
    SINGLE,
    UNQUOTED,
    Place,
    ShellWord,
    check_command,
    code_reader,
)

_BLANK = re.compile(r"(?:[ \t]|\\\n)*")
_BLANK_LINES = re.compile(r"(?:[ \t\n]|\\\n)*")
_PLAIN = re.compile(r"[^\x00\s\\'\"`$;&|<>()]+")
_IN_DOUBLE = re.compile(r"[^\x00\\\"`$]+")
_REDIRECT = re.compile(r"[<>][<>|&]?")
_RESERVED = frozenset("if then elif else fi while until for do done case esac { } !".split())


@dataclass(frozen=True, slots=True)
class Logical:
    """One complete command of the text, from ``start`` to ``end`` (exclusive), with its places in order."""

    start: int
    end: int
    places: tuple[Place, ...]


class ShellScanner:
    """Reads logical commands from ``at`` on. Every method raises SkeletonError at the first bad place."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self._fed: Place | None = None  # a value in what an earlier stage of the pipeline writes
        self._places: list[Place] = []
        self._forbidden = ""

    def start(self) -> int | None:
        """Skip blank lines and comments: where the next command starts, None at the end of the text."""
        while True:
            self._skip(_BLANK_LINES)
            if self._peek() == "#":
                self._comment()
            elif self._peek() == ";" and self.text[self.at : self.at + 2] != ";;":
                raise SkeletonError("a command is missing before ;", self.at)
            else:
                return self.at if self.at < len(self.text) else None

    def command(self) -> Logical | None:
        """The next complete command, None at the end."""
        start = self.start()
        if start is None:
            return None
        self._places = []
        self._commands(frozenset(), start)
        return Logical(start, self.at, tuple(self._places))

    # lists of commands

    def _commands(self, closers: frozenset[str], opened: int) -> str:
        """Read commands up to one of ``closers`` (consumed and returned), or at the top up to the end of the line."""
        words: list[ShellWord] = []
        wanted = bool(closers)  # a command must still come: a newline does not end the list
        compound = False
        outer, pipeline = self._fed, len(self._places)
        while True:
            self._skip(_BLANK)
            char = self._peek()
            if not char:
                if closers or (wanted and not words and not compound):
                    what = " or ".join(sorted(closers)) or "a command"
                    raise SkeletonError(f"{what} is missing for what starts here", opened)
                self._end_of_command(words)
                return ""
            if char in "\n;&|":
                self._end_of_command(words)
                if char == ";" and self.text.startswith(";;", self.at):
                    self._fed = outer
                    return self._close(";;", closers)
                operator = self._operator()
                if operator == "|":
                    self._fed = self._places[pipeline] if len(self._places) > pipeline else outer
                else:
                    self._fed, pipeline = outer, len(self._places)
                if operator == "\n" and not closers and (words or compound or not wanted):
                    self.at -= 1
                    return ""
                wanted = bool(closers) or operator in ("&&", "||", "|") or (operator == "\n" and wanted)
                words, compound = [], False
            elif char == "#":
                self._comment()
            elif char == ")":
                self._end_of_command(words)
                self._fed = outer
                return self._close(")", closers)
            elif char == "(":
                compound = self._parenthesis(words, compound)
                wanted, words = wanted or not compound, []
            elif char in "<>":
                self._redirection()
            else:
                word = self._word()
                if not words and not compound and word.bare and word.literal in _RESERVED and not word.places:
                    if word.literal in closers:
                        self._fed = outer
                        return word.literal
                    if word.literal != "!":
                        self._compound(word)
                        compound = True
                elif compound:
                    raise SkeletonError("unexpected word after a block", word.start)
                elif not self._descriptor(word):
                    words.append(word)

    def _end_of_command(self, words: list[ShellWord]) -> None:
        check_command(words)
        reader = code_reader(words) if self._fed else ""
        if self._fed and reader:
            why = f"a value cannot be in what is piped into {reader}, which reads it as code"
            raise SkeletonError(why, self._fed.offset, remedy=AS_ARGUMENT)

    def _descriptor(self, word: ShellWord) -> bool:
        """The digits of ``2>file`` are no argument."""
        return word.bare and word.literal.isdigit() and not word.places and self._peek() in ("<", ">")

    def _close(self, token: str, closers: frozenset[str]) -> str:
        if token not in closers:
            raise SkeletonError(f"unexpected {token}", self.at)
        self.at += len(token)
        return token

    def _operator(self) -> str:
        two = self.text[self.at : self.at + 2]
        operator = two if two in ("&&", "||", "|&") else two[0]
        self.at += len(operator)
        return operator if operator != "|&" else "|"

    def _parenthesis(self, words: list[ShellWord], compound: bool) -> bool:
        """A subshell (True), or the parentheses of a function definition, whose body comes next (False)."""
        opened = self.at
        self.at += 1
        if not words and not compound:
            arithmetic = self._peek() == "("
            with_forbidden, self._forbidden = self._forbidden, "in ((…)), which bash computes" if arithmetic else self._forbidden
            self._commands(frozenset(")"), opened)
            self._forbidden = with_forbidden
            return True
        self._skip(_BLANK)
        if len(words) != 1 or self._peek() != ")" or words[0].places:
            raise SkeletonError("unexpected (", opened)
        self.at += 1
        return False

    def _redirection(self) -> None:
        match = _REDIRECT.match(self.text, self.at)
        operator = match.group() if match else ""
        if operator == "<<":
            raise SkeletonError("here-documents cannot be sent", self.at, remedy="use printf '%s\\n' … | command")
        self.at += len(operator)
        if self._peek() == "(":
            raise SkeletonError("process substitution is no POSIX shell", self.at)
        self._skip(_BLANK)
        word = self._word()
        if operator.endswith("&"):
            word.refuse("a file descriptor", "name a file")

    # blocks

    def _compound(self, word: ShellWord) -> None:
        opened, name = word.start, word.literal
        if name == "if":
            branch = "elif"
            while branch == "elif":
                self._commands(frozenset(["then"]), opened)
                branch = self._commands(frozenset(["elif", "else", "fi"]), opened)
            if branch == "else":
                self._commands(frozenset(["fi"]), opened)
        elif name in ("while", "until"):
            self._commands(frozenset(["do"]), opened)
            self._commands(frozenset(["done"]), opened)
        elif name == "for":
            self._for(opened)
        elif name == "case":
            self._case(opened)
        elif name == "{":
            self._commands(frozenset("}"), opened)
        else:
            raise SkeletonError(f"unexpected {name}", opened)

    def _for(self, opened: int) -> None:
        self._skip(_BLANK)
        self._word().refuse("a variable name", IN_VARIABLE)
        self._skip(_BLANK)
        while self._peek() not in ("", "\n", ";"):
            self._word()
            self._skip(_BLANK)
        if self._peek() == ";":
            self.at += 1
        self._skip(_BLANK_LINES)
        if self._word().literal != "do":
            raise SkeletonError("do is missing for what starts here", opened)
        self._commands(frozenset(["done"]), opened)

    def _case(self, opened: int) -> None:
        self._skip(_BLANK)
        self._word()
        self._skip(_BLANK_LINES)
        if self._word().literal != "in":
            raise SkeletonError("in is missing for the case that starts here", opened)
        while True:
            while self._skip(_BLANK_LINES) == "#":
                self._comment()
            if self._peek() == "(":
                self.at += 1
                self._skip(_BLANK)
            pattern = self._word()
            if pattern.bare and pattern.literal == "esac":
                return
            while self._skip(_BLANK) == "|":
                self.at += 1
                self._skip(_BLANK)
                self._word()
            if self._peek() != ")":
                raise SkeletonError(") is missing after a pattern", self.at)
            self.at += 1
            if self._commands(frozenset([";;", "esac"]), opened) == "esac":
                return

    # words

    def _word(self) -> ShellWord:
        word = ShellWord(self.at)
        while (char := self._peek()) and char not in " \t\n;&|<>()":
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                word.parts.append(plain.group())
                self.at = plain.end()
            elif char == SLOT:
                self._slot(word, UNQUOTED)
            else:
                word.bare = False
                self._special(word, char)
        if self.at == word.start:
            raise SkeletonError("a word is missing", self.at)
        return word

    def _special(self, word: ShellWord, char: str) -> None:
        if char == "\\":
            word.parts.append(self._escaped())
        elif char == "'":
            self._single(word)
        elif char == '"':
            self._double(word)
        elif char == "`":
            self._backquoted()
            word.parts.append("`")
        elif char == "$":
            self._dollar(in_double=False)
            word.parts.append("$")
        else:  # other white space (\r, \f, \v) is an ordinary character of a word
            word.parts.append(char)
            self.at += 1

    def _slot(self, word: ShellWord, quotes: str) -> None:
        if self._forbidden:
            raise SkeletonError(f"a value cannot stand {self._forbidden}", self.at, remedy=IN_VARIABLE)
        place = Place(self.at, quotes)
        word.parts.append(place)
        self._places.append(place)
        self.at += 1

    def _escaped(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following in ("", SLOT):
            raise SkeletonError("a backslash must stand before a character of the template", self.at, remedy="write it as '\\\\'")
        self.at += 2
        return "" if following == "\n" else following

    def _single(self, word: ShellWord) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise SkeletonError("this ' is never closed", self.at)
        self.at += 1
        while self.at < end:
            stop = self.text.find(SLOT, self.at, end)
            if stop == self.at:
                self._slot(word, SINGLE)
            else:
                stop = end if stop < 0 else stop
                word.parts.append(self.text[self.at : stop])
                self.at = stop
        self.at += 1

    def _double(self, word: ShellWord) -> None:
        opened = self.at
        self.at += 1
        while (char := self._peek()) != '"':
            plain = _IN_DOUBLE.match(self.text, self.at)
            if not char:
                raise SkeletonError('this " is never closed', opened)
            if plain:
                word.parts.append(plain.group())
                self.at = plain.end()
            elif char == SLOT:
                self._slot(word, DOUBLE)
            elif char == "\\":
                word.parts.append(self._escaped())
            elif char == "`":
                self._backquoted()
                word.parts.append("`")
            else:
                self._dollar(in_double=True)
                word.parts.append("$")
        self.at += 1

    # expansions: their contents are code, so no value may stand in them

    def _backquoted(self) -> None:
        opened = self.at
        self.at += 1
        while (char := self._peek()) != "`":
            if not char:
                raise SkeletonError("this ` is never closed", opened)
            if char == SLOT:
                raise SkeletonError("a value cannot stand in `…`", self.at, remedy=IN_VARIABLE)
            self.at += 2 if char == "\\" and self.text[self.at + 1 : self.at + 2] != SLOT else 1
        self.at += 1

    def _dollar(self, *, in_double: bool) -> None:
        opened = self.at
        self.at += 1
        char = self._peek()
        if char == SLOT:
            raise SkeletonError("a value cannot be a variable name", self.at, remedy="drop the $: {{ x }} already is the value")
        if char in ("'", '"') and not in_double:
            raise SkeletonError(f"${char}…{char} is no POSIX shell", opened, remedy="use plain quotes")
        if char == "{":
            self._expansion(opened)
        elif char == "(":
            self._substitution(opened)
        elif (name := re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]").match(self.text, self.at)) is not None:
            if (
                self.text[name.end() : name.end() + 1] == SLOT
                and (name.group()[0].isalpha() or name.group()[0] == "_")
                and in_double
            ):
                raise SkeletonError("a value right after $name would lengthen the name", name.end(), remedy="write ${name}")
            self.at = name.end()

    def _expansion(self, opened: int) -> None:
        before, self._forbidden = self._forbidden, "in a parameter expansion"
        word = ShellWord(self.at)
        self.at += 1
        while (char := self._peek()) != "}":
            if not char:
                raise SkeletonError("this ${ is never closed", opened)
            if char == SLOT:
                self._slot(word, UNQUOTED)
            elif char in "\\'\"`$":
                self._special(word, char)
            else:
                self.at += 1
        self.at += 1
        self._forbidden = before

    def _substitution(self, opened: int) -> None:
        arithmetic = self.text.startswith("((", self.at)
        before, self._forbidden = self._forbidden, "in $((…))" if arithmetic else "in $(…)"
        self.at += 1
        if arithmetic:
            self._arithmetic(opened)
        else:
            self._commands(frozenset(")"), opened)
        self._forbidden = before

    def _arithmetic(self, opened: int) -> None:
        word, depth = ShellWord(self.at), 1
        while depth:
            char = self._peek()
            if not char:
                raise SkeletonError("this $(( is never closed", opened)
            if char == SLOT:
                self._slot(word, UNQUOTED)
            elif char in "\\'\"`$":
                self._special(word, char)
            else:
                depth += (char == "(") - (char == ")")
                self.at += 1

    # characters

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        slot = self.text.find(SLOT, self.at, end)
        if slot >= 0:
            raise SkeletonError(
                "a value cannot stand in a comment: it could end it", slot, remedy="use a template comment: {# … #}"
            )
        self.at = end

    def _skip(self, blank: re.Pattern[str]) -> str:
        match = blank.match(self.text, self.at)
        if match:
            self.at = match.end()
        return self._peek()

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]
