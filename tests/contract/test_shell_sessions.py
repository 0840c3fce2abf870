"""What every session that runs shell commands owes its callers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ebs_core.domain.commands import Job, Outcome, Reply
from ebs_core.domain.text import Rendered
from nas_backends.backends import DeviceBackends
from nas_backends.transports.text_session import TextSession
from tests.contract.conftest import Open
from tests.fixtures.sshd import PROFILE, Sshd

BACKENDS = DeviceBackends()
OK, FAILED, NOT_SENT, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.NOT_SENT, Outcome.UNKNOWN


def job(subject: int, text: str, *values: str, profile=PROFILE) -> Job:
    return Job(subject, BACKENDS.parse(profile, "ssh", Rendered(text, values)))


def run(session: TextSession, *texts: str) -> list[tuple[Reply, ...]]:
    return session.run([job(number, text) for number, text in enumerate(texts)])


def outcomes(replies: tuple[Reply, ...]) -> list[Outcome]:
    return [reply.outcome for reply in replies]


def test_order_status_and_output_of_each(open_session: Open) -> None:
    (replies,) = run(open_session(), "echo a; echo b >&2\nprintf c\ntrue\necho d; false")
    assert [(reply.outcome, reply.output, reply.status) for reply in replies] == [
        (OK, "a\nb\n", 0), (OK, "c", 0), (OK, "", 0), (FAILED, "d\n", 1),
    ]  # fmt: skip


def test_state_persists_within_a_subject_only(open_session: Open) -> None:
    first, second = run(open_session(), "X=1; cd /\necho $X; pwd", "echo [$X]")
    assert (first[1].output, second[0].output) == ("1\n/\n", "[]\n")


@pytest.mark.parametrize(
    ("bad", "status"),
    [("exit 7", 7), ("set -e; false; echo no", 1), ("false", 1), ("sh -c 'kill -9 $$'", 137), ("eval ') ('", None)],
)
def test_a_failure_stays_with_its_subject(open_session: Open, bad: str, status: int | None) -> None:
    before, failing, after = run(open_session(), "echo 1", f"echo 2\n{bad}\necho 3", "echo 4\necho 5")
    assert outcomes(before) == [OK] and outcomes(after) == [OK, OK]
    assert outcomes(failing) == [OK, FAILED, NOT_SENT]
    assert status is None or failing[1].status == status
    assert after[1].output == "5\n"


def test_stdin_is_empty(open_session: Open) -> None:
    first, second = run(open_session(), "cat; echo end", "echo next")
    assert (first[0].output, second[0].output) == ("end\n", "next\n")


def test_values_are_data(open_session: Open) -> None:
    values = ["; id", '"', "'", "$(id)", "`id`", "[find]", "a\\", "a\nb\n", "🙂", "ы" * 512, "\nEBS 0 0\n"]
    replies = open_session().run([job(number, "printf '%s' \0", value) for number, value in enumerate(values)])
    assert [reply[0].output for reply in replies] == values


def test_unquotable_value_fails_its_job_before_anything_is_sent(open_session: Open, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    bad, good = open_session().run([job(0, "echo > \0\nrm \0", str(mark), "-rf"), job(1, "echo ok")])
    assert outcomes(bad) == [NOT_SENT, FAILED] and "option" in bad[1].output
    assert good[0].output == "ok\n" and not mark.exists()


def test_error_patterns(open_session: Open) -> None:
    session = open_session(profile=replace(PROFILE, error_patterns=("^% ",)))
    (replies,) = run(session, "echo '% no'")
    assert outcomes(replies) == [FAILED] and replies[0].status == 0


def test_five_thousand_commands(open_session: Open) -> None:
    replies = open_session().run([job(number, "echo \0\ntrue", str(number)) for number in range(2500)])
    assert [reply[0].output for reply in replies] == [f"{number}\n" for number in range(2500)]
    assert {reply[1].outcome for reply in replies} == {OK}


def test_output_is_bounded_per_command(open_session: Open) -> None:
    first, second = run(open_session(), "head -c 3000000 /dev/zero | tr '\\0' x; echo end", "echo next")
    assert 4000 < len(first[0].output) < 5000 and first[0].output.endswith("xend\n") and first[0].output.startswith("xxx")
    assert second[0].output == "next\n"


def test_too_much_output_leaves_the_rest_unknown_but_ends(open_session: Open) -> None:
    session = open_session()
    first, second = run(session, "head -c 20000000 /dev/zero | tr '\\0' x\necho end", "echo next")
    assert len(first[0].output) < 5000 and session.alive
    assert second[0].outcome is OK
    assert run(session, "echo more")[0][0].output == "more\n"


def test_timeout(open_session: Open) -> None:
    session = open_session(command_timeout=0.3)
    started = time.monotonic()
    done, hanging = run(session, "echo 1", "echo 2\nsleep 30\necho 3")
    assert time.monotonic() - started < 10
    assert outcomes(done) == [OK] and outcomes(hanging) == [OK, UNKNOWN, UNKNOWN]
    assert "no end after" in hanging[1].output


def test_closed_session_sends_nothing(open_session: Open) -> None:
    session = open_session()
    session.close()
    session.close()
    assert [outcomes(replies) for replies in run(session, "echo 1\necho 2", "echo 3")] == [[NOT_SENT, NOT_SENT], [NOT_SENT]]
    assert not session.alive


def test_cut_connection(sshd: Sshd, tmp_path: Path) -> None:
    session = BACKENDS.open(sshd.endpoint)
    mark = tmp_path / "mark"
    killer = threading.Thread(target=_kill_when_there, args=(mark, sshd))
    killer.start()
    jobs = [job(0, "echo 1"), job(1, "echo > \0\nsleep 30", str(mark)), job(2, "echo 5\nnft add table x")]
    first, second, third = session.run(jobs)
    killer.join()
    assert outcomes(first) == [OK] and outcomes(second) == [OK, UNKNOWN] and outcomes(third) == [UNKNOWN, NOT_SENT]
    assert not session.alive
    assert outcomes(session.run([job(0, "echo 1")])[0]) == [NOT_SENT]
    session.close()


def _kill_when_there(mark: Path, sshd: Sshd) -> None:
    deadline = time.monotonic() + 10
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # polling with a deadline
    sshd.kill_connections()
