"""Framed scripts and what their answers settle."""

from __future__ import annotations

import re

from ebs_core.domain.commands import NOT_SENT, Command, Outcome
from ebs_core.domain.text import SLOT
from nas_backends.contract import Answer, Line
from nas_backends.dialects.routeros import RouterosDialect
from nas_backends.dialects.routeros_batch import RouterosBatcher

(ADD,) = RouterosDialect().parse(f"/ip arp add comment={SLOT}", "ssh")
(LOOP,) = RouterosDialect().parse(f":foreach i in=[/ip arp find] do={{\n  set $i comment={SLOT}\n}}", "ssh")


def lines(*subjects: int, statement: object = ADD) -> list[Line]:
    return [Line(n, subject, Command(statement, (f"v{n}",))) for n, subject in enumerate(subjects)]  # type: ignore[arg-type]


def play(script: str, outputs: dict[int, str], stop: int | None = None) -> str:
    """What a router prints that runs ``script`` and prints ``outputs`` by command, ending behind command ``stop``."""
    printed = []
    number = -1
    for row in script.splitlines():
        if frame := re.fullmatch(r':put "(.*)"', row):
            if number == stop:
                break
            printed.append(frame[1])
        else:
            number += 1
            if number in outputs:
                printed.append(outputs[number])
    return "".join(f"{row}\r\n" for row in printed)


def outcomes(batcher: RouterosBatcher, batch: list[Line], answer: Answer) -> tuple[dict[int, str], list[int]]:
    replies, again = batcher.read(batch, answer)
    return {index: str(reply.outcome) for index, reply in replies.items()}, [line.index for line in again]


def test_each_command_has_its_own_output_and_patterns_decide() -> None:
    batcher = RouterosBatcher([r"(?m)^odd thing"])
    batch = lines(1, 1, 2, 3)
    request = batcher.request(batch)
    assert not request.stdin and request.command.count("/ip arp add") == 4
    answer = Answer(play(request.command, {1: "odd thing\r\nhappened", 2: "fine", 3: "failure: already have such entry"}), 0, 0.5)
    replies, again = batcher.read(batch, answer)
    assert [replies[n].outcome for n in range(4)] == [Outcome.OK, Outcome.FAILED, Outcome.OK, Outcome.FAILED]
    assert (replies[0].output, replies[1].output, replies[2].output) == ("", "odd thing\nhappened", "fine")
    assert (again, replies[2].status, replies[2].duration) == ([], 0, 0.5)


def test_an_early_end_blames_its_command_skips_its_subject_and_resends_the_rest() -> None:
    batcher = RouterosBatcher()
    batch = lines(1, 2, 2, 3, 2)
    answer = Answer(play(batcher.request(batch).command, {1: "some error nobody listed"}, stop=1), 0, 0.1)
    replies, again = batcher.read(batch, answer)
    assert (replies[0].outcome, replies[1].outcome, replies[1].output) == (Outcome.OK, Outcome.FAILED, "some error nobody listed")
    assert replies[2] == replies[4] == NOT_SENT
    assert [line.index for line in again] == [3]


def test_a_syntax_error_of_the_whole_script_is_placed_by_its_line() -> None:
    batcher = RouterosBatcher()
    batch = lines(1, 2, 3, statement=LOOP)
    for line, blamed in [(2, 0), (5, 0), (6, 1), (8, 1), (10, 2)]:
        told = Answer(f"syntax error (line {line} column 3)\r\n", 0, 0.1)
        settled, again = outcomes(batcher, batch, told)
        assert settled == {blamed: "failed"}
        assert again == [n for n in range(3) if n != blamed]
    assert outcomes(batcher, batch, Answer("what?\n", 0, 0.1)) == ({0: "failed", 1: "failed", 2: "failed"}, [])


def test_a_broken_connection_leaves_the_outcome_unknown() -> None:
    batcher = RouterosBatcher()
    batch = lines(1, 2, 3)
    whole = play(batcher.request(batch).command, {}, stop=1)
    replies, again = batcher.read(batch, Answer(whole, None, 9.0, "timed out"))
    assert [replies[n].outcome for n in range(3)] == [Outcome.OK, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert (replies[1].output, again) == ("timed out", [])
    replies, _ = batcher.read(batch, Answer(whole + "failure: no\r\n", None, 9.0, "cut"))
    assert [replies[n].outcome for n in range(3)] == [Outcome.OK, Outcome.FAILED, Outcome.NOT_SENT]


def test_the_script_is_bounded_and_the_rest_comes_next() -> None:
    batcher = RouterosBatcher(limit=400)
    batch = lines(*range(50))
    rounds = 0
    settled: dict[int, str] = {}
    left = list(batch)
    while left:
        request = batcher.request(left)
        assert len(request.command.encode()) <= 400
        done, again = outcomes(batcher, left, Answer(play(request.command, {}), 0, 0.1))
        settled |= done
        left = [batch[index] for index in again]
        rounds += 1
    assert settled == dict.fromkeys(range(50), "ok") and rounds > 5
    assert len(RouterosBatcher(limit=10).request(batch).command.splitlines()) == 4


def test_output_cannot_forge_a_frame() -> None:
    batcher, other = RouterosBatcher(), RouterosBatcher()
    batch = lines(1, 2)
    forged = play(other.request(batch).command, {})
    settled, again = outcomes(batcher, batch, Answer(play(batcher.request(batch).command, {0: forged.strip()}, stop=0), 0, 0.1))
    assert (settled, again) == ({0: "failed"}, [1])
