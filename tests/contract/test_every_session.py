"""The contract of ``ebs_core.ports.Session``, over every transport and both families of NAS: one suite, real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from actions.catalogue import load_profiles
from ebs_core.domain.commands import Job, Outcome
from ebs_core.domain.nas import Endpoint, Profile
from ebs_core.domain.text import Rendered, Secret
from ebs_core.ports import Session
from nas_backends.backends import DeviceBackends
from nas_simulator import SimulatedNas
from tests.fixtures.sshd import PROFILE, SSHD, running_sshd

BACKENDS = DeviceBackends()
HOSTILE = [
    "; reboot",
    '"',
    "'",
    "$(id)",
    "`id`",
    "${x}",
    "$x y",
    "[find]",
    "back\\slash\\",
    "x=1 disabled=yes",
    "a;b|c&d>e<f",
    "emoji 🙂 кириллица",
    "ы" * 512,
    "!=*7,?#|",
]


@dataclass
class Device:
    """A NAS that keeps texts. ``keep`` and ``fail`` are skeletons with one slot: store a text, and be refused."""

    endpoint: Endpoint
    keep: str
    fail: str
    kept: Callable[[], list[str]]
    cut: Callable[[], None]
    """Cut every connection from the NAS's side."""

    def job(self, subject: int, *steps: tuple[str, str]) -> Job:
        profile = self.endpoint.profile
        return Job(
            subject,
            tuple(
                command
                for skeleton, value in steps
                for command in BACKENDS.parse(profile, self.endpoint.transport, Rendered(skeleton, (value,)))
            ),
        )


def _posix(endpoint: Endpoint, folder: Path, cut: Callable[[], None]) -> Device:
    file = folder / "kept"
    return Device(
        endpoint,
        keep=f"printf '%s\\0' kept:\0 >> {file}",
        fail=f"test \0 = never && printf '%s\\0' failed >> {file}",
        kept=lambda: [text.removeprefix("kept:") for text in file.read_text().split("\0")[:-1]] if file.exists() else [],
        cut=cut,
    )


def _local(folder: Path) -> Iterator[Device]:
    yield _posix(Endpoint("here", PROFILE, "local"), folder, lambda: None)


def _ssh(folder: Path) -> Iterator[Device]:
    if SSHD is None:
        pytest.skip("sshd is not installed (Debian: openssh-server)")
    with running_sshd(folder) as server:
        yield _posix(server.endpoint, folder, server.kill_connections)


def _routeros(transport: str) -> Callable[[Path], Iterator[Device]]:
    def start(_: Path) -> Iterator[Device]:
        profile: Profile = load_profiles()["mikrotik"]
        with SimulatedNas("nas1", "ebs", "secret").start() as nas:
            port = nas.api_port if transport == "routeros_api" else nas.ssh_port
            key = nas.host_key if transport == "ssh" else None
            yield Device(
                Endpoint("nas1", profile, transport, "127.0.0.1", port, "ebs", "secret", host_key=key, command_timeout=5),
                keep="/ip firewall filter add chain=forward action=accept comment=\0",
                fail="/ip firewall filter add no-such-thing=yes comment=\0",
                kept=lambda: [item["comment"] for item in nas.router.items("/ip/firewall/filter")],
                cut=nas.router.drop_sessions,
            )

    return start


DEVICES = {
    "local": _local,
    "ssh": _ssh,
    "routeros over ssh": _routeros("ssh"),
    "routeros api": _routeros("routeros_api"),
}


@pytest.fixture(params=list(DEVICES))
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    generator = DEVICES[request.param](tmp_path)
    yield next(generator)
    next(generator, None)


@pytest.fixture
def session(device: Device) -> Iterator[Session]:
    session = BACKENDS.open(device.endpoint)
    yield session
    session.close()


def test_nothing_to_do(session: Session) -> None:
    assert session.run([]) == []
    assert session.alive


def test_one_reply_per_command_and_the_order_of_each_subject_is_kept(device: Device, session: Session) -> None:
    jobs = [device.job(n, *((device.keep, f"{n}-{step}") for step in range(3))) for n in range(20)]
    replies = session.run(jobs)
    assert [[reply.outcome for reply in answers] for answers in replies] == [[Outcome.OK] * 3] * 20
    kept = device.kept()
    assert len(kept) == 60
    for n in range(20):
        assert [text for text in kept if text.startswith(f"{n}-")] == [f"{n}-0", f"{n}-1", f"{n}-2"]


