"""A compiled template: from source to a function of values, once; from values to ``Rendered``, fast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.environment import Template

from actions.analysis import prepare
from actions.environment import RenderContext, TemplateEnvironment, bounded
from actions.filters import BadValue
from actions.syntax import Source
from actions.variables import OPTIONS, SECRETS, Scope
from ebs_core.domain.errors import EbsError, Problem, TemplateError, UnquotableValue, UnsafeAddress
from ebs_core.domain.text import SLOT, Rendered

_CODE = "<template>"
"""File name of compiled templates in tracebacks."""


def parse(source: Source, environment: TemplateEnvironment) -> nodes.Template:
    """Raises TemplateError."""
    source.refuse_unfit()
    try:
        return environment._parse(source.text, None, None)
    except TemplateSyntaxError as error:
        raise source.error(error.message or "syntax error", error.lineno) from None
    except RecursionError:
        raise source.error("the template is nested too deeply", 0) from None


class Code:
    """A tree made executable."""

    def __init__(self, tree: nodes.Template, source: Source, environment: TemplateEnvironment) -> None:
        """Raises TemplateError for what only the compiler notices."""
        self._source = source
        try:
            compiled = environment.compile(tree, filename=_CODE)
        except TemplateSyntaxError as error:
            raise source.error(error.message or "syntax error", error.lineno) from None
        except (SyntaxError, RecursionError):
            raise source.error("the template is nested too deeply", 0) from None
        self._template = Template.from_code(environment, compiled, {})
        self.run = self._template.root_render_func

    def position(self, traceback: TracebackType | None) -> int:
        """The position in the template at which an exception came up; 0 if it came from elsewhere."""
        found = 0
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == _CODE:
                found = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return found

    def problem(self, error: Exception) -> Problem:
        """What went wrong at run time, in the template's terms."""
        if isinstance(error, RecursionError):
            message = "macros call each other too deeply"
        elif isinstance(error, EbsError):
            message = error.message
        else:
            message = str(error) or type(error).__name__
        return self._source.problem(message, self.position(error.__traceback__))


class Program:
    """A template of one scope, ready to render. Immutable; serves all threads."""

    def __init__(self, text: str, scope: Scope, environment: TemplateEnvironment) -> None:
        """Raises TemplateError with every problem; their ``file`` is empty."""
        source = Source(text)
        tree = parse(source, environment)
        self.usage, problems = prepare(tree, source, scope, environment)
        if problems:
            raise TemplateError("the template cannot be used", sorted(problems, key=lambda each: (each.line, each.column)))
        self._environment = environment
        self._code = Code(tree, source, environment)
        self._run = self._code.run
        self._variables = self.usage.variables
        self._globals = {name: environment.globals[name] for name in self.usage.globals}
        self._repeats = self.usage.repeats
        self._secret = not SECRETS.isdisjoint(self.usage.variables)

    def render(self, values: Mapping[str, object], file: str, defaults: Mapping[str, str]) -> Rendered:
        """``values`` by canonical name, more than needed if that is convenient; ``defaults`` of the profile's options;
        ``file`` for messages. Raises TemplateError, UnquotableValue."""
        if not self._variables <= values.keys():
            missing = ", ".join(sorted(self._variables - values.keys()))
            raise TemplateError("the template cannot be rendered", [Problem(f"no value was given for {missing}", file=file)])
        if defaults and OPTIONS in self._variables:
            values = {**values, OPTIONS: {**defaults, **values[OPTIONS]}}  # type: ignore[dict-item]
        if self._globals:
            values = {**values, **self._globals}
        pieces: Iterable[Any] = self._run(RenderContext(self._environment, values))
        if self._repeats:
            pieces = bounded(pieces)
        skeleton: list[str] = []
        slots: list[str] = []
        try:
            for piece in pieces:
                if piece.__class__ is str:
                    skeleton.append(piece)
                else:
                    skeleton.append(SLOT)
                    slots.append(piece[0])
        except Exception as error:
            raise self._translated(error, values, file) from (None if self._secret else error)
        return Rendered("".join(skeleton), tuple(slots))

    def _translated(self, error: Exception, values: Mapping[str, object], file: str) -> EbsError:
        """In the terms of the template's author. A foreign message may quote values: it is dropped where a secret is in play."""
        problem = replace(self._code.problem(error), file=file)
        if self._secret and isinstance(error, BadValue):
            problem = replace(problem, message=error.discreet)
        elif self._secret and not isinstance(error, EbsError):
            problem = replace(problem, message=f"{type(error).__name__} (no details: the template uses a password)")
        if not isinstance(error, UnquotableValue):
            return TemplateError("the template cannot be rendered", [problem])
        guilty = [name for name in sorted(self._variables) if SLOT in str(values[name])]
        about = f" ({', '.join(guilty)})" if guilty else ""
        kind = UnsafeAddress if isinstance(error, UnsafeAddress) else UnquotableValue
        return kind(f"{problem}{about}", remedy=error.remedy)
