"""Trial renderings: going into every branch of a template, whatever the values are.

The tree is rewritten so that each test asks the trial which way to go. Tests that read the same go the same way in one
trial (``{% if x %}"{% endif %}…{% if x %}"{% endif %}`` stays balanced), ``not x`` the other way. Tests on ``loop`` are left
alone, and a loop runs at least twice, so that its first and last rounds differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from jinja2 import TemplateRuntimeError, nodes, pass_context

from actions.environment import Fragment, Piece, RenderContext, output
from actions.syntax import call_filter, start
from ebs_core.domain.text import SLOT

MAX_TRIALS = 400
"""Renderings of one check. A template with more than some 200 branches is not tried out in full."""

_DECIDE, _ROUNDS, _TEXT, _SLOT = " decide", " rounds", " text", " slot"
_ROUNDS_TRIED = 3


@dataclass(slots=True)
class Trial:
    """One rendering: which way each test goes. ``decisions`` by the test's wording; what it does not say is True."""

    decisions: dict[str, bool]
    passed: dict[tuple[int, bool], str] = field(default_factory=dict)
    """Site and way taken, with the wording; in the order met."""

    def decide(self, site: int, wording: str, negated: bool) -> bool:
        """The way of the test with the number ``site``."""
        way = self.decisions.setdefault(wording, not negated) != negated
        self.passed.setdefault((site, way), wording)
        return way


def explore(run: Callable[[Trial], None]) -> None:
    """Run trials until every way of every test that can be met has been taken once."""
    waiting: list[dict[str, bool]] = [{}]
    taken: set[tuple[int, bool]] = set()
    planned: set[tuple[int, bool]] = set()
    for _ in range(MAX_TRIALS):
        if not waiting:
            return
        trial = Trial(waiting.pop(0))
        run(trial)
        taken |= trial.passed.keys()
        for (site, way), wording in trial.passed.items():
            other = (site, not way)
            if other not in taken and other not in planned:
                planned.add(other)
                waiting.append({**trial.decisions, wording: not trial.decisions[wording]})


def make_trial(tree: nodes.Template) -> None:
    """Rewrite a prepared tree so that trials decide its branches and its pieces know their positions."""
    sites = iter(range(1_000_000))
    branches: list[nodes.If | nodes.CondExpr] = [*tree.find_all(nodes.If), *tree.find_all(nodes.CondExpr)]
    for branch in branches:
        branch.test = _decided(branch.test, next(sites))  # type: ignore[arg-type]  # an If's test is an expression
    for loop in list(tree.find_all(nodes.For)):
        site = next(sites) if loop.else_ else None
        size = len(loop.target.items) if isinstance(loop.target, nodes.Tuple) else 0
        loop.iter = call_filter(loop.iter, _ROUNDS, size, site)  # type: ignore[arg-type]  # as above
        loop.test = None
    for out in list(tree.find_all(nodes.Output)):
        out.nodes = [_traced(child) for child in out.nodes]


def _traced(child: nodes.Expr) -> nodes.Expr:
    if isinstance(child, nodes.TemplateData):
        return call_filter(nodes.Const(child.data, lineno=child.lineno), _TEXT, child.lineno)
    return call_filter(child, _SLOT, start(child))


def _decided(test: nodes.Expr, site: int) -> nodes.Expr:
    if any(name.name == "loop" for name in [*test.find_all(nodes.Name), test] if isinstance(name, nodes.Name)):
        return test
    negated = False
    inner = test
    while isinstance(inner, nodes.Not):
        inner, negated = inner.node, not negated
    return call_filter(test, _DECIDE, site, repr(inner), negated)


def _trial(context: RenderContext) -> Trial:
    if not isinstance(context.trial, Trial):
        raise TemplateRuntimeError("not a trial rendering")
    return context.trial


@pass_context
def _decide(context: RenderContext, _: object, site: int, wording: str, negated: bool) -> bool:
    return _trial(context).decide(site, wording, negated)


@pass_context
def _rounds(context: RenderContext, items: Iterable[object], size: int, site: int | None) -> list[object]:
    """Two or three rounds, with made-up items if need be; or none, where the trial wants the loop's ``else``."""
    trial = _trial(context)
    if site is not None and not trial.decide(site, f"loop {site}", False):
        return []
    found = list(islice(items, _ROUNDS_TRIED)) or [("1",) * size if size else "1"]
    return found if len(found) > 1 else found * 2


@pass_context
def _text(context: RenderContext, text: str, position: int) -> Piece:
    _trial(context)
    return Piece(text, position)


@pass_context
def _slot(context: RenderContext, value: object, position: int) -> object:
    _trial(context)
    piece = output(value)
    return piece if isinstance(piece, Fragment) else Piece(SLOT, position, piece[0])  # type: ignore[index]


TRIAL_FILTERS: Mapping[str, Callable[..., Any]] = {_DECIDE: _decide, _ROUNDS: _rounds, _TEXT: _text, _SLOT: _slot}
