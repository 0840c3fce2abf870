"""The ``tc`` and ``ip`` dialects: one changing command per line, as ``tc -batch`` and ``ip -batch`` take it (iproute2).

iproute2 splits a line at white space, takes ``'…'`` and ``"…"`` only around a whole word, knows no escapes, and drops everything
from ``#`` on, even inside quotes (``makeargs`` and ``getcmdline`` in lib/utils.c).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError, UnquotableValue
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, Word, mask
from nas_backends.dialects.iproute_fold import fold
from nas_backends.dialects.line_words import Token, quick_fill, tokens
from nas_backends.dialects.shell import require_text_transport, show, single_quoted

_TOKEN = re.compile(r"\"[^\"\n]*\"(?!\S)|'[^'\n]*'(?!\S)|[^\s\"']+")
_SHELL_ONLY = re.compile(r"[\\`$&|<>#;(){}*?\[\]~]")
_VERBS = frozenset("add replace change del delete append prepend set flush".split())
_POSITIONAL = re.compile(r"[0-9a-fA-F.:/]*[0-9:][0-9a-fA-F.:/]*")
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+,=%-]+")


@dataclass(frozen=True, slots=True)
class IprouteStatement:
    """The words after ``tc`` or ``ip``; ``address`` is the word that stands without a keyword before it, if it has a value."""

    dialect: str
    skeleton: str
    words: tuple[Word, ...]
    slots: int
    address: Word | None

    @property
    def deletes(self) -> bool:
        return self.words[1].literal in ("del", "delete")

    def emit(self, values: Sequence[str]) -> str:
        if self.address is not None and not _POSITIONAL.fullmatch(self.address.text(values)):
            raise UnquotableValue(f"{mask(self.address.text(values))!r} is no address: {self.dialect} would read it as a keyword")
        if all(values) and _PLAIN.fullmatch("".join(values)):
            return quick_fill(self.skeleton, values)
        return " ".join([_batch_word(word.text(values)) for word in self.words])

    def alone(self, values: Sequence[str]) -> str:
        """The command as a line for a shell."""
        return " ".join([self.dialect, *(single_quoted(word.text(values)) for word in self.words)])

    def show(self, values: Sequence[str]) -> str:
        return f"{self.dialect} {show(self, values)}"

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """See ``iproute_fold``."""
        words = [word.text(values) for word in self.words]
        fold(words[0], words[1], words[2:], model)


def _batch_word(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if "\n" in text or "#" in text or SLOT in text or ("'" in text and '"' in text):
        raise UnquotableValue(f"{mask(text)!r} cannot be one word of a tc or ip batch, which has no escapes")
    return f"'{text}'" if "'" not in text else f'"{text}"'


class IprouteDialect:
    """See ``nas_backends.contract.Dialect``; ``name`` is ``tc`` or ``ip``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """One statement per line, which begins with the program's name. Raises SkeletonError."""
        require_text_transport(self.name, transport)
        statements: list[Statement] = []
        offset = 0
        for line in skeleton.split("\n"):
            if line.strip():
                statement = parse_iproute(line, offset)
                if statement is None or statement.dialect != self.name:
                    raise SkeletonError(
                        f"this is no plain {self.name} command", offset, remedy="list the dialect shell in the profile"
                    )
                statements.append(statement)
            offset += len(line) + 1
        return tuple(statements)


def parse_iproute(line: str, offset: int) -> IprouteStatement | None:
    """Parse one line ``tc …`` or ``ip …`` that starts at ``offset``. None: only a shell can run it. Raises SkeletonError for a
    value in the kind of object, the verb, or a word that is quoted in part."""
    found = tokens(line, offset, _TOKEN)
    if found is None or len(found) < 3 or any(_shell_only(token) for token in found):
        return None
    for token in found[:3]:
        if token.word.slots:
            raise SkeletonError(f"a value cannot be the object or the verb of {found[0].mark or 'a command'}", token.start)
    if found[2].mark not in _VERBS:
        return None
    words = tuple(token.word for token in found[1:])
    skeleton = line.strip()[len(found[0].mark or "") :].strip()
    address = words[2] if len(words) > 2 and words[2].slots else None
    return IprouteStatement(found[0].mark or "", skeleton, words, skeleton.count(SLOT), address)


def _shell_only(token: Token) -> bool:
    texts = [part for part in token.word.parts if isinstance(part, str)]
    if token.quoted:
        return any(re.search(r"[\\`$#]", text) for text in texts) or not token.word.parts
    return any(_SHELL_ONLY.search(text) for text in texts)
