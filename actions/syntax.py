"""From template text to Jinja's tree: the original's ``$name`` notation, and places counted in characters.

Jinja's lexer numbers lines. Ours numbers characters: every token, and so every node, syntax error and entry of the compiled
code's debug table, carries in its ``lineno`` the position of its first character in the source, counted from 1. ``Source`` turns
that into line and column in one place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TypeVar

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream

from ebs_core.domain.errors import Problem, TemplateError
from ebs_core.domain.text import SLOT

MAX_SOURCE = 65_536
"""Characters of one template."""

NodeT = TypeVar("NodeT", bound=nodes.Node)

_NEWLINE = re.compile(r"\r\n|\r|\n")
_DOLLAR = re.compile(r"\$(?:(?P<escaped>\$)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<bad>\{))")
_KEYWORDS = frozenset("true false none True False None not if else and or in is".split())


class Source:
    """A template's text with its line ends made ``\\n``, and the way from a position in it to line and column."""

    def __init__(self, text: str, file: str = "") -> None:
        self.text = _NEWLINE.sub("\n", text)
        self.file = file
        self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def problem(self, message: str, position: int) -> Problem:
        """``position`` counts characters from 1, as the nodes of the tree do; 0 means the whole file."""
        if position < 1:
            return Problem(message, file=self.file)
        offset = min(position - 1, len(self.text))
        line = bisect_right(self._starts, offset)
        return Problem(message, line, offset - self._starts[line - 1] + 1, self.file)

    def error(self, message: str, position: int) -> TemplateError:
        return TemplateError("the template cannot be used", [self.problem(message, position)])

    def refuse_unfit(self) -> None:
        """Raises TemplateError for text that is too long or holds the character that stands for a value."""
        if SLOT in self.text:
            raise self.error("a template cannot contain the NUL character", self.text.index(SLOT) + 1)
        if len(self.text) > MAX_SOURCE:
            raise self.error(f"the template has {len(self.text):,} characters; at most {MAX_SOURCE:,} are allowed", 0)

    def written_with_dollar(self, position: int) -> bool:
        """Whether the name at ``position`` stands there as ``$name``."""
        return self.text[position - 1 : position] == "$"


class DollarEnvironment(Environment):
    """Reads ``$name`` and ``${name}`` in template text as ``{{ name }}``, and ``$$`` as a dollar sign.

    A dollar sign before anything else is itself (``$(``, ``$1``, ``$?``), and so is every one in ``{% raw %}``.
    The longest name is taken: ``$subacc_vlan`` is never ``$sub``.
    """

    def _tokenize(self, source: str, name: str | None, filename: str | None = None, state: str | None = None) -> TokenStream:
        return TokenStream(self.lexer.wrap(self._tokens(source), name, filename), name, filename)

    def _tokens(self, source: str) -> Iterator[tuple[int, str, str]]:
        """Tokens as Jinja's lexer gives them, but numbered by their first character; ``source`` has ``\\n`` line ends only."""
        offset = 0
        raw = False
        stream = self.lexer.tokeniter(source, None)
        while True:
            try:
                _, kind, value = next(stream)
            except StopIteration:
                return
            except TemplateSyntaxError as error:
                rest = source[offset:]
                raise TemplateSyntaxError(error.message or "", offset + len(rest) - len(rest.lstrip()) + 1) from None
            # What the lexer drops (lstrip_blocks, "-%}") is blank and lies before a tag, never before text.
            offset = source.index(value, offset)
            raw = kind == "raw_begin" or (raw and kind != "raw_end")
            if kind == "data" and not raw:
                yield from _split(value, offset + 1)
            else:
                yield offset + 1, kind, value
            offset += len(value)


def _split(text: str, position: int) -> Iterator[tuple[int, str, str]]:
    """Text at ``position`` as data and variable tokens."""
    end = 0
    for match in _DOLLAR.finditer(text):
        if match.start() > end:
            yield position + end, "data", text[end : match.start()]
        end = match.end()
        at = position + match.start()
        if match["escaped"]:
            yield at, "data", "$"
            continue
        name = match["name"] or match["braced"]
        if not name:
            raise TemplateSyntaxError("'${' needs a name and '}' after it; write $${ for a literal dollar sign and brace", at)
        if name in _KEYWORDS:
            raise TemplateSyntaxError(f"unknown variable '{name}'; write $${name} for a literal dollar sign", at)
        yield from ((at, "variable_begin", "{{"), (at, "name", name), (at, "variable_end", "}}"))
    if end < len(text):
        yield position + end, "data", text[end:]


def call_filter(node: nodes.Expr, name: str, *arguments: object) -> nodes.Filter:
    """``node | name(arguments)``, standing where ``node`` begins."""
    constants: list[nodes.Expr] = [nodes.Const(argument) for argument in arguments]
    return nodes.Filter(node, name, constants, [], None, None, lineno=start(node))


def start(node: nodes.Node) -> int:
    """Position of the first character of an expression."""
    return min((inner.lineno for inner in walk(node, nodes.Node) if inner.lineno), default=node.lineno or 0)


def walk(node: nodes.Node, kind: type[NodeT]) -> Iterator[NodeT]:
    """``node`` itself and everything in it, in the order of the source."""
    if isinstance(node, kind):
        yield node
    yield from node.find_all(kind)
