"""Framed scripts over SSH exec of the simulated router."""

from __future__ import annotations

from ebs_core.domain.commands import Outcome, Reply
from nas_backends.contract import Line
from nas_backends.dialects.routeros_batch import RouterosBatcher
from nas_simulator import SimulatedNas
from tests.integration.routeros.conftest import Run, commands
from tests.integration.routeros.test_api_session import HOSTILE, LIST


def settle(run: Run, jobs: dict[int, tuple[str, tuple[str, ...]]], limit: int = 32_000) -> dict[int, list[Reply]]:
    """All jobs (skeleton and values by subject) to the end; replies per subject."""
    batcher = RouterosBatcher(limit=limit)
    lines = [
        Line(0, subject, command)
        for subject, (text, values) in jobs.items()
        for command in commands(text, *values, transport="ssh")
    ]
    lines = [Line(index, line.subject, line.command) for index, line in enumerate(lines)]
    replies: dict[int, Reply] = {}
    left = lines
    while left:
        done, again = batcher.read(left, run(batcher.request(left)))
        assert done
        replies |= done
        left = list(again)
    return {subject: [replies[line.index] for line in lines if line.subject == subject] for subject in jobs}


def test_the_whole_life_with_hostile_tags(nas: SimulatedNas, run: Run) -> None:
    nas.router.add(LIST, list="l", address="10.9.9.9", comment="stranger")
    life = f'{LIST}\nremove [find comment="\0"]\nadd list=l address=\0 comment="\0" disabled=yes\nenable [find comment="\0"]'
    jobs = {n: (life, (tag, f"10.0.0.{n}", tag, tag)) for n, tag in enumerate(HOSTILE)}
    for _ in range(2):
        replies = settle(run, jobs, limit=2000)
        assert {reply.outcome for each in replies.values() for reply in each} == {Outcome.OK}
    rows = nas.router.items(LIST)
    assert sorted((row["comment"], row["disabled"]) for row in rows) == sorted((tag, "false") for tag in [*HOSTILE, "stranger"])


def test_failures_are_told_apart(nas: SimulatedNas, run: Run) -> None:
    nas.router.add(LIST, list="l", address="10.0.0.1", comment="stranger")
    text = f"{LIST}\nadd list=l address=\0 comment=\0\nset [find comment=\0] timeout=1d"
    replies = settle(run, {n: (text, (f"10.0.0.{n}", f"ebs:{n}", f"ebs:{n}")) for n in range(5)})
    assert [[str(reply.outcome) for reply in each] for each in replies.values()] == [
        ["ok", "ok"],
        ["failed", "not sent"],
        ["ok", "ok"],
        ["ok", "ok"],
        ["ok", "ok"],
    ]
    assert replies[1][0].output == "failure: already have such entry"


def test_bad_commands_and_scripts(nas: SimulatedNas, run: Run) -> None:
    loop = f'{LIST}\n:foreach i in=[find comment~"^\0\\$"] do={{\n  set $i comment="\0"\n}}'
    nas.router.add(LIST, list="l", address="10.0.0.1", comment="a.c")
    replies = settle(
        run,
        {
            1: ("/ip arp frobnicate x=1", ()),
            2: (f"{LIST} add list=l nonsense=1", ()),
            3: (loop, ("a.c", HOSTILE[0])),
            4: ("/system identity print", ()),
        },
    )
    assert [each[0].outcome for each in replies.values()] == [Outcome.FAILED, Outcome.FAILED, Outcome.OK, Outcome.OK]
    assert replies[1][0].output and replies[2][0].output
    assert "nas1" in replies[4][0].output
    assert nas.router.items(LIST)[0]["comment"] == HOSTILE[0]
