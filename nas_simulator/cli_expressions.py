"""Values, `( … )` expressions and `where` conditions of the console, compiled to functions of the running console."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from nas_simulator.cli_reader import Reader
from nas_simulator.cli_values import CliError, Value, compare, element_of, items_of, number_of, text_of, truth_of
from nas_simulator.conditions import All, Any, Compares, Condition, Empty, Equals, Like, Never, Not, Present
from nas_simulator.refusals import Refusal
from nas_simulator.schema import Menu, Property

if TYPE_CHECKING:
    from nas_simulator.cli_console import Console

Expression = Callable[["Console"], Value]
Where = Callable[["Console"], Condition]

_ATOM: Final = re.compile(r"\d+(?:\.\d+){3}(?:/\d+)?|[A-Za-z0-9_*][A-Za-z0-9_*-]*")
_COMPARISONS: Final = ("!=", "<=", ">=", "=", "<", ">", "~")
_PROPERTY: Final = re.compile(r"[.A-Za-z][A-Za-z0-9.-]*")
_ID: Final = Property(".id")


class ExpressionReader(Reader):
    """Everything that has a value. What stands in `[ … ]` and `{ … }` is read by the parser that inherits from this."""

    def bracketed(self) -> Expression:
        """`[command]`, the bracket still to be read."""
        raise NotImplementedError

    # -- values

    def value(self) -> Expression:
        """One argument: quoted, `$variable`, `[command]`, `(expression)`, `{list}` or bare."""
        sign = self.peek()
        if sign == '"':
            return self.quoted()
        if sign == "[":
            return self.bracketed()
        if sign == "(":
            return self.parenthesised()
        if sign == "{":
            return self.braced_list()
        if sign == "$":
            self.position += 1
            name = self.variable()
            if not self.at_end() and self.peek() not in " \t\r":
                raise self.error("syntax error")
            return lambda console: console.variable(name)
        text = self.unquoted()
        return lambda console: text

    def quoted(self) -> Expression:
        """A string in double quotes, in which `$name`, `$(…)`, `$[…]` and escapes are replaced.

        A `$` before anything else stands for itself, as in `name~"^ether1$"`.
        """
        parts: list[Expression] = []
        plain: list[str] = []
        self.expect('"')
        while not self.accept('"'):
            sign = self.peek()
            if not sign:
                raise self.error("syntax error")
            self.position += 1
            if sign == "\\":
                plain.append(self.escape())
            elif sign == "$" and (self.peek() in ("[", "(") or self.starts_variable()):
                parts.extend((_constant("".join(plain)), self._substitution()))
                plain = []
            else:
                plain.append(sign)
        if not parts:
            return _constant("".join(plain))
        parts.append(_constant("".join(plain)))
        return lambda console: "".join([text_of(part(console)) for part in parts])

    def _substitution(self) -> Expression:
        if self.peek() == "[":
            return self.bracketed()
        if self.peek() == "(":
            return self.parenthesised()
        name = self.variable()
        return lambda console: console.variable(name)

    def braced_list(self) -> Expression:
        """`{"a";"b"}`."""
        self.expect("{")
        parts: list[Expression] = []
        while True:
            self.blanks()
            if self.accept("}"):
                return lambda console: [part(console) for part in parts]
            parts.append(self.value())
            self.blanks()
            if self.peek() != "}":
                self.expect(";")

    # -- ( expressions )

    def parenthesised(self) -> Expression:
        self.expect("(")
        inner = self._either()
        self.blanks()
        self.expect(")")
        return inner

    def _operator(self, *signs: str) -> str:
        self.blanks()
        for sign in signs:
            if sign.isalpha():
                if self.next_word() == sign:
                    self.position += len(sign)
                    return sign
            elif self.accept(sign):
                return sign
        return ""

    def _either(self) -> Expression:
        left = self._both()
        while self._operator("||", "or"):
            left = _either_of(left, self._both())
        return left

    def _both(self) -> Expression:
        left = self._comparison()
        while self._operator("&&", "and"):
            left = _both_of(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        sign = self._operator(*_COMPARISONS, "in")
        return _compared(left, sign, self._sum()) if sign else left

    def _sum(self) -> Expression:
        left = self._operand()
        while sign := self._operator(".", "+", "-", ","):
            left = _combined(left, sign, self._operand())
        return left

    def _operand(self) -> Expression:
        self.blanks()
        if self.accept("!"):
            inner = self._operand()
            return lambda console: not truth_of(inner(console))
        if self.peek() and self.peek() in '"[(':
            return self.value()
        if self.accept("$"):
            name = self.variable()
            if self._operator("->"):
                return self._element(name)
            return lambda console: console.variable(name)
        match = _ATOM.match(self.text, self.position)
        if match is None:
            raise self.error("syntax error")
        self.position = match.end()
        return _constant(match.group())

    def _element(self, name: str) -> Expression:
        """`$name->"key"`, the arrow already read."""
        self.blanks()
        key = self.value()
        return lambda console: element_of(console.variable(name), text_of(key(console)))

    # -- where

    def where(self, menu: Menu) -> Where:
        """Conditions over a menu's items, up to the end of the command."""
        parts = [self._where_both(menu)]
        while self._operator("||", "or"):
            parts.append(self._where_both(menu))
        return parts[0] if len(parts) == 1 else lambda console: Any([part(console) for part in parts])

    def _where_both(self, menu: Menu) -> Where:
        parts = [self._where_one(menu)]
        while True:
            joined = self._operator("&&", "and")
            if not joined and (self.at_end() or self.text.startswith("||", self.position) or self.next_word() == "or"):
                break
            parts.append(self._where_one(menu))
        return parts[0] if len(parts) == 1 else lambda console: All([part(console) for part in parts])

    def _where_one(self, menu: Menu) -> Where:
        self.blanks()
        if self.accept("!"):
            inner = self._where_one(menu)
            return lambda console: Not(inner(console))
        if self.accept("("):
            grouped = self.where(menu)
            self.blanks()
            self.expect(")")
            return grouped
        return self._where_property(menu)

    def _where_property(self, menu: Menu) -> Where:
        match = _PROPERTY.match(self.text, self.position)
        if match is None:
            raise self.error("syntax error")
        prop = _ID if match.group() == ".id" else menu.by_name.get(match.group())
        if prop is None:
            raise self.error("expected end of command")
        self.position = match.end()
        sign = self._operator(*_COMPARISONS)
        if not sign:
            test = Equals(prop.name, "true") if prop.kind.boolean else Present(prop.name, filled=True)
            return lambda console: test
        self.blanks()
        bare = not self.peek() or self.peek() not in '"[($'
        value = self.value()
        return lambda console: _condition(console, prop, sign, text_of(value(console)), bare)


