"""A RouterOS command as an API sentence: https://help.mikrotik.com/docs/spaces/ROS/pages/47579160/API.

A sentence is a list of length-prefixed words and an empty word. Values are words' ends, so no value needs quoting;
``[find …]`` does not exist there and is looked up by the session first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.errors import SkeletonError, UnquotableValue
from ebs_core.domain.text import Word
from nas_backends.dialects.routeros_statement import RouterosStatement
from nas_backends.dialects.routeros_words import check

_SHORT = tuple(bytes([length]) for length in range(0x80))
_TERMINAL_ONLY = frozenset({"detail", "terse", "brief", "without-paging", "as-value", "value-list", "append", "where"})
_NO_API = frozenset({"edit", "get", "export"})
_FLAGGED = frozenset({"print", "monitor", "monitor-traffic"})


def encode_word(word: bytes) -> bytes:
    """``word`` with its length before it. Raises UnquotableValue above 256 MiB, the protocol's bound."""
    length = len(word)
    if length < 0x80:
        return _SHORT[length] + word
    if length < 0x4000:
        return (length | 0x8000).to_bytes(2, "big") + word
    if length < 0x200000:
        return (length | 0xC00000).to_bytes(3, "big") + word
    if length < 0x10000000:
        return (length | 0xE0000000).to_bytes(4, "big") + word
    raise UnquotableValue(f"a value of {length} bytes is longer than a RouterOS API word")


def encode_words(*words: str) -> bytes:
    return b"".join(encode_word(word.encode()) for word in words)


def encode_text(value: str) -> bytes:
    """UTF-8. Raises UnquotableValue as the command line does."""
    if "\0" in value or not value.isascii():
        check(value)
    return value.encode()


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """A command's words, encoded as far as they are known; without tag and end."""

    head: bytes
    filled: tuple[tuple[bytes, Word], ...]
    """Words that hold values: ``=name=`` and what follows."""

    def encode(self, values: Sequence[str], ids: bytes = b"") -> bytes:
        """The words with ``values``; ``ids`` (``*1,*2``) are the items. Raises UnquotableValue."""
        out = [self.head]
        if ids:
            out.append(encode_word(b"=.id=" + ids))
        for prefix, word in self.filled:
            data = prefix + encode_text(word.text(values))
            length = len(data)
            out.append(_SHORT[length] + data if length < 0x80 else encode_word(data))
        return b"".join(out)


def sentence(statement: RouterosStatement) -> Sentence:
    """The sentence of a statement whose find is resolved by the session (a ``print``'s where is not part of it)."""
    verb = "print" if statement.verb == "find" else statement.verb
    head = [encode_words("/" + "/".join((*statement.path, verb)))]
    if statement.items is not None:
        head.append(encode_words(f"=.id={statement.items}"))
    if statement.verb == "find":
        head.append(encode_words("=.proplist=.id"))
    head += [encode_words(f"={flag}=") for flag in statement.flags if flag not in _TERMINAL_ONLY]
    filled = []
    for name, word in statement.args:
        prefix = "=.proplist=" if name == "proplist" else f"={name}="
        if word.literal is not None:
            head.append(encode_words(prefix + word.literal))
        else:
            filled.append((prefix.encode(), word))
    return Sentence(b"".join(head), tuple(filled))


def check_sentence(statement: RouterosStatement, offset: int) -> None:
    """Raises SkeletonError for a plain command that has no counterpart in the API."""
    items = statement.items
    if items is not None and any(item.isdecimal() for item in items.split(",")):
        raise SkeletonError("item numbers exist only on a terminal", offset, remedy="use [find …], or the item's name")
    if statement.verb in _NO_API or (statement.path == () and statement.verb not in ("ping", "quit")):
        raise SkeletonError(
            f"`{statement.verb}` cannot be run over the RouterOS API", offset, remedy="use transport ssh for this NAS"
        )
    unnamed = [*statement.words, *(statement.flags if statement.verb not in _FLAGGED else ())]
    if unnamed:
        raise SkeletonError(
            "the RouterOS API takes no unnamed arguments", offset, remedy="write name=value (RouterOS: `?` lists names)"
        )