def test_nothing_is_sent_once_it_is_not_allowed_any_more(device: Device, session: Session) -> None:
    """Whoever lost the right to work on the NAS ends in the middle; the session lives."""
    jobs = [device.job(n, (device.keep, str(n))) for n in range(5)]
    assert [reply.outcome for answers in session.run(jobs, lambda: False) for reply in answers] == [Outcome.NOT_SENT] * 5
    assert device.kept() == []
    assert session.alive
    assert session.run(jobs[:1])[0][0].outcome is Outcome.OK


def test_values_arrive_as_exactly_those_characters(device: Device, session: Session) -> None:
    replies = session.run([device.job(n, (device.keep, value)) for n, value in enumerate(HOSTILE)])
    assert [answers[0].outcome for answers in replies] == [Outcome.OK] * len(HOSTILE)
    assert device.kept() == HOSTILE


def test_a_failure_stays_with_its_subject(device: Device, session: Session) -> None:
    before, bad, after = session.run(
        [
            device.job(1, (device.keep, "1")),
            device.job(2, (device.keep, "2"), (device.fail, "x"), (device.keep, "never")),
            device.job(3, (device.keep, "3"), (device.keep, "4")),
        ]
    )
    assert [reply.outcome for reply in before + after] == [Outcome.OK] * 3
    assert [reply.outcome for reply in bad[:2]] == [Outcome.OK, Outcome.FAILED]
    pipelined = device.endpoint.transport == "routeros_api"  # what is in flight already has its own real outcome
    assert bad[2].outcome is Outcome.NOT_SENT or pipelined
    assert sorted(set(device.kept()) - {"never"}) == ["1", "2", "3", "4"]
    assert ("never" in device.kept()) is (bad[2].outcome is Outcome.OK)


def test_a_failure_says_what_the_nas_said(device: Device, session: Session) -> None:
    ((reply,),) = session.run([device.job(1, (device.fail, "x"))])
    assert reply.outcome is Outcome.FAILED
    assert reply.output.strip() or reply.status


def test_a_thousand_subjects_in_one_run(device: Device, session: Session) -> None:
    replies = session.run([device.job(n, (device.keep, f"n{n}")) for n in range(1000)])
    assert {answers[0].outcome for answers in replies} == {Outcome.OK}
    assert sorted(device.kept()) == sorted(f"n{n}" for n in range(1000))


def test_the_session_can_be_used_again_after_a_failure(device: Device, session: Session) -> None:
    session.run([device.job(1, (device.fail, "x"))])
    assert session.alive
    ((reply,),) = session.run([device.job(2, (device.keep, "y"))])
    assert reply.outcome is Outcome.OK
    assert device.kept() == ["y"]


def test_a_cut_line_kills_the_session_and_nothing_is_claimed(device: Device, session: Session) -> None:
    if device.endpoint.transport == "local":
        pytest.skip("there is no line to cut on this machine itself")
    session.run([device.job(1, (device.keep, "1"))])
    device.cut()
    replies = session.run([device.job(n, (device.keep, str(n))) for n in range(2, 5)])
    outcomes = {answers[0].outcome for answers in replies}
    assert outcomes <= {Outcome.UNKNOWN, Outcome.NOT_SENT}
    assert not session.alive
    ((after,),) = session.run([device.job(9, (device.keep, "9"))])
    assert after.outcome is Outcome.NOT_SENT
    assert "9" not in device.kept()


def test_closing_twice_is_fine_and_a_closed_session_sends_nothing(device: Device, session: Session) -> None:
    session.close()
    session.close()
    ((reply,),) = session.run([device.job(1, (device.keep, "1"))])
    assert reply.outcome is Outcome.NOT_SENT
    assert device.kept() == []


def test_secrets_are_masked_wherever_a_command_is_shown(device: Device) -> None:
    for command in device.job(1, (device.keep, Secret("hunter2-hunter2"))).commands:
        assert "hunter2" not in command.show()
        assert "•" in command.show()
