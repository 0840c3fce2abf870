"""The ``tc`` and ``ip`` dialects: one changing command per line, as ``tc -batch`` and ``ip -batch`` take it (iproute2).

iproute2 splits a line at white space, takes ``'…'`` and ``"…"`` only around a whole word, knows no escapes, and drops everything
from ``#`` on, even inside quotes (``makeargs`` and ``getcmdline`` in lib/utils.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError, UnquotableValue
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, Word, mask
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
        """Classes, queues, filters, neighbours and routes that are added, replaced or deleted."""
        words = [word.text(values) for word in self.words]
        kind, verb, arguments = words[0], words[1], words[2:]
        if verb in ("add", "replace", "change", "del", "delete") and kind in _FOLDS:
            _FOLDS[kind](verb.startswith("del"), arguments, model)


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


_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(bit|kbit|mbit|gbit|tbit|bps|kbps|mbps|gbps|tbps)?", re.IGNORECASE)
_PREFIX = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def bits(text: str) -> str:
    """A rate of tc (``50mbit``, ``1Gbit``, bytes with ``bps``) as bit/s in digits; anything else unchanged (tc(8), UNITS)."""
    match = _RATE.fullmatch(text)
    if not match:
        return text
    unit = (match[2] or "bit").lower()
    number = float(match[1]) * _PREFIX.get(unit[0], 1) * (8 if unit.endswith("bps") else 1)
    return str(round(number))


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    """Keyword arguments: ``dev va parent 1: …``."""
    return dict(zip(arguments[::2], arguments[1::2], strict=False))


def _fold_class(delete: bool, arguments: Sequence[str], model: DeviceModel) -> None:
    head = _pairs(arguments[:6])
    kind_at = 2 * sum(name in head for name in ("dev", "parent", "classid"))
    table, classid = f"class dev {head.get('dev', '')}", head.get("classid", "")
    model.remove(table, lambda old: old["classid"] == classid)
    if not delete:
        record = {"classid": classid, "parent": head.get("parent", "root"), "kind": "".join(arguments[kind_at : kind_at + 1])}
        rates = _pairs(arguments[kind_at + 1 :])
        model.add(table, record | {name: bits(rates[name]) for name in ("rate", "ceil") if name in rates})


def _fold_qdisc(delete: bool, arguments: Sequence[str], model: DeviceModel) -> None:
    words = list(arguments)
    parent = "root" if "root" in words else _after(words, "parent")
    table = f"qdisc dev {_after(words, 'dev')}"
    model.remove(table, lambda old: old["parent"] == parent)
    if not delete:
        handle = _after(words, "handle")
        kind_at = (
            max(index for index, word in enumerate(["", *words]) if word in ("", handle, parent, _after(words, "dev")))
            if words
            else 0
        )
        model.add(table, {"parent": parent, "handle": handle, "kind": "".join(words[kind_at : kind_at + 1])})


def _fold_filter(delete: bool, arguments: Sequence[str], model: DeviceModel) -> None:
    words = list(arguments)
    table = f"filter dev {_after(words, 'dev')}"
    key = {name: _after(words, name) for name in ("parent", "prio", "handle") if _after(words, name)}
    if delete:
        model.remove(table, lambda old: all(old.get(name) == value for name, value in key.items()))
    elif key.get("handle"):
        model.put(table, key, {"filter": " ".join(words)})
    else:
        model.add(table, key | {"filter": " ".join(words)})


def _fold_addressed(name: str, kept: Sequence[str], delete: bool, arguments: Sequence[str], model: DeviceModel) -> None:
    words = list(arguments)
    if not words:
        return
    device = _after(words, "dev")
    table = f"{name} dev {device}" if name == "neigh" else name
    if delete:
        model.remove(table, lambda old: old["dst"] == words[0])
    else:
        record = {keyword: _after(words, keyword) for keyword in kept if _after(words, keyword)}
        model.put(table, {"dst": words[0]}, record)


def _after(words: Sequence[str], keyword: str) -> str:
    """The word after ``keyword``, or nothing."""
    for index, word in enumerate(words[:-1]):
        if word == keyword:
            return words[index + 1]
    return ""


_FOLDS: dict[str, Callable[[bool, Sequence[str], DeviceModel], None]] = {
    "class": _fold_class,
    "qdisc": _fold_qdisc,
    "filter": _fold_filter,
    "neigh": lambda delete, words, model: _fold_addressed("neigh", ("lladdr", "nud"), delete, words, model),
    "route": lambda delete, words, model: _fold_addressed("route", ("via", "dev", "metric", "table"), delete, words, model),
}
