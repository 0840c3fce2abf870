"""Where secrets and addresses flow in a template, and the guards around the outputs they reach.

A value computed from a secret is a secret: through ``{% set %}``, filters, loops, macro arguments, tests. The analysis is blind
to order and branches, so it errs towards masking too much. An address must not reach a command while it is empty or means
everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from actions.environment import ADDRESS, SECRET, STEP
from actions.syntax import call_filter, walk
from actions.variables import ADDRESSES, SECRETS

_ANSWERS = frozenset({"yesno", "length", "count"})
"""Filters whose result tells something about an address and is none."""
_NEUTRAL_FILTERS = _ANSWERS | {"default", "d"}
"""Filters that take care of an empty address themselves."""


def bound_names(tree: nodes.Template) -> frozenset[str]:
    """Names the template makes itself. Jinja's scopes are finer, but a name that is ours somewhere is never EBS's elsewhere."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names |= {node.name for node in tree.find_all(nodes.Macro)}
    if tree.find(nodes.Macro):
        names |= {"varargs", "kwargs"}
    if tree.find(nodes.For):
        names.add("loop")
    return frozenset(names)


def guard(tree: nodes.Template) -> None:
    """Rewrite a tree with canonical names: guards around what may be secret or carries an address, counters in what repeats."""
    flow = _Flow(tree)
    addresses = _AddressGuard(flow)
    for out in list(tree.find_all(nodes.Output)):
        out.nodes = [child if isinstance(child, nodes.TemplateData) else _guarded(child, flow, addresses) for child in out.nodes]
    repeating: list[nodes.For | nodes.Macro] = [*tree.find_all(nodes.For), *tree.find_all(nodes.Macro)]
    for repeated in repeating:
        repeated.body.insert(0, nodes.ExprStmt(call_filter(nodes.Const(None), STEP), lineno=repeated.lineno))


def _guarded(child: nodes.Expr, flow: _Flow, guard: _AddressGuard) -> nodes.Expr:
    secret = bool(flow.mentions(child) & SECRETS)
    addresses = sorted(flow.carries(child) & ADDRESSES)
    if addresses:
        child = call_filter(guard.visit(child), ADDRESS, " or ".join(addresses))
    return call_filter(child, SECRET) if secret else child


class _Flow:
    """Which variables a name the template makes may have come from. Blind to order and branches, so it errs towards too many."""

    def __init__(self, tree: nodes.Template) -> None:
        self._carried: dict[str, frozenset[str]] = {}
        self._mentioned: dict[str, frozenset[str]] = {}
        flows = [(names, value) for target, value in _assignments(tree) if (names := _targets(target))]
        grew = True
        while grew:
            grew = False
            for names, value in flows:
                carried, mentioned = self.carries(value), self.mentions(value)
                for name in names:
                    grew |= self._add(self._carried, name, carried)
                    grew |= self._add(self._mentioned, name, mentioned)

    @staticmethod
    def _add(table: dict[str, frozenset[str]], name: str, more: frozenset[str]) -> bool:
        old = table.get(name, frozenset())
        table[name] = old | more
        return table[name] != old

    def mentions(self, node: nodes.Node) -> frozenset[str]:
        """Every variable that had a part in the value, also by a test on it."""
        names = {name.name for name in walk(node, nodes.Name)}
        return frozenset(names).union(*(self._mentioned.get(name, ()) for name in names))

    def carries(self, node: nodes.Node) -> frozenset[str]:
        """Every variable whose text may be in the value."""
        if isinstance(node, nodes.Name):
            return self._carried.get(node.name, frozenset()) | {node.name}
        return frozenset().union(*(self.carries(part) for part in _carrying_parts(node)))


