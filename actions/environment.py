"""The sandbox templates run in. A rendering yields pieces, never one string:

    str        the template's own text
    (value,)   what stands in a slot: a one-tuple, so that it cannot be taken for text
    Fragment   pieces that a macro or a ``{% set %}`` block collected

There is no marker inside text that a filter could cut or a value could forge: text and values are objects of different types from
the compiled template up to ``Rendered``. Jinja provides for this; its own NativeEnvironment replaces the same two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from actions.filters import FILTERS, REMOVED
from actions.syntax import DollarEnvironment
from ebs_core.domain.errors import UnquotableValue, UnsafeAddress
from ebs_core.domain.text import SLOT, Secret

MAX_STEPS = 10_000
"""Loop rounds and macro calls of one rendering."""
MAX_VALUES = 10_000
MAX_PIECES = 2 * MAX_VALUES
MAX_TEXT = 1 << 20
"""Characters of one skeleton, and of one value computed with ``*``."""

# Filters of the compiler's own. Their names have a blank, so that no template can write them as one of its filters.
STEP, SECRET, ADDRESS = " step", " secret", " address"

_MEANS_EVERYBODY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104


_ALONE = "what a macro or a {% set %} block made can only be output alone: no filter, no ~, no test on its text"


class Fragment:
    """What a macro or ``{% set %}`` block made: text with slots. It can be output and tested, and nothing else."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[object]) -> None:
        flat: list[object] = []
        for piece in pieces:
            if isinstance(piece, Fragment):
                flat += piece.pieces()
            else:
                flat.append(piece)
            if len(flat) > MAX_PIECES:
                raise TemplateRuntimeError(f"more than {MAX_PIECES:,} pieces of text and values")
        self._pieces: tuple[object, ...] = tuple(flat)

    def __iter__(self) -> Iterator[object]:
        raise TemplateRuntimeError(_ALONE)

    def pieces(self) -> tuple[object, ...]:
        """Text and values in order, no fragments."""
        return self._pieces

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        raise TemplateRuntimeError(_ALONE)

    def __eq__(self, other: object) -> bool:
        return bool(str(self))

    __hash__ = None  # type: ignore[assignment]


class Piece:
    """A piece of a trial rendering that remembers its position in the template (see ``actions.checker``)."""

    __slots__ = ("position", "text", "value")

    def __init__(self, text: str, position: int, value: str | None = None) -> None:
        self.text = text
        self.position = position
        self.value = value


class RenderContext(Context):
    """The variables of one rendering, and its bounds. Built directly, because Jinja's own takes longer than the rendering."""

    def __init__(self, environment: TemplateEnvironment, values: Mapping[str, object], trial: Any = None) -> None:
        self.environment = environment
        self.parent = values  # type: ignore[assignment]  # read only
        self.vars = {}
        self.exported_vars = set()
        self.eval_ctx = environment.eval_context
        self.name = None
        self.blocks = {}
        self.globals_keys = set()
        self.steps = MAX_STEPS
        self.trial = trial


class PieceGenerator(CodeGenerator):
    """Compiles so that the template's text stays text and every ``{{ … }}``, constants too, goes through ``output``."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return node.data

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write("environment.output(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write(")")


def text_of(value: object) -> str:
    """A value's exact characters, written as the original wrote them. Raises TemplateRuntimeError for what has none.

    None is empty, a truth value is ``True`` or ``False``, a moment is ISO 8601 in UTC.
    """
    if isinstance(value, str):
        return value if isinstance(value, Secret) else str.__str__(value)
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, Undefined):
        return str(value)  # raises and says which; only an inline "if" without "else" is empty, as everywhere in Jinja
    if isinstance(value, Mapping):
        raise TemplateRuntimeError("a mapping cannot be put into a command; write options.NAME for one of its values")
    raise TemplateRuntimeError(f"a {type(value).__name__} cannot be put into a command; only text and numbers can")


def output(value: object) -> object:
    """The piece for the value of a ``{{ … }}``. Raises TemplateRuntimeError, UnquotableValue (NUL)."""
    if value.__class__ is not str:
        if value.__class__ is Fragment or value.__class__ is Piece:
            return value
        value = text_of(value)
    if SLOT in value:
        raise UnquotableValue("a value contains the NUL character", remedy="remove it from the record; no NAS can be given it")
    return (value,)


@pass_context
def _step(context: RenderContext, _: object) -> None:
    """One round of a loop or one call of a macro."""
    context.steps -= 1
    if context.steps < 0:
        raise TemplateRuntimeError(f"more than {MAX_STEPS:,} loop rounds and macro calls")


def _secret(value: object) -> object:
    """Marks what was computed from a secret."""
    return value if isinstance(value, Fragment) else Secret(text_of(value))


def _address(value: object, name: str) -> object:
    """Refuses an address that is missing or means everybody, before it can reach a command."""
    if value is None or isinstance(value, (str, Undefined)):
        bare, _, prefix = str(value or "").strip().partition("/")
        if bare in _MEANS_EVERYBODY or (prefix.isdecimal() and int(prefix) == 0):
            state = f"is {value!r}" if value else "is empty"
            raise UnsafeAddress(
                f"refused before rendering: {name} {state}",
                remedy=f"give the subscriber an address, or use it only inside {{% if {name} %}}",
            )
    return value


def bounded(pieces: Iterable[object]) -> Iterator[object]:
    """The pieces of a rendering without fragments. Raises TemplateRuntimeError when they become too many or too long."""
    length = values = 0
    for outer in pieces:
        for piece in outer.pieces() if isinstance(outer, Fragment) else (outer,):
            length += len(piece) if isinstance(piece, str) else 1
            values += not isinstance(piece, str)
            if values > MAX_VALUES:
                raise TemplateRuntimeError(f"more than {MAX_VALUES:,} values in one rendering")
            if length > MAX_TEXT:
                raise TemplateRuntimeError(f"more than {MAX_TEXT:,} characters in one rendering")
            yield piece


class TemplateEnvironment(DollarEnvironment, ImmutableSandboxedEnvironment):
    """Jinja without loaders and extensions, strict about unknown names, with our filters and few global functions."""

    code_generator_class = PieceGenerator
    concat = Fragment  # type: ignore[assignment]
    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, internal_filters: Mapping[str, Callable[..., Any]] = MappingProxyType({})) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        self.globals = {name: self.globals[name] for name in ("range", "namespace", "dict", "cycler", "joiner")}
        self.public_filters = frozenset(self.filters) - REMOVED | FILTERS.keys()
        internal: dict[str, Callable[..., Any]] = {STEP: _step, SECRET: _secret, ADDRESS: _address, **internal_filters}
        self.filters = {name: call for name, call in self.filters.items() if name not in REMOVED} | FILTERS | internal
        self.eval_context = EvalContext(self)
        self.output = output

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """``*`` and ``**`` with a bound, so that a slip does not fill the memory."""
        for one, other in ((left, right), (right, left)):
            if operator == "*" and isinstance(other, int) and hasattr(one, "__len__") and len(one) * other > MAX_TEXT:
                raise TemplateRuntimeError(f"'*' would make more than {MAX_TEXT:,} characters")
        if operator == "**" and abs(right) > 64:
            raise TemplateRuntimeError("'**' takes powers up to 64")
        return super().call_binop(context, operator, left, right)