def _constant(text: str) -> Expression:
    return lambda console: text


def _either_of(left: Expression, right: Expression) -> Expression:
    return lambda console: truth_of(left(console)) or truth_of(right(console))


def _both_of(left: Expression, right: Expression) -> Expression:
    return lambda console: truth_of(left(console)) and truth_of(right(console))


def _compared(left: Expression, sign: str, right: Expression) -> Expression:
    if sign == "~":
        return lambda console: _pattern(text_of(right(console))).search(text_of(left(console))) is not None
    if sign == "in":
        return lambda console: text_of(left(console)) in [text_of(one) for one in items_of(right(console))]
    return lambda console: compare(left(console), sign, right(console))


def _combined(left: Expression, sign: str, right: Expression) -> Expression:
    if sign == ".":
        return lambda console: text_of(left(console)) + text_of(right(console))
    if sign == ",":
        return lambda console: [*items_of(left(console)), *items_of(right(console))]
    return lambda console: _added(left(console), sign, right(console))


def _added(left: Value, sign: str, right: Value) -> int:
    first, second = number_of(left), number_of(right)
    if first is None or second is None:
        raise CliError(f"cannot {'add' if sign == '+' else 'subtract'} string and number")
    return first + second if sign == "+" else first - second


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        raise CliError("invalid regular expression") from None


def _condition(console: Console, prop: Property, sign: str, text: str, bare: bool) -> Condition:
    """`bare`: written without quotes. An address written so is another type than the stored value and equals nothing."""
    if sign == "~":
        return Like(prop.name, _pattern(text))
    if not text and sign in ("=", "!="):
        empty = Empty(prop.name)
        return empty if sign == "=" else Not(empty)
    stored = _stored_form(console, prop, text)
    if sign in ("=", "!="):
        same: Condition = Never() if bare and prop.kind.address and _is_address(text) else Equals(prop.name, stored)
        return same if sign == "=" else Not(same)
    return Compares(prop.name, stored, greater=sign[0] == ">", equal=sign.endswith("="))


def _is_address(text: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+){3}(?:/\d+)?", text) is not None


def _stored_form(console: Console, prop: Property, text: str) -> str:
    if prop.kind.parse is None:
        return text
    try:
        with console.router.lock:
            return prop.kind.parse(text, prop.name, console.router.names)
    except Refusal:
        return text
