"""The template checker: everything wrong with a template, by line and column, before it can be saved.

After the static checks (``actions.analysis``) the template is rendered with sample values as often as it takes to go into every
branch (``actions.trials``), and each text is given to the dialects' parser. In a trial every piece remembers its position in the
template, which leads from the parser's offset back to line and column.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches

from actions.analysis import Usage, prepare
from actions.environment import Piece, RenderContext, TemplateEnvironment, bounded
from actions.filters import BadValue
from actions.program import Code, parse
from actions.syntax import Source
from actions.trials import TRIAL_FILTERS, Trial, explore, make_trial
from actions.variables import OPTIONS, SAMPLES, Scope
from ebs_core.domain.errors import Problem, SkeletonError, TemplateError
from ebs_core.domain.nas import Option, Profile
from ebs_core.domain.text import Rendered

Parse = Callable[[Profile, str, Rendered], object]
"""``Backends.parse``: profile, transport, rendering. Raises SkeletonError."""

_OPTION_SAMPLES = ("eth0", "10.0.0.1", "10", "10M", "02:00:00:00:00:02", "yes", "/tmp/x")  # noqa: S108
"""Tried as values of options without a default (or with an empty one), until one suits the filters they go through."""


class Checker:
    """Checks templates. Stateless but for its parser; thread-safe."""

    def __init__(self, parse: Parse) -> None:
        self._environment = TemplateEnvironment(TRIAL_FILTERS)
        self._parse = parse

    def check(self, profile: Profile, transport: str, scope: Scope, text: str, file: str) -> list[Problem]:
        """Every distinct problem once, in the order of the text."""
        source = Source(text, file)
        try:
            tree = parse(source, self._environment)
            usage, problems = prepare(tree, source, scope, self._environment)
            problems += _undeclared(usage, profile, source)
            if not problems:
                make_trial(tree)
                code = Code(tree, source, self._environment)
                problems = self._tried(code, source, lambda rendered: self._parse(profile, transport, rendered), usage, profile)
        except TemplateError as error:
            problems = list(error.problems)
        return sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.message))

    def _tried(
        self, code: Code, source: Source, parse: Callable[[Rendered], object], usage: Usage, profile: Profile
    ) -> list[Problem]:
        """Problems of the trial renderings; of several sets of sample options, those of the first that every filter takes."""
        first: list[Problem] | None = None
        for options in _sample_options(usage, profile):
            found: list[Problem] = []
            refused = False

            def run(trial: Trial, options: Mapping[str, str] = options, found: list[Problem] = found) -> None:
                nonlocal refused
                context = RenderContext(self._environment, {**SAMPLES, OPTIONS: options, **self._environment.globals}, trial)
                try:
                    pieces = list(bounded(code.run(context)))
                except Exception as error:
                    refused = refused or isinstance(error, BadValue)
                    found.append(code.problem(error))
                else:
                    found.extend(_parsed(pieces, source, parse))

            explore(run)
            if not refused:
                return found
            first = found if first is None else first
        return first or []


def _parsed(pieces: Iterable[object], source: Source, parse: Callable[[Rendered], object]) -> Iterator[Problem]:
    traced = [piece for piece in pieces if isinstance(piece, Piece)]
    skeleton = "".join(piece.text for piece in traced)
    try:
        parse(Rendered(skeleton, tuple(piece.value for piece in traced if piece.value is not None)))
    except SkeletonError as error:
        message = f"{error.message}; {error.remedy}" if error.remedy else error.message
        yield source.problem(message, _position(traced, error.offset))


def _position(traced: list[Piece], offset: int) -> int:
    """Where in the template the character of the skeleton at ``offset`` comes from; 0 if it has none."""
    if not traced:
        return 0
    starts = [0]
    for piece in traced[:-1]:
        starts.append(starts[-1] + len(piece.text))
    index = bisect_right(starts, offset) - 1
    piece = traced[index]
    return piece.position + min(offset - starts[index], len(piece.text)) if piece.value is None else piece.position


def _undeclared(usage: Usage, profile: Profile, source: Source) -> list[Problem]:
    problems = []
    for name, position in usage.options:
        if name not in profile.options:
            close = get_close_matches(name, profile.options, n=1)
            hint = f"did you mean 'options.{close[0]}'?" if close else f"declare it in profile.toml as [options.{name}]"
            problems.append(
                source.problem(f"unknown variable 'options.{name}': profile {profile.name} has no such option; {hint}", position)
            )
    return problems


def _sample_options(usage: Usage, profile: Profile) -> Iterator[Mapping[str, str]]:
    used = {name for name, _ in usage.options}
    open_ended = any(not option.default for name, option in profile.options.items() if name in used)
    for preferred in _OPTION_SAMPLES if open_ended else _OPTION_SAMPLES[:1]:
        yield {name: _sample(option, preferred) for name, option in profile.options.items()}


def _sample(option: Option, preferred: str) -> str:
    if option.default:
        return option.default
    return next((sample for sample in (preferred, *_OPTION_SAMPLES) if re.fullmatch(option.pattern, sample)), preferred)
