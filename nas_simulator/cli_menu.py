"""One menu command of the console, parsed: it evaluates its arguments, works through the router and shows the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nas_simulator.cli_expressions import Expression, Where
from nas_simulator.cli_show import show_print
from nas_simulator.cli_values import CliError, Value, items_of, text_of
from nas_simulator.durations import clock_duration, parse_duration
from nas_simulator.refusals import MissingArgument, no_such_item
from nas_simulator.schema import Menu, Row
from nas_simulator.verbs import Answer

if TYPE_CHECKING:
    from nas_simulator.cli_console import Console


def script_value(menu: Menu, name: str, text: str) -> Value:
    """A stored value as scripts get it: truth values and lists as such, durations by the clock (`00:00:15`, `1w00:00:00`).

    Source: danikf/tik4net, Docs/findings-cli.md, section 1 ("as-value spells values the router's way, not the API's").
    """
    prop = menu.by_name.get(name)
    if prop is None:
        return text
    if prop.kind.boolean:
        return text == "true"
    if prop.kind.duration:
        seconds = parse_duration(text)
        return text if seconds is None else clock_duration(seconds)
    return text.split(",") if prop.kind.listed and "," in text else text


def script_form(menu: Menu, row: Row) -> dict[str, Value]:
    return {name: script_value(menu, name, text) for name, text in row.items()}


PRINT_STYLES: Final = frozenset({"terse", "detail", "brief", "as-value", "count-only", "without-paging", "stats"})


class MenuCommand:
    """`bracketed`: stands in `[ … ]`, so its value is used and not shown."""

    def __init__(self, menu: Menu, verb: str, *, bracketed: bool) -> None:
        self.menu: Final = menu
        self.verb: Final = verb
        self.bracketed: Final = bracketed
        self.arguments: dict[str, Expression] = {}
        self.styles: set[str] = set()
        self.where: Where | None = None
        self._places: dict[str, int] = {}

    def place(self, name: str, position: int, value: Expression) -> None:
        self.arguments[name] = value
        self._places[name] = position

    def run(self, console: Console) -> Value:
        attributes: dict[str, str] = {}
        for name, expression in self.arguments.items():
            value = expression(console)
            if name in ("numbers", "destination", "place-before"):
                attributes[".id" if name == "numbers" else name] = self._items(console, value, self._places[name])
            else:
                attributes[name] = text_of(value)
        condition = None if self.where is None else self.where(console)
        try:
            answer = console.operate(self.menu, self.verb, attributes, condition)
        except MissingArgument as missing:
            name = "numbers" if missing.name == ".id" else missing.name
            raise CliError(f"Script Error: missing value(s) of argument(s) {name}") from None
        return self._result(console, answer)

    def _items(self, console: Console, value: Value, position: int) -> str:
        """Ids, item numbers or names -> ids and names, comma separated; empty for an empty `[find]`."""
        words = [word for one in items_of(value) for word in text_of(one).split(",") if word]
        return ",".join([self._item(console, word, position) for word in words])

    def _item(self, console: Console, word: str, position: int) -> str:
        if word.isdecimal():
            numbered = console.numbering(self.menu)
            if int(word) >= len(numbered):
                raise no_such_item("set")
            return numbered[int(word)]
        if not word.startswith("*") and not self.menu.named:
            raise console.error_at("expected item id", position)
        return word

    def _result(self, console: Console, answer: Answer) -> Value:
        if self.verb == "find":
            return answer.ret.split(";") if answer.ret else []
        if self.verb == "get" and answer.rows:
            return script_form(self.menu, answer.rows[0])
        if self.verb == "get":
            return script_value(self.menu, text_of(self.arguments["value-name"](console)), answer.ret or "")
        if self.verb == "print":
            return self._printed(console, list(answer.rows or ()), answer)
        return answer.ret

    def _printed(self, console: Console, rows: list[Row], answer: Answer) -> Value:
        console.remember_numbering(self.menu, rows)
        if "count-only" in self.styles:
            if not self.bracketed:
                console.put(len(rows))
            return len(rows)
        if answer.proplist is not None:
            rows = [{name: row[name] for name in (".id", *answer.proplist) if name in row} for row in rows]
        if "as-value" not in self.styles:
            console.write(show_print(self.menu, rows, self.styles, old=console.router.before_7))
            return None
        values = [script_form(self.menu, dict(sorted(row.items()))) for row in rows]
        value: Value = values[0] if self.menu.single and values else values
        if not self.bracketed:
            console.show_as_value(value)
        return value
