"""Many tagged sentences in flight on one connection; each reply finds its call by its tag."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nas_backends.dialects.routeros_sentence import encode_word
from nas_backends.transports.routeros_rows import Print, Rows
from nas_backends.transports.routeros_wire import BrokenWire, Sentences, Wire

WINDOW = 500
"""Sentences in flight. Seen against a simulated router at 5 ms: 176/s with one, 13,400/s with 100, 41,800/s with 500."""

FLUSH = 4096
"""Bytes that are sent while the rest of the window is still being encoded: the router has something to do meanwhile."""

KEPT_ROWS = 200_000
"""Rows of one reply that are kept; a larger answer is refused, for memory."""


@dataclass(slots=True, eq=False)
class Call:
    """One sentence and what came back. ``ended`` is set by its ``!done``; ``traps`` are the messages of its errors."""

    words: bytes
    size: int = 0
    began: float = 0.0
    duration: float = 0.0
    ended: bool = False
    rows: list[list[bytes]] = field(default_factory=list)
    """Words of each ``!re``, tag included."""
    traps: list[str] = field(default_factory=list)
    returned: bytes = b""

    def settle(self) -> None:
        """Called once, when the reply is complete."""


class Pipeline:
    """One connection's calls. Dead after BrokenWire: ``broken`` then says why."""

    def __init__(self, wire: Wire, timeout: float, window: int = WINDOW) -> None:
        self._wire = wire
        self._timeout = timeout
        self._window = window
        self._sentences = Sentences()
        self._pending: dict[bytes, Call] = {}
        self._tag = 0
        self.broken = ""

    def check(self) -> None:
        """Notice a connection that died while nothing was asked, before anything is sent."""
        if not self.broken:
            try:
                self._dispatch(self._wire.receive())
            except BrokenWire as error:
                self._break(error)

    def run(self, calls: Iterator[Call | None]) -> list[Call]:
        """Send all, in order, and wait for the replies; ``calls`` is drawn from as the window opens, so it can react to replies.
        It gives None while it has to wait for the reply of a call that it gave before.

        Returns the calls that were sent and never answered: none unless the connection broke. Calls whose bytes had not left are
        not among them (they cannot have taken effect).
        """
        try:
            while not self.broken:
                self._fill(calls)
                if not self._pending:
                    return []
                self._dispatch(self._wire.exchange(self._timeout))
        except BrokenWire as error:
            self._break(error)
        return self._unanswered()

    def print(self, prints: Sequence[Print]) -> None:
        """Send all and wait until each has ended; nothing else is in flight. Where the connection breaks, ``broken`` says why."""
        rows = Rows(prints)
        try:
            for each in prints:
                self._wire.out += each.encode()
            while not (self.broken or all(each.ended for each in prints)):
                rows.feed(self._wire.exchange(self._timeout))
        except BrokenWire as error:
            self._break(error)

    def close(self) -> None:
        self.broken = self.broken or "the session was closed"
        self._wire.close()

    def _fill(self, calls: Iterator[Call | None]) -> None:
        out, pending, now = self._wire.out, self._pending, time.monotonic()
        while len(pending) < self._window and (call := next(calls, None)) is not None:
            self._tag += 1
            tag = b".tag=%d" % self._tag
            sentence = call.words + encode_word(tag) + b"\0"
            call.size, call.began = len(sentence), now
            pending[tag] = call
            out += sentence
            if len(out) > FLUSH:
                self._wire.flush()

    def _dispatch(self, data: bytes) -> None:
        now, pending = time.monotonic(), self._pending
        for words in self._sentences.feed(data):
            kind = words[0]
            call = next(filter(None, map(pending.get, words)), None)
            if kind == b"!fatal":
                raise BrokenWire("the router ended the session: " + decode(b" ".join(words[1:])))
            if call is None:
                continue  # a late reply of a call that nobody waits for
            if kind == b"!done":
                self._done(call, words, now)
            elif kind == b"!re":
                call.rows.append(words)
                if len(call.rows) > KEPT_ROWS:
                    raise BrokenWire(f"the router answered more than {KEPT_ROWS} rows to one command")
            elif kind == b"!trap":
                call.traps.append(_message(words))

    def _done(self, call: Call, words: list[bytes], now: float) -> None:
        call.ended = True
        call.duration = now - call.began
        for word in words:
            if word.startswith(b".tag="):
                del self._pending[word]
            elif word.startswith(b"=ret="):
                call.returned = word[5:]
        call.settle()

    def _break(self, error: BrokenWire) -> None:
        self.broken = self.broken or str(error)
        self._wire.close()

    def _unanswered(self) -> list[Call]:
        unsent = len(self._wire.out)
        sent = list(self._pending.values())
        while sent and sent[-1].size <= unsent:
            unsent -= sent.pop().size
        self._pending.clear()
        return sent


def decode(data: bytes) -> str:
    """Text of a router, whose strings need not be UTF-8 (old ones hold the codepage of whoever typed them)."""
    return data.decode("utf-8", "backslashreplace")


def _message(words: list[bytes]) -> str:
    return next((decode(word[9:]) for word in words if word.startswith(b"=message=")), "an error without a message")
