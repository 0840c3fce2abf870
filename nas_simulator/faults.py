"""Misbehaviour on demand. Every field may be changed while the router runs; the next operation sees it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from nas_simulator.journal import Operation
from nas_simulator.refusals import ACTION_FAILED, Refusal


@dataclass
class Faults:
    """`latency`: seconds between a command and its reply, like a long wire: a hundred commands in flight all take it once.

    `disconnect_after`: every session serves this many operations; the next one cuts it, `disconnect_when` "before" it is
    executed, or "after" it was executed but before its reply.
    `stall`: connections are accepted and commands are read, but nothing is executed or answered.
    `refuse_login`: every login fails with the router's usual text.
    `fail_share`: this share of operations (0..1) fails with `fail_text`; the draw is repeatable (`seed`).
    `fail`: called for every operation; a text it returns becomes the refusal.
    `accept_and_forget`: changes are answered as done and not stored.
    `hide_secrets`: the login has no policy `sensitive`: passwords are not among what is printed.
    `max_sessions`: more connections than this (both doors together) are closed at once.
    `tired_after`: after this many bytes of replies a session answers each command only after `tired_latency` more seconds,
    one after another, until it was idle for `tired_rest` seconds (seen on real routers at about 200 kB, 15 ms, 5 s).
    """

    latency: float = 0.0
    disconnect_after: int | None = None
    disconnect_when: Literal["before", "after"] = "before"
    stall: bool = False
    refuse_login: bool = False
    fail_share: float = 0.0
    fail_text: str = ACTION_FAILED
    fail: Callable[[Operation], str | None] | None = None
    accept_and_forget: bool = False
    hide_secrets: bool = False
    max_sessions: int | None = None
    tired_after: int | None = None
    tired_latency: float = 0.015
    tired_rest: float = 5.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False, compare=False)
    _lock: threading.Lock = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable faults, nothing secret
        self._lock = threading.Lock()

    def examine(self, operation: Operation) -> None:
        """Raises `Refusal` when this operation is to fail."""
        if self.fail is not None:
            text = self.fail(operation)
            if text is not None:
                raise Refusal(text)
        if self.fail_share > 0:
            with self._lock:
                unlucky = self._random.random() < self.fail_share
            if unlucky:
                raise Refusal(self.fail_text)

    def cuts(self, served: int) -> Literal["before", "after"] | None:
        """Whether the operation that follows `served` ones of its session cuts the connection, and when."""
        if self.disconnect_after is None or served < self.disconnect_after:
            return None
        return self.disconnect_when