def _carrying_parts(node: nodes.Node) -> Iterable[nodes.Node]:
    if isinstance(node, (nodes.Compare, nodes.Test, nodes.Not)) or (isinstance(node, nodes.Filter) and node.name in _ANSWERS):
        return ()
    if isinstance(node, nodes.CondExpr):
        return [part for part in (node.expr1, node.expr2) if part is not None]
    return node.iter_child_nodes()


def _targets(target: nodes.Node | str) -> frozenset[str]:
    if isinstance(target, str):
        return frozenset({target})
    return frozenset(node.name for node in walk(target, nodes.Name)) | {node.name for node in walk(target, nodes.NSRef)}


def _assignments(tree: nodes.Template) -> Iterator[tuple[nodes.Node | str, nodes.Node]]:
    """Every way a name of the template gets a value: target and value."""
    for assign in tree.find_all(nodes.Assign):
        yield assign.target, assign.node
    for loop in tree.find_all(nodes.For):
        yield loop.target, loop.iter
        yield "loop", loop.iter  # loop.nextitem and its like
    for block in tree.find_all(nodes.With):
        yield from zip(block.targets, block.values, strict=True)
    macros = list(tree.find_all(nodes.Macro))
    for macro in macros:
        yield from zip(macro.args[len(macro.args) - len(macro.defaults) :], macro.defaults, strict=True)
    local = bound_names(tree)
    stored = frozenset(node.name for node in tree.find_all(nodes.Name) if node.ctx != "load")
    for call in tree.find_all(nodes.Call) if macros else ():
        names = {node.name for node in walk(call.node, nodes.Name)}
        if isinstance(call.node, nodes.Name) and call.node.name not in stored:
            for macro in macros:
                if macro.name == call.node.name:
                    yield from _arguments(call, macro)
        elif names & local:  # may be any macro under another name
            for macro in macros:
                yield from _every_argument(call, macro)


def _arguments(call: nodes.Call, macro: nodes.Macro) -> Iterator[tuple[nodes.Node | str, nodes.Node]]:
    """Parameters of a macro and what this call of it gives them."""
    if call.dyn_args is not None or call.dyn_kwargs is not None:
        yield from _every_argument(call, macro)
        return
    for place, value in enumerate(call.args):
        yield macro.args[place] if place < len(macro.args) else "varargs", value
    by_name = {argument.name: argument for argument in macro.args}
    for keyword in call.kwargs:
        yield by_name.get(keyword.key, "kwargs"), keyword.value


def _every_argument(call: nodes.Call, macro: nodes.Macro) -> Iterator[tuple[nodes.Node | str, nodes.Node]]:
    """Every parameter with everything the call gives, where it cannot be told which gets what."""
    targets: list[nodes.Node | str] = [*macro.args, "varargs", "kwargs"]
    for target in targets:
        for value in call.iter_child_nodes(exclude=("node",)):
            yield target, value


class _AddressGuard(NodeTransformer):
    """Guards every address inside an output, so that ``"src=" ~ ipn_ip_address`` is refused too when it is empty.

    Where the template asks first (a comparison, ``or``, ``default``, the test of an ``if``) it has taken care itself.
    """

    def __init__(self, flow: _Flow) -> None:
        self._flow = flow

    def visit_Name(self, node: nodes.Name) -> nodes.Expr:
        addresses = sorted(self._flow.carries(node) & ADDRESSES)
        return call_filter(node, ADDRESS, " or ".join(addresses)) if addresses else node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Expr:
        node.expr1 = self.visit(node.expr1)
        node.expr2 = self.visit(node.expr2) if node.expr2 is not None else None
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:
        """A macro's arguments are guarded where the macro outputs them: it may ask first."""
        if not isinstance(node.node, nodes.Name):
            self.generic_visit(node)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Expr:
        if node.name in _NEUTRAL_FILTERS:
            return node
        return self.generic_visit(node)  # type: ignore[return-value]

    def _asked(self, node: nodes.Expr) -> nodes.Expr:
        return node

    visit_Compare = visit_Test = visit_Not = visit_Or = visit_And = _asked
