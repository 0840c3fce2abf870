"""Predicting and reading records by patterns: values are data on both sides."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.catalogue import load_directory
from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command
from ebs_core.domain.nas import Effect, Form, Option, Profile, Read
from ebs_core.domain.records import DeviceModel, Record, TableKind, Vitals
from ebs_core.domain.text import Rendered, Secret
from nas_backends.backends import DeviceBackends
from nas_backends.dialects.pattern_observe import PatternObserver, pattern_observers

BACKENDS = DeviceBackends()
READ = Read(
    table="users",
    command=Form("cat -- \0", ("file",)),
    pattern=r"(?<![^\0])(?P<slot>[0-9]+)\0(?P<login>[^\0]*)\0(?P<tag>[^\0]*)\0(?:(?P<state>up|down)\0)?",
    key=("slot",),
    adds=(Effect(r"^printf '%s\\0' (?P<slot>\S+) (?P<login>\S+) (?P<tag>\S+)(?: (?P<state>up|down))? >"),),
    sets=(
        Effect(r"^enable (?P<slot>\S+)$", (("state", "up"),)),
        Effect(r'^rename (?P<slot>\S+) "(?P<login>[^"]*)"(?: tag (?P<tag>\S+))?$'),
    ),
    removes=(Effect(r"^del (?P<slot>\S+)$"), Effect(r"^purge (?P<tag>\S+)$")),
    remove=Form("del \0 \0", ("slot", "tag")),
    adopt=Form("tag \0 \0", ("slot", "tag")),
)
PROFILE = Profile("own", "Own", ("shell",), ("local",), options={"file": Option("file", default="/none")}, reads=(READ,))
ADD = "printf '%s\\0' \0 \0 \0 up >> \0"
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40) | st.sampled_from(
    ["", "x 9 ebs:9 up >", "a\n9\nb", "\r\n", "printf '%s\\0' 9 x ebs:9 up > y", "ы🙂", "x" * 512, "\\0", "' >", "9"]
)


def commands(*lines: tuple[str, tuple[str, ...]], profile: Profile = PROFILE) -> tuple[Command, ...]:
    return tuple(
        command for skeleton, values in lines for command in BACKENDS.parse(profile, "local", Rendered(skeleton, values))
    )


def fold(*lines: tuple[str, tuple[str, ...]], profile: Profile = PROFILE) -> list[Record]:
    model = DeviceModel()
    BACKENDS.fold(profile, commands(*lines, profile=profile), model)
    assert set(model.tables) <= {"users"}
    return [record for _, record in model]


def printed(observer: PatternObserver) -> str:
    request = observer.request({"users": ["login"]}, None)
    run = subprocess.run(request.command, input=request.stdin, shell=True, capture_output=True, check=True)
    return run.stdout.decode("utf-8", "replace")


def observe(file: Path) -> list[Record]:
    (observer,) = pattern_observers(PROFILE, {"file": str(file)})
    lines, _ = observer.lines({"users": ["login"]}, printed(observer))
    return [observer.parse("users", line) for line in lines["users"]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.lists(st.tuples(VALUES, VALUES), max_size=4))
def test_what_a_shell_wrote_is_what_was_predicted(tmp_path: Path, people: list[tuple[str, str]]) -> None:
    file = tmp_path / "users"
    file.write_text("")
    lines = [(ADD, (str(slot), login, tag, str(file))) for slot, (login, tag) in enumerate(people)]
    for command in commands(*lines):
        subprocess.run(["sh", "-c", command.statement.emit(command.values)], check=True)
    assert fold(*lines) == observe(file)
    assert fold(*lines) == [
        {"slot": str(slot), "login": login, "tag": tag, "state": "up"} for slot, (login, tag) in enumerate(people)
    ]


@settings(max_examples=60, deadline=None)
@given(values=st.tuples(VALUES, VALUES, VALUES, VALUES), skeleton=st.sampled_from([ADD, "$hook add \0 \0 \0 \0", "x \0\0\0 \0"]))
def test_no_value_makes_or_changes_another_record(values: tuple[str, ...], skeleton: str) -> None:
    mine = {"slot": "mine", "login": "m", "tag": "ebs:1", "state": "up"}
    records = fold((ADD, ("mine", "m", "ebs:1", "/f")), (skeleton, values))
    added = [] if skeleton != ADD else [dict(zip(("slot", "login", "tag"), values[:3], strict=True), state="up")]
    assert records == [mine, *added]


def test_adds_sets_and_removes() -> None:
    one = (ADD, ("1", "a", "ebs:1", "/f"))
    two = ("printf '%s\\0' \0 \0 \0 > \0", ("2", "b", "ebs:2", "/f"))
    assert fold(two) == [{"slot": "2", "login": "b", "tag": "ebs:2", "state": ""}]
    assert fold(two, ("enable \0", ("2",)))[0]["state"] == "up"
    assert fold(one, ('rename \0 "\0@\0"', ("1", "x", "y")))[0] == {"slot": "1", "login": "x@y", "tag": "ebs:1", "state": "up"}
    assert fold(one, ('rename \0 "c" tag t\0', ("1", "9")))[0] == {"slot": "1", "login": "c", "tag": "t9", "state": "up"}
    assert fold(("enable \0", ("1",))) == []
    assert [record["login"] for record in fold(one, (ADD, ("1", "again", "ebs:1", "/f")))] == ["again"]
    assert fold(one, two, ("del \0", ("1",))) == fold(two)
    assert fold(one, two, ("purge \0", ("ebs:2",))) == fold(one)
    assert fold(one, ("del \0 now", ("1",))) == fold(one)


def test_an_add_in_a_native_dialect_or_without_reads_says_nothing() -> None:
    bare = Profile("own", "Own", ("shell",), ("local",))
    assert fold((ADD, ("1", "a", "t", "/f")), profile=bare) == []
    opaque = Profile("own", "Own", ("opaque",), ("local",), reads=(READ,))
    assert fold(("enable 1\ndel \0", ("1",)), profile=opaque) == []
    assert fold(("printf '%s\\0' \0 \0 t > x", ("1", "a")), profile=opaque)[0]["login"] == "a"


def test_a_password_stays_a_secret() -> None:
    (record,) = fold((ADD, ("1", Secret("pw"), "t", "/f")))
    assert isinstance(record["login"], Secret)


def test_a_line_is_the_groups_alone(tmp_path: Path) -> None:
    read = Read("users", Form("cat \0", ("file",)), r"^(?P<a>\w+) up \d+ s(?: (?P<b>\w+))?$", ("a",), (Effect("(?P<a>x)"),))
    profile = Profile("own", "Own", ("opaque",), ("ssh",), error_patterns=("^%",), reads=(read,))
    (observer,) = pattern_observers(profile, {"file": "f"})
    assert observer.request({"users": []}, None).command == "cat f" and observer.request({}, None).command == ""
    first, vitals = observer.lines({"users": []}, "x up 1 s\r\ny up 1 s on\r\n")
    second, _ = observer.lines({"users": []}, "noise\nx up 22 s\r\ny up 3 s on")
    assert first == second == {"users": ['["x", ""]', '["y", "on"]']} and vitals == Vitals()
    assert observer.parse("users", first["users"][0]) == {"a": "x", "b": ""}
    with pytest.raises(ValueError, match="it was refused: % no"):
        observer.lines({"users": []}, "% no\nx up 1 s\n")


def test_half_an_answer_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_bytes(b"1\0a\0t\0up\0")
    (observer,) = pattern_observers(PROFILE, {"file": str(file)})
    output = printed(observer)
    lines, vitals = observer.lines({"users": []}, "Welcome!\n1\0forged\0t\0" + output)
    assert lines == {"users": ['["t", "1", "a", "up"]']}
    assert list(observer.parse("users", lines["users"][0]).items())[:2] == [("tag", "t"), ("slot", "1")]
    assert vitals.boot and vitals.uptime and observer.lines({}, output)[1] == vitals
    for half in ("", output[: len(output) // 2], output.partition("\n")[2], "sh: not found"):
        with pytest.raises(ValueError, match="no shell answered as it should"):
            observer.lines({"users": []}, half)
    file.unlink()
    with pytest.raises(ValueError, match=r"users: the command ended with status 1: cat: "):
        observer.lines({"users": []}, printed(observer))


def test_kind_removal_and_adoption() -> None:
    record = {"slot": "1", "login": "a; b", "tag": "ebs:1", "state": ""}
    assert BACKENDS.table(PROFILE, "users") == TableKind(("slot",), tag="tag") and BACKENDS.table(PROFILE, "x") is None
    (command,) = BACKENDS.removal(PROFILE, "local", "users", record)
    assert command.show() == "del '1' 'ebs:1'"
    assert BACKENDS.removal(PROFILE, "local", "users", record | {"tag": ""}) == ()
    (command,) = BACKENDS.adoption(PROFILE, "local", "users", record | {"tag": ""}, "ebs:5")
    assert command.show() == "tag '1' 'ebs:5'"


def test_tables_of_one_command_are_read_in_one_go() -> None:
    other = Read("names", READ.command, r"(?P<login>\w+)", ("login",), READ.removes)
    third = Read("third", Form("x"), r"(?P<login>\w+)", ("login",), READ.removes, secret=("login",))
    profile = Profile("own", "Own", ("shell",), ("local",), reads=(READ, third, other))
    first, second = pattern_observers(profile, {"file": "/f"})
    assert [first.kind(name) is not None for name in ("users", "names", "third")] == [True, True, False]
    assert second.secret("third", ["slot"]) and not first.secret("users", ["login"])


def test_the_worked_example_of_the_page(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text(encoding="utf-8").partition("## Reading back")[2]
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)]
    templates, shown, toml = (next(block for block in blocks if mark in block) for mark in (".j2", "!\nend", "[[read]]"))
    folder = tmp_path / "switch"
    folder.mkdir()
    (folder / "profile.toml").write_text(f'title = "x"\ndialects = ["opaque"]\ntransports = ["ssh"]\n{toml}', encoding="utf-8")
    for line in filter(None, templates.splitlines()):
        name, source = line.split(maxsplit=1)
        (folder / name).write_text(source, encoding="utf-8")
    profiles = load_directory(tmp_path)
    switch = profiles["switch"]
    model = DeviceModel()
    values = {"slot": 7, "acc_username": "ivanov", "subacc_ipn_ip_address": "10.0.0.7", "tag": "ebs:41"}
    values |= {"max_limit_rx": 20_000_000, "max_limit_tx": 5_000_000, "options": {}}
    in_force = TemplateRenderer(profiles, BACKENDS.parse).templates(switch, {})

    def run(*steps: str) -> None:
        for step in steps:
            rendered = in_force.render(Action(f"subaccount_{step}"), {**SAMPLES, **values})
            BACKENDS.fold(switch, BACKENDS.parse(switch, "ssh", rendered), model)

    (observer,) = pattern_observers(switch)
    lines, _ = observer.lines({"subscribers": ["state"]}, shown)
    read = [observer.parse("subscribers", line) for line in lines["subscribers"]]
    run("add", "disable", "speed")
    assert model.tables == {"subscribers": read} and read[0]["state"] == "shutdown" and read[0]["download"] == "20000000"
    run("enable")
    open_lines, _ = observer.lines({"subscribers": ["state"]}, shown.replace(" shutdown\n", ""))
    assert model.tables["subscribers"] == [observer.parse("subscribers", line) for line in open_lines["subscribers"]]
    (removal,) = BACKENDS.removal(switch, "ssh", "subscribers", read[0])
    model.add("subscribers", read[0] | {"slot": "8"})
    BACKENDS.fold(switch, [removal], model)
    assert [record["slot"] for _, record in model] == ["8"]
