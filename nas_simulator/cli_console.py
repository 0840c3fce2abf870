"""A console session: runs scripts against the router, keeps variables, the current path and item numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from nas_simulator.cli_parser import Parser, Step
from nas_simulator.cli_show import NEWLINE
from nas_simulator.cli_values import CliError, Code, Value, items_of, length_of, number_of, text_of, truth_of
from nas_simulator.conditions import Condition
from nas_simulator.durations import parse_duration
from nas_simulator.refusals import Refusal
from nas_simulator.router import Caller, Router
from nas_simulator.schema import Menu, Row
from nas_simulator.verbs import Answer

_LONGEST_DELAY: Final = 2.0
"""Seconds `:delay` really waits at most."""
_DEEPEST: Final = 50
"""Nested blocks; a script that nests deeper is refused rather than exhausting the stack."""


class SessionCut(Exception):
    """A fault cuts the connection here."""


class Quit(Exception):
    """The user left (`/quit`)."""


class Console:
    """`write(text)` takes output with CR LF line ends. `terminal`: it is a PTY, on which `print as-value` stays silent."""

    def __init__(self, router: Router, caller: Caller, write: Callable[[str], None], *, terminal: bool = False) -> None:
        self.router: Final = router
        self.write: Final = write
        self.path = ""
        self._caller: Final = caller
        self._terminal: Final = terminal
        self._globals: Final[dict[str, Value]] = {}
        self._scopes: list[dict[str, Value]] = [{}]
        self._numbers: Final[dict[str, list[str]]] = {}
        self._served = 0
        self._parser = Parser("")

    def run(self, script: str) -> bool:
        """Runs line by line. An error is printed and ends the script; what ran before it stays. False after an error.

        Raises `SessionCut` for a fault and `Quit` when the user leaves.
        """
        text = script.replace("\r\n", "\n").replace("\r", "\n")
        self._parser = parser = Parser(text, self.path, old_print=self.router.before_7)
        try:
            while (steps := parser.line()) is not None:
                self.run_steps(steps)
                self.path = parser.path
        except CliError as error:
            self.write(f"{error}{NEWLINE}")
            return False
        except Refusal as refusal:
            self.write(f"{refusal.message}{NEWLINE}")
            return False
        except RecursionError:
            self.write(f"syntax error (line 1 column 1){NEWLINE}")
            return False
        return True

    def error_at(self, what: str, position: int) -> CliError:
        return self._parser.error(what, position)

    # -- menu commands

    def operate(self, menu: Menu, verb: str, attributes: dict[str, str], condition: Condition | None) -> Answer:
        cut = self.router.faults.cuts(self._served)
        self._served += 1
        if cut == "before":
            raise SessionCut
        try:
            return self.router.execute(self._caller, menu, verb, attributes, condition)
        finally:
            if cut == "after":
                raise SessionCut

    def numbering(self, menu: Menu) -> list[str]:
        """The ids behind the numbers of the last print, or of the items as they stand when nothing was printed."""
        if menu.path not in self._numbers:
            self._numbers[menu.path] = [row[".id"] for row in self.router.items(menu.path)]
        return self._numbers[menu.path]

    def remember_numbering(self, menu: Menu, rows: Sequence[Row]) -> None:
        if not menu.single:
            self._numbers[menu.path] = [row[".id"] for row in rows]

    def show_as_value(self, value: Value) -> None:
        if not self._terminal:
            self.put(value)

    # -- the script language

    def run_steps(self, steps: Sequence[Step]) -> Value:
        value: Value = None
        for step in steps:
            value = step(self)
        return value

    def scoped(self, body: Step) -> Value:
        if len(self._scopes) >= _DEEPEST:
            raise CliError("too many nested blocks")
        self._scopes.append({})
        try:
            return body(self)
        finally:
            self._scopes.pop()

    def variable(self, name: str) -> Value:
        """An unknown variable is nothing, silently."""
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return self._globals.get(name)

    def define(self, kind: str, name: str, value: Value) -> None:
        if kind == "local":
            self._scopes[-1][name] = value
        elif kind == "global":
            if value is not None or name not in self._globals:
                self._globals[name] = value
        else:
            holder = next((scope for scope in reversed(self._scopes) if name in scope), self._globals)
            if name not in holder:
                raise CliError(f"undefined variable {name}")
            holder[name] = value

    def put(self, value: Value) -> None:
        self.write(text_of(value) + NEWLINE)

    def choose(self, condition: Value, then: Step, other: Step | None) -> Value:
        if truth_of(condition):
            return then(self)
        return None if other is None else other(self)

    def foreach(self, name: str, values: Value, body: Step) -> None:
        for value in items_of(values):
            self._scopes.append({name: value})
            try:
                body(self)
            finally:
                self._scopes.pop()

    def attempt(self, body: Step, rescue: Step | None) -> Value:
        """`:do { } on-error={ }`."""
        try:
            return body(self)
        except (CliError, Refusal):
            if rescue is None:
                raise
            return rescue(self)

    def parse(self, value: Value) -> Code:
        """`:parse`: the whole text is read first, so that a wrong one fails here and nothing of it runs."""
        parser = Parser(text_of(value).replace("\r\n", "\n"), old_print=self.router.before_7)
        lines = list(iter(parser.line, None))
        return Code(lambda: [self.run_steps(steps) for steps in lines])

    def call(self, value: Value) -> None:
        """A function is run in a scope of its own; any other value as a command does nothing."""
        if isinstance(value, Code):
            self._scopes.append({})
            try:
                value.run()
            finally:
                self._scopes.pop()

    def length(self, value: Value) -> int:
        return length_of(value)

    def text(self, value: Value) -> str:
        return text_of(value)

    def number(self, value: Value) -> int | None:
        return number_of(value)

    def fail(self, value: Value) -> None:
        raise CliError(text_of(value))

    def delay(self, value: Value) -> None:
        seconds = parse_duration(text_of(value))
        if seconds is None:
            raise CliError("invalid value for argument delay-time")
        time.sleep(min(seconds, _LONGEST_DELAY))

    def quit(self) -> None:
        raise Quit
