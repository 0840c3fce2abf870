"""Rendering and emitting: from a subscriber's values to what goes on the wire, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jinja2 import Environment, meta

from actions.filters import FILTERS
from actions.variables import SCOPES
from ebs_core.domain.commands import Command
from ebs_core.domain.nas import Profile
from nas_backends.dialects.routeros_sentence import Sentence, sentence
from nas_backends.dialects.routeros_statement import RouterosStatement
from tests.bench.figures import medians, report, seconds
from tests.bench.subscribers import ACTIONS, SUBSCRIBERS, backends, profile, renderer, values

TARGET = 20_000
ROUNDS = 7
_NAMES = SCOPES["subaccount"].names

Emit = Callable[[Command], object]
Values = Mapping[str, object]


def run() -> None:
    _measure("rendering: mikrotik, API sentences", profile("mikrotik"), "routeros_api", _sentences())
    _measure("rendering: mikrotik, command line", profile("mikrotik"), "ssh", _text)
    _measure("rendering: linux, command line", profile("linux"), "ssh", _text)


def _measure(name: str, kind: Profile, transport: str, emit: Emit) -> None:
    """Beside Jinja alone, which pastes values into the same templates and quotes nothing."""
    people = [values(number, kind) for number in range(1, SUBSCRIBERS + 1)]

    def ours() -> int:
        templates, count = renderer().templates(kind, {}), 0
        for person in people:
            for action in ACTIONS:
                for command in backends.parse(kind, transport, templates.render(action, person)):
                    emit(command)
                    count += 1
        return count

    commands, jinja = ours(), _jinja_alone(kind, people)
    took = medians(ROUNDS, {"ours": lambda: seconds(ours), "jinja_alone": lambda: seconds(jinja)})
    slower = took["ours"] / took["jinja_alone"]
    report(name, commands / took["ours"], "per second", "higher", TARGET, commands=commands, times_jinja_alone=slower, **took)


def _text(command: Command) -> str:
    return command.statement.emit(command.values)


def _sentences() -> Emit:
    """As a session does it: each statement is made a sentence once."""
    known: dict[RouterosStatement, Sentence] = {}

    def emit(command: Command) -> bytes:
        statement = command.statement
        assert isinstance(statement, RouterosStatement)
        if statement not in known:
            known[statement] = sentence(statement)
        return known[statement].encode(command.values)

    return emit


def _jinja_alone(kind: Profile, people: Sequence[Values]) -> Callable[[], None]:
    environment = Environment(autoescape=False, trim_blocks=True)
    environment.filters.update(FILTERS)
    sources = [kind.templates[action] for action in ACTIONS]
    templates = [environment.from_string(source) for source in sources]
    names = set().union(*(meta.find_undeclared_variables(environment.parse(source)) for source in sources))
    bare = [{name: person[_NAMES[name]] for name in names} for person in people]

    def render() -> None:
        for person in bare:
            for template in templates:
                template.render(person)

    return render
