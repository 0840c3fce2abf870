"""Statements of the console: paths, menu commands and the `:` commands of the script language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nas_simulator.catalogue import DIRECTORIES, MENUS
from nas_simulator.cli_expressions import Expression, ExpressionReader
from nas_simulator.cli_menu import PRINT_STYLES, MenuCommand
from nas_simulator.cli_values import Value, type_of
from nas_simulator.schema import Menu

if TYPE_CHECKING:
    from nas_simulator.cli_console import Console

Step = Callable[["Console"], Value]
_CLI_VERBS: Final = frozenset(
    {"add", "set", "remove", "enable", "disable", "print", "find", "get", "comment", "move", "make-static"}
)
_POSITIONAL: Final = {"get": ("numbers", "value-name"), "move": ("numbers", "destination"), "add": ()}
_EXTRA: Final = {"move": ("numbers", "destination"), "get": ("numbers", "value-name"), "add": ("place-before",)}


@dataclass
class Nesting:
    """Where the parser is: the current path, and whether it reads inside `[ … ]`."""

    path: str
    bracketed: bool = False


class Parser(ExpressionReader):
    """Parses a script one line at a time, so that earlier lines are executed before a later one is found wrong."""

    def __init__(self, text: str, path: str = "", *, old_print: bool = False) -> None:
        super().__init__(text)
        self._nesting = Nesting(path)
        self._old_print: Final = old_print

    @property
    def path(self) -> str:
        return self._nesting.path

    def line(self) -> list[Step] | None:
        """The statements of the next line (blocks may reach over several lines); None at the end."""
        steps: list[Step] = []
        if self.position >= len(self.text):
            return None
        while True:
            self._statement_into(steps)
            if not self.peek() or self.accept("\n"):
                return steps
            if not self.accept(";"):
                raise self.error("syntax error")

    def _statement_into(self, steps: list[Step]) -> None:
        self.blanks()
        if self.peek() == "#":
            end = self.text.find("\n", self.position)
            self.position = len(self.text) if end < 0 else end
        if not self.at_end():
            steps.append(self._statement())
            self.expect_end()

    def _block(self, close: str, *, bracketed: bool) -> Step:
        outer, self._nesting = self._nesting, Nesting(self._nesting.path, bracketed)
        steps: list[Step] = []
        while not self.accept(close):
            self._statement_into(steps)
            if self.peek() != close and not (self.accept(";") or self.accept("\n")):
                raise self.error("syntax error")
        self._nesting = outer
        return lambda console: console.run_steps(steps)

    def bracketed(self) -> Expression:
        self.expect("[")
        return self._block("]", bracketed=True)

    def _braces(self) -> Step:
        self.blanks()
        self.expect("{")
        inner = self._block("}", bracketed=False)
        return lambda console: console.scoped(inner)

    # -- statements

    def _statement(self) -> Step:
        if self.peek() == "{":
            return self._braces()
        if self.accept("$"):
            return self._call()
        start = self.position
        colon = self.accept(":")
        name = self.next_word()
        if colon or (name in _GLOBALS and f"{self.path}/{name}" not in DIRECTORIES and not self._is_verb_here(name)):
            if name not in _GLOBALS:
                raise self.error(f"bad command name {name}" if name else "syntax error")
            self.position += len(name)
            self.blanks()
            return _GLOBALS[name](self)
        return self._menu_statement(start)

    def _is_verb_here(self, name: str) -> bool:
        menu = MENUS.get(self.path)
        return menu is not None and name in _CLI_VERBS and menu.allows(name)

    def _menu_statement(self, start: int) -> Step:
        """A path, and the command at its end if there is one; a bare path becomes the current one."""
        path = "" if self.accept("/") else self.path
        while True:
            self.blanks()
            if self.at_end():
                self._nesting.path = path
                return lambda console: None
            at = self.position
            if self.accept(".."):
                path = path.rpartition("/")[0]
                self.accept("/")
                continue
            word = self.word()
            if not word:
                raise self.error("syntax error" if at > start else f"bad command name {self.peek()}")
            if f"{path}/{word}" in DIRECTORIES:
                path = f"{path}/{word}"
                self.accept("/")
                continue
            menu = MENUS.get(path)
            if word == "quit" and not path:
                return lambda console: console.quit()
            if menu is None or word not in _CLI_VERBS or not menu.allows(word):
                raise self.error(f"bad command name {word}", at)
            return self._menu_command(menu, word)

    def _menu_command(self, menu: Menu, verb: str) -> Step:
        command = MenuCommand(menu, verb, bracketed=self._nesting.bracketed)
        outer, self._nesting = self._nesting, Nesting(menu.path)  # `[find]` among the arguments looks in this menu
        if verb == "print":
            self._print_arguments(command)
        elif verb == "find":
            self._where_argument(command)
        else:
            self._arguments(command)
        self._nesting = outer
        return command.run

    def _where_argument(self, command: MenuCommand) -> None:
        self.blanks()
        if self.next_word() == "where":
            self.word()
            self.blanks()
        if not self.at_end():
            command.where = self.where(command.menu)

    def _print_arguments(self, command: MenuCommand) -> None:
        while True:
            self.blanks()
            word = self.next_word()
            if self.at_end() or word == "where":
                self._where_argument(command)
                return
            if word in PRINT_STYLES:
                self.word()
                command.styles.add(word)
            elif word in ("from", "proplist") and not (word == "proplist" and self._old_print):
                self.word()
                self.expect("=")
                self.blanks()
                command.place("numbers" if word == "from" else word, self.position, self.value())
            else:
                raise self.error("expected end of command")

    def _arguments(self, command: MenuCommand) -> None:
        """`name=value` in any order; words without a name fill the places of the verb."""
        places = list(_POSITIONAL.get(command.verb, ("numbers",)))
        if command.menu.single:
            places = [place for place in places if place != "numbers"]
        while True:
            self.blanks()
            if self.at_end():
                return
            at = self.position
            name = self.word() if self.peek() not in '"[($' else ""
            if name and self.accept("="):
                if not self._takes(command, name):
                    raise self.error("expected end of command", at)
                self.blanks()
                command.place(name, self.position, self.value())
                continue
            self.position = at
            if not places or command.arguments.keys() & command.menu.by_name.keys():
                raise self.error("expected end of command")
            command.place(places.pop(0), at, self.value())

    @staticmethod
    def _takes(command: MenuCommand, name: str) -> bool:
        verb, menu = command.verb, command.menu
        if name == "place-before" and not menu.ordered:
            return False
        if name in _EXTRA.get(verb, ("numbers",)):
            return not menu.single
        return (verb in ("add", "set") and name in menu.settable) or (verb == "comment" and name == "comment")

    # -- the script language

    def _argument(self) -> Expression:
        self.blanks()
        if self.at_end():
            raise self.error("syntax error")
        return self.value()

    def _named_block(self, name: str) -> Step:
        self.blanks()
        if self.next_word() != name:
            raise self.error("syntax error")
        self.word()
        self.expect("=")
        return self._braces()

    def _has_named(self, name: str) -> bool:
        self.blanks()
        return self.text.startswith(f"{name}=", self.position)

    def put(self) -> Step:
        value = self._argument()
        return lambda console: console.put(value(console))

    def computed(self, compute: Callable[[Console, Value], Value]) -> Step:
        value = self._argument()
        return lambda console: compute(console, value(console))

    def define(self, kind: str) -> Step:
        name = self.word()
        if not name:
            raise self.error("syntax error")
        self.blanks()
        value = None if self.at_end() else self.value()
        return lambda console: console.define(kind, name, None if value is None else value(console))

    def if_(self) -> Step:
        condition = self._argument()
        then = self._named_block("do")
        other = self._named_block("else") if self._has_named("else") else None
        return lambda console: console.choose(condition(console), then, other)

    def foreach(self) -> Step:
        name = self.word()
        self.blanks()
        if not name or not self.accept("in="):
            raise self.error("syntax error")
        values = self.value()
        body = self._named_block("do")
        return lambda console: console.foreach(name, values(console), body)

    def _call(self) -> Step:
        """`$name` as a command: the function that `:parse` made."""
        name = self.variable()
        return lambda console: console.call(console.variable(name))

    def do(self) -> Step:
        body = self._braces()
        rescue = self._named_block("on-error") if self._has_named("on-error") else None
        return lambda console: console.attempt(body, rescue)


_GLOBALS: Final[dict[str, Callable[[Parser], Step]]] = {
    "put": Parser.put,
    "if": Parser.if_,
    "foreach": Parser.foreach,
    "do": Parser.do,
    "local": lambda parser: parser.define("local"),
    "global": lambda parser: parser.define("global"),
    "set": lambda parser: parser.define("set"),
    "len": lambda parser: parser.computed(lambda console, value: console.length(value)),
    "tostr": lambda parser: parser.computed(lambda console, value: console.text(value)),
    "typeof": lambda parser: parser.computed(lambda console, value: type_of(value)),
    "parse": lambda parser: parser.computed(lambda console, value: console.parse(value)),
    "tonum": lambda parser: parser.computed(lambda console, value: console.number(value)),
    "error": lambda parser: parser.computed(lambda console, value: console.fail(value)),
    "delay": lambda parser: parser.computed(lambda console, value: console.delay(value)),
}
