"""Reading back by ``[[read]]`` patterns: what the shipped templates wrote on a real machine is what folding them predicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome
from ebs_core.domain.errors import Misconfigured, NasError
from ebs_core.domain.nas import Effect, Form, Profile, Read
from ebs_core.domain.records import DeviceModel, Reading, Record, TableKind, Vitals
from nas_backends.backends import DeviceBackends
from nas_backends.transports.text_session import TextSession
from tests.contract.conftest import Open

BACKENDS = DeviceBackends()
PROFILES = load_profiles()
RENDERER = TemplateRenderer(PROFILES, BACKENDS.parse)
TABLE = "subscribers"
PROPERTIES = ("slot", "tag", "level", "login", "account", "ip", "mac", "vlan", "state", "download", "upload")
HOSTILE = [
    "plain",
    "a\nstate=enabled\n",
    "x' ; rm -rf . #",
    '"$(id)`id`\\',
    "./7:state=enabled",
    "/12:account=",
    "tag=ebs:99 state=enabled > ./99.new && mv ",
    "-v",
    "a\r\nb\ttab",
    "🙂ы%s%d\\0\\n",
    "",
    " ",
    "x" * 512,
]


@dataclass
class Nas:
    """A machine with one of the two profiles, its directory and an open session."""

    profile: Profile
    directory: Path
    session: TextSession
    open: Open

    def commands(self, slot: int, login: str, *actions: str, **changes: object) -> tuple[Command, ...]:
        values = {
            **SAMPLES,
            "options": {"directory": str(self.directory), "hook": str(self.directory / "hook")},
            "slot": slot,
            "tag": f"ebs:{slot}",
            "subacc_username": login,
            "acc_username": login,
            "subacc_ipn_ip_address": f"10.0.{slot >> 8}.{slot & 255}",
            "max_limit_rx": 20_000_000,
            "max_limit_tx": 1_000_000 + slot,
            **changes,
        }
        templates = RENDERER.templates(self.profile, {})
        rendered = [templates.render(Action(action), values) for action in actions]
        return tuple(command for one in rendered for command in BACKENDS.parse(self.profile, "local", one))

    def apply(self, jobs: list[tuple[Command, ...]]) -> None:
        replies = self.session.run([Job(number, commands) for number, commands in enumerate(jobs)])
        assert [reply for job in replies for reply in job if reply.outcome is not Outcome.OK] == []

    def expected(self, jobs: list[tuple[Command, ...]]) -> dict[str, Record]:
        """The records by slot that folding predicts."""
        model = DeviceModel()
        for commands in jobs:
            BACKENDS.fold(self.profile, commands, model)
        assert set(model.tables) <= {TABLE}
        return {record["slot"]: record for _, record in model}

    def read(self) -> Reading:
        return self.session.observe({TABLE: PROPERTIES})

    def observed(self, wanted: Collection[str] = PROPERTIES) -> dict[str, Record]:
        """The records by slot that are read."""
        reading = self.read()
        records = [reading.parse(TABLE, line) for line in reading.lines[TABLE]]
        found = {record["slot"]: {name: record[name] for name in wanted} for record in records}
        assert len(found) == len(records)
        return found


@pytest.fixture(params=["generic_ssh", "localhost"])
def nas(request: pytest.FixtureRequest, open_session: Open, tmp_path: Path) -> Nas:
    profile = PROFILES[request.param]
    directory = tmp_path / "subscribers"
    directory.mkdir()
    session = open_session(profile=profile, options={"directory": str(directory), "hook": str(directory / "hook")})
    return Nas(profile, directory, session, open_session)


STEPS = [f"subaccount_{step}" for step in ("add", "enable", "speed")]
ACCOUNT_STEPS = [f"account_{step}" for step in ("add", "speed", "disable")]


def test_what_was_written_is_what_was_predicted(nas: Nas) -> None:
    jobs = [nas.commands(slot, login, *STEPS) for slot, login in enumerate(HOSTILE, 1)]
    jobs += [nas.commands(slot, login, *ACCOUNT_STEPS) for slot, login in enumerate(HOSTILE, 101)]
    jobs += [nas.commands(300, "no address", *STEPS, "subaccount_disable", subacc_ipn_ip_address="")]
    nas.apply(jobs)
    expected = nas.expected(jobs)
    assert len(expected) == 2 * len(HOSTILE) + 1
    assert nas.observed() == expected
    assert (expected["1"]["state"], expected["101"]["state"], expected["300"]["state"]) == ("enabled", "disabled", "disabled")
    assert expected["1"]["login"] == expected["101"]["login"] == "plain" and expected["101"]["ip"] == expected["300"]["ip"] == ""
    assert set(expected["1"]) == set(PROPERTIES)
    first = nas.read()
    assert sorted(first.lines[TABLE]) == sorted(nas.read().lines[TABLE]) and first.secret == frozenset()
    assert first.vitals == Vitals(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), first.vitals.uptime)
    assert first.vitals.uptime and 0 < first.vitals.uptime <= (nas.session.vitals().uptime or 0)


def test_a_hook_does_not_stop_the_rest_from_being_verified(nas: Nas) -> None:
    hook = nas.directory / "hook"
    hook.write_text('#!/bin/sh\necho "$@" >> "$0.log"\n')
    hook.chmod(0o700)
    jobs = [nas.commands(5, "slot=6 tag=ebs:6", *STEPS)]
    nas.apply(jobs)
    assert "subaccount_speed slot=5" in (nas.directory / "hook.log").read_text()
    assert nas.observed() == nas.expected(jobs)


def test_delete_is_folded_and_seen(nas: Nas) -> None:
    made = [nas.commands(slot, "x", *STEPS) for slot in (2, 20, 200)]
    gone = [nas.commands(20, "x", "subaccount_delete")]
    nas.apply(made)
    nas.apply(gone)
    assert set(nas.observed()) == {"2", "200"}
    assert nas.observed() == nas.expected(made + gone)


def test_changes_by_hand_are_seen(nas: Nas) -> None:
    jobs = [nas.commands(slot, f"login{slot}", *STEPS) for slot in range(1, 8)]
    nas.apply(jobs)
    before = set(nas.read().lines[TABLE])

    def edit(slot: int, old: bytes, new: bytes) -> None:
        file = nas.directory / str(slot)
        assert old in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(old, new))

    edit(1, b"state=enabled", b"state=disabled")
    edit(2, b"login2", b"other\xff")
    edit(3, b"vlan=", b"note=")  # a property lost; names that are not ours are not read
    edit(4, b"state=enabled\0", b"state=enabled\0state=disabled\0")
    (nas.directory / "5").unlink()
    (nas.directory / "sub").mkdir()
    (nas.directory / "sub" / "9").write_bytes(b"level=subaccount\0tag=ebs:9\0")  # somebody's own
    (nas.directory / "7.new").write_bytes(b"level=subaccount\0tag=ebs:7\0")  # left by a cut
    with (nas.directory / "6").open("ab") as file:
        file.write(b"\n")
    reading = nas.read()
    changed = [reading.parse(TABLE, line) for line in reading.lines[TABLE] if line not in before]
    expected = nas.expected(jobs)
    differing = {
        (record["slot"], name) for record in changed for name, value in expected[record["slot"]].items() if record[name] != value
    }
    assert ("1", "state") in differing and ("2", "login") in differing and ("3", "vlan") in differing
    assert {slot for slot, _ in differing} == {"1", "2", "3", "4"}
    assert {reading.parse(TABLE, line)["slot"] for line in reading.lines[TABLE]} == {"1", "2", "3", "4", "6", "7"}


def test_an_orphan_is_removed_and_nobody_else(nas: Nas) -> None:
    jobs = [nas.commands(slot, login, *STEPS) for slot, login in enumerate(HOSTILE, 1)]
    nas.apply(jobs)
    reading = nas.read()
    records = {record["slot"]: record for record in (reading.parse(TABLE, line) for line in reading.lines[TABLE])}
    nas.apply([nas.commands(4, "the next one", *STEPS, tag="ebs:77")])
    nas.apply([BACKENDS.removal(nas.profile, "local", TABLE, records[slot]) for slot in ("2", "4", "9")] * 2)
    assert set(nas.observed()) == set(records) - {"2", "9"}
    assert nas.observed()["4"]["tag"] == "ebs:77"
    assert BACKENDS.removal(nas.profile, "local", TABLE, {**records["1"], "tag": ""}) == ()
    assert BACKENDS.adoption(nas.profile, "local", TABLE, records["1"], "ebs:1") == ()


def test_an_empty_and_a_missing_directory_have_no_records(nas: Nas) -> None:
    assert nas.read().lines == {TABLE: []}
    nas.directory.rmdir()
    assert nas.read().lines == {TABLE: []}
    assert BACKENDS.table(nas.profile, TABLE) == TableKind(("slot",), tag="tag")
    assert BACKENDS.table(nas.profile, "other") is None


def test_five_thousand(nas: Nas) -> None:
    login = "ы" * 300
    jobs = [nas.commands(slot, login, *STEPS) for slot in range(1, 5001)]
    expected = nas.expected([jobs[0]])["1"]
    for slot in range(1, 5001):
        changed = expected | {"slot": str(slot), "tag": f"ebs:{slot}", "upload": str(1_000_000 + slot)}
        items = [f"{name}={value}\0" for name, value in changed.items() if name != "slot"]
        (nas.directory / str(slot)).write_text("".join(items), encoding="utf-8")
    lines = nas.read().lines[TABLE]
    assert len(set(lines)) == 5000 and all(login in line for line in lines)


PLAIN = Read("words", Form("cat \0", ("file",)), r"^(?P<word>\S+)$", ("word",), (Effect(r"^say (?P<word>\S+)$"),))


def reading(open_session: Open, file: Path, read: Read, **changes: object) -> Reading:
    profile = Profile("own", "Own", ("shell",), ("ssh", "local"), reads=(read,))
    session = open_session(profile=replace(profile, **changes), options={"file": str(file)})  # type: ignore[arg-type]
    return session.observe({"words": ["word"]})


def test_a_print_that_fails_or_is_not_whole_is_no_empty_table(open_session: Open, tmp_path: Path) -> None:
    file = tmp_path / "words"
    with pytest.raises(NasError, match=r"(?s)words: the command ended with status 1: .*words"):
        reading(open_session, file, PLAIN)
    with pytest.raises(NasError, match="may have passwords and is not shown"):
        reading(open_session, file, replace(PLAIN, secret=("word",)))
    file.write_text("one\ntwo\n")
    assert reading(open_session, file, PLAIN).lines == {"words": ['["one"]', '["two"]']}
    with pytest.raises(NasError, match="'end' is not in what was printed for words: one"):
        reading(open_session, file, replace(PLAIN, complete="end"))
    with pytest.raises(Misconfigured, match="words cannot be read back: this ' is never closed"):
        reading(open_session, file, replace(PLAIN, command=Form("cat '")))
    file.write_text("x\n" * 9_000_000)
    with pytest.raises(NasError, match="more than can be kept"):
        reading(open_session, file, PLAIN)


def test_a_command_line_without_a_shell(open_session: Open, tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_bytes(b"one\r\ntwo\r\nend\r\n")
    read = replace(PLAIN, pattern="^(?P<word>one|two)$", complete="^end$")
    opaque = {"dialects": ("opaque",), "error_patterns": ("^% ",)}
    assert reading(open_session, file, read, **opaque).lines == {"words": ['["one"]', '["two"]']}
    file.write_text("% no such command\none\nend\n")
    with pytest.raises(NasError, match="it was refused: % no such command"):
        reading(open_session, file, read, **opaque)
    profile = Profile("own", "Own", ("opaque",), ("ssh", "local"), reads=(read,))
    assert open_session(profile=profile).vitals() == Vitals()
