"""What a template's tree says before anything is rendered: unknown names, forbidden tags, and where secrets and addresses flow.

``prepare`` also rewrites the tree for compiling: variables get their canonical names, outputs that may show a secret or carry an
address get a guard, loops and macros a step counter.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from actions.environment import TemplateEnvironment
from actions.flow import bound_names, guard
from actions.syntax import Source, start
from actions.variables import OPTIONS, Scope
from ebs_core.domain.errors import Problem

_FORBIDDEN: dict[type[nodes.Node], str] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends", nodes.Block: "block",
    nodes.FilterBlock: "filter", nodes.CallBlock: "call", nodes.ScopedEvalContextModifier: "autoescape",
}  # fmt: skip

_INSTEAD = {
    "filter": "; apply the filter to each {{ value }}",
    "call": "; call the macro as {{ name() }}",
    "autoescape": "; every value is quoted for the NAS anyway",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a template uses: canonical variables, names of global functions, option names with their positions, and whether
    text may come out more than once (loops, macros, set blocks)."""

    variables: frozenset[str]
    globals: frozenset[str]
    repeats: bool
    options: tuple[tuple[str, int], ...]


def prepare(tree: nodes.Template, source: Source, scope: Scope, environment: TemplateEnvironment) -> tuple[Usage, list[Problem]]:
    """Find every problem; if there is none, ``tree`` has been rewritten and can be compiled."""
    local = bound_names(tree)
    problems = [
        *_forbidden(tree, source),
        *_unknown_filters(tree, source, environment),
        *_shadowed(tree, source, scope),
        *_unknown_names(tree, source, scope, local | environment.globals.keys()),
    ]
    if problems:
        return Usage(frozenset(), frozenset(), False, ()), problems
    names = [node for node in tree.find_all(nodes.Name) if node.name not in local]
    used_globals = frozenset(node.name for node in names if node.name not in scope.names)
    for node in names:
        node.name = scope.names.get(node.name, node.name)
    usage = Usage(
        variables=frozenset(node.name for node in names) - used_globals,
        globals=used_globals,
        repeats=any(tree.find(kind) for kind in (nodes.For, nodes.Macro, nodes.AssignBlock)),
        options=tuple(_options(tree)),
    )
    guard(tree)
    return usage, []


def _forbidden(tree: nodes.Template, source: Source) -> Iterator[Problem]:
    for node in tree.find_all(tuple(_FORBIDDEN)):
        tag = _FORBIDDEN[type(node)]
        yield source.problem(f"the tag '{tag}' is not available in templates of commands{_INSTEAD.get(tag, '')}", node.lineno)
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            yield source.problem("'recursive' loops are not available in templates of commands", loop.lineno)
    for block in tree.find_all(nodes.AssignBlock):
        if block.filter is not None:
            yield source.problem("a {% set %} block takes no filter; apply it to each {{ value }}", block.lineno)


def _unknown_filters(tree: nodes.Template, source: Source, environment: TemplateEnvironment) -> Iterator[Problem]:
    for kind, word, known in (
        (nodes.Filter, "filter", environment.public_filters),
        (nodes.Test, "test", environment.tests.keys()),
    ):
        for node in tree.find_all(kind):
            if node.name not in known:
                close = difflib.get_close_matches(node.name, known, n=1)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                yield source.problem(f"unknown {word} '{node.name}'{hint}", node.lineno)


def _shadowed(tree: nodes.Template, source: Source, scope: Scope) -> Iterator[Problem]:
    stored = [(node.name, node.lineno) for node in tree.find_all(nodes.Name) if node.ctx != "load"]
    for name, position in [*stored, *((macro.name, macro.lineno) for macro in tree.find_all(nodes.Macro))]:
        if name in scope.names:
            yield source.problem(f"'{name}' is a variable of EBS ({scope.names[name]}); choose another name", position)


def _unknown_names(tree: nodes.Template, source: Source, scope: Scope, known: Iterable[str]) -> Iterator[Problem]:
    known = {*known, *scope.names}
    for node in tree.find_all(nodes.Name):
        if node.name not in known:
            message = scope.why_unknown(node.name)
            if source.written_with_dollar(node.lineno):
                message += f"; write $${node.name} for a literal dollar sign"
            yield source.problem(message, node.lineno)
    for out in tree.find_all(nodes.Output):
        for child in out.nodes:
            if isinstance(child, nodes.Name) and child.name == OPTIONS:
                yield source.problem("'options' is not a value itself; write {{ options.NAME }}", child.lineno)
    for ref in tree.find_all(nodes.NSRef):
        if ref.name not in known:
            yield source.problem(f"unknown variable '{ref.name}'", ref.lineno)


def _options(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Names used as ``options.NAME`` or ``options['NAME']``."""
    called = {id(call.node) for call in tree.find_all(nodes.Call)}  # options.items()
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name == OPTIONS and id(node) not in called:
            yield node.attr, start(node)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == OPTIONS and isinstance(item.arg, nodes.Const):
            yield str(item.arg.value), start(item)
