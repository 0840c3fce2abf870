"""``[find …]`` for the API, which has none: item numbers looked up for a whole batch at once.

Finds by one textual property (``comment``, ``name``) are asked a hundred to a sentence and matched back here, byte by byte. Any
other find is a sentence of its own: equalities as the router's queries, the rest filtered here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.records import Record
from nas_backends.dialects.routeros_sentence import encode_text, encode_word, encode_words
from nas_backends.dialects.routeros_statement import Find, normal
from nas_backends.transports.routeros_pipeline import Call, decode

PER_SENTENCE = 100
_TEXTUAL = ("comment", "name")


@dataclass(slots=True, eq=False)
class Lookup:
    """One find with its values, and what it found. Exactly one of ``failure`` and ``answered`` is set once it was resolved;
    neither, if the connection broke before."""

    find: Find
    values: Sequence[str]
    ids: list[bytes] = field(default_factory=list)
    failure: str = ""
    answered: bool = False

    @property
    def resolved(self) -> bool:
        return self.answered or bool(self.failure)


def lookups_calls(lookups: Sequence[Lookup]) -> Iterator[Call]:
    """The calls that resolve ``lookups``."""
    bulk: dict[tuple[tuple[str, ...], str], dict[bytes, list[Lookup]]] = defaultdict(lambda: defaultdict(list))
    for lookup in lookups:
        try:
            if (key := _textual(lookup)) is None:
                yield _Single(_single_words(lookup.find, lookup.values), lookup)
            else:
                condition = lookup.find.conditions[0]
                bulk[lookup.find.path, condition.name][key].append(lookup)
        except UnquotableValue as error:
            lookup.failure = str(error)
    for (path, name), wanted in bulk.items():
        head = encode_words("/" + "/".join((*path, "print")), f"=.proplist=.id,{name}")
        keys = list(wanted)
        for start in range(0, len(keys), PER_SENTENCE):
            part = keys[start : start + PER_SENTENCE]
            yield _Bulk(head + either(name, part), name, {key: wanted[key] for key in part})


def filters(find: Find, values: Sequence[str]) -> tuple[bytes, bool]:
    """A print's query words for the equalities of ``find``, and whether that leaves nothing to be filtered here."""
    words, complete = [], True
    for condition in find.conditions:
        text = condition.text(values)
        if condition.operator == "=" and text and (condition.value.slots or normal(text) not in ("yes", "no")):
            words.append(encode_word(f"?{condition.name}=".encode() + encode_text(text)))
        else:
            complete = False
    return b"".join(words), complete


def record(words: Iterable[bytes]) -> Record:
    """A reply's ``=name=value`` words as text."""
    pairs = (decode(word[1:]).partition("=") for word in words if word[:1] == b"=")
    return {name: value for name, _, value in pairs}


def _textual(lookup: Lookup) -> bytes | None:
    conditions = lookup.find.conditions
    if len(conditions) != 1 or conditions[0].operator != "=" or conditions[0].name not in _TEXTUAL:
        return None
    return encode_text(conditions[0].text(lookup.values)) or None


def either(name: str, keys: Sequence[bytes]) -> bytes:
    """Query words for items whose property ``name`` is one of ``keys``."""
    prefix = f"?{name}=".encode()
    operators = encode_word(b"?#" + b"|" * (len(keys) - 1)) if len(keys) > 1 else b""
    return b"".join(encode_word(prefix + key) for key in keys) + operators


def _single_words(find: Find, values: Sequence[str]) -> bytes:
    queries, complete = filters(find, values)
    needed = [".id", *(() if complete else dict.fromkeys(condition.name for condition in find.conditions))]
    return encode_words("/" + "/".join((*find.path, "print")), "=.proplist=" + ",".join(needed)) + queries


class _Single(Call):
    __slots__ = ("lookup",)

    def __init__(self, words: bytes, lookup: Lookup) -> None:
        super().__init__(words)
        self.lookup = lookup

    def settle(self) -> None:
        lookup = self.lookup
        lookup.failure = "; ".join(self.traps)
        lookup.answered = not self.traps
        _, complete = filters(lookup.find, lookup.values)
        matches = lookup.find.matcher(lookup.values)
        records = [record(words) for words in self.rows]
        lookup.ids = [found[".id"].encode() for found in records if ".id" in found and (complete or matches(found))]


class _Bulk(Call):
    __slots__ = ("prefix", "wanted")

    def __init__(self, words: bytes, name: str, wanted: dict[bytes, list[Lookup]]) -> None:
        super().__init__(words)
        self.prefix = f"={name}=".encode()
        self.wanted = wanted

    def settle(self) -> None:
        start = len(self.prefix)
        for words in self.rows:
            item = next((word[5:] for word in words if word.startswith(b"=.id=")), None)
            key = next((word[start:] for word in words if word.startswith(self.prefix)), None)
            if item is not None and key is not None:
                for lookup in self.wanted.get(key, ()):
                    lookup.ids.append(item)
        for lookup in (lookup for group in self.wanted.values() for lookup in group):
            lookup.failure = "; ".join(self.traps)
            lookup.answered = not self.traps
