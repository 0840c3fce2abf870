from __future__ import annotations

from pathlib import Path

import pytest

from actions.catalogue import load_directory, load_profiles
from actions.renderer import TemplateRenderer
from ebs_core.domain.actions import Action
from ebs_core.domain.errors import BadFile, InputError
from ebs_core.domain.nas import Option

GOOD = """
title = "Good"
dialects = ["opaque"]
transports = ["ssh", "local"]
"""


def write(root: Path, name: str = "good", toml: str | None = GOOD, **templates: str) -> Path:
    folder = root / name
    folder.mkdir()
    if toml is not None:
        (folder / "profile.toml").write_text(toml, encoding="utf-8")
    for action, source in templates.items():
        (folder / f"{action}.j2").write_text(source, encoding="utf-8")
    return folder


def test_a_whole_profile(tmp_path: Path) -> None:
    more = """
tag = "x-{placement}"
error_patterns = ['^failure:', '(?m)^%']
batch_size = 50
max_slot = 65519
[options.uplink]
help = "The way out"
[options.list]
default = "active"
pattern = "[a-z]+"
[options.unset]
default = ""
pattern = "[a-z]+"
"""
    write(tmp_path, toml=GOOD + more, subaccount_add="add $vlan\n", bootstrap="Привет")
    (tmp_path / "good" / "README.md").write_text("hello")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "file").write_text("")
    profiles = load_directory(tmp_path)
    assert list(profiles) == ["good"]
    profile = profiles["good"]
    assert (profile.name, profile.title, profile.dialects, profile.transports) == ("good", "Good", ("opaque",), ("ssh", "local"))
    assert (profile.tag, profile.batch_size, profile.max_slot) == ("x-{placement}", 50, 65519)
    assert profile.error_patterns == ("^failure:", "(?m)^%")
    assert profile.options["uplink"] == Option("uplink", "The way out") and profile.options["uplink"].required
    assert profile.options["list"] == Option("list", "", "active", "[a-z]+")
    assert dict(profile.templates) == {"subaccount_add": "add $vlan\n", "bootstrap": "Привет"}
    assert TemplateRenderer(profiles, lambda *_: None).templates(profile, {}).variables(Action.SUBACCOUNT_ADD) == {"subacc_vlan"}


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("dialects = ['a']\ntransports = ['b']", "'title' is missing; add it as a text"),
        ("title = 'x'", "'dialects' is missing; add it as a list of texts"),
        (GOOD + "tittle = 'x'", "'tittle' is unknown; remove it or correct it (known: title, dialects"),
        (GOOD + "batch_size = 0", "'batch_size' must be a whole number of at least 1"),
        (GOOD + "max_slot = true", "'max_slot' must be a whole number of at least 1"),
        (GOOD.replace('["opaque"]', '"opaque"'), "'dialects' must be a list of texts"),
        (GOOD.replace('["opaque"]', "[]"), "'dialects' is empty; name at least one"),
        (GOOD + "tag = 'ebs'", "'tag' must contain {placement} once"),
        (GOOD + "tag = '{placement}{x}'", "'tag' must contain {placement} once and no other braces"),
        (GOOD + "error_patterns = ['(']", "'error_patterns' has a bad regular expression '('"),
        (GOOD + "options = 3", "'options' must be a table"),
        (GOOD + "[options]\nuplink = 'eth0'", "'options.uplink' must be a table with help, default, pattern"),
        (GOOD + "[options.Up-link]", "'options.Up-link': an option is named with lower-case letters"),
        (GOOD + "[options.items]", "'options.items': Jinja reads options.items as a method"),
        (GOOD + "[options.a]\nhlp = 'x'", "'options.a.hlp' is unknown"),
        (GOOD + "[options.a]\nhelp = 3", "'options.a.help' must be a text"),
        (GOOD + "[options.a]\npattern = '['", "'options.a.pattern' has a bad regular expression '['"),
        (GOOD + "[options.a]\ndefault = 'X'\npattern = '[a-z]'", "'options.a.default' 'X' does not match its pattern '[a-z]'"),
        ("title = ", "is not TOML: "),
    ],
)
def test_bad_settings(tmp_path: Path, toml: str, message: str) -> None:
    folder = write(tmp_path, toml=toml)
    with pytest.raises(BadFile) as caught:
        load_directory(tmp_path)
    assert any(str(problem).startswith(f"{folder / 'profile.toml'}: {message}") for problem in caught.value.problems)
    assert "nothing was changed" in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    folder = write(tmp_path, toml=None, subacc_add="x")
    (folder / "account_add.j2").write_bytes(b"ab\xff")
    with pytest.raises(BadFile) as caught:
        load_directory(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{folder}/profile.toml: is missing; it needs at least title, dialects and transports",
        f"{folder}/account_add.j2: is not UTF-8 (byte 3); save it as UTF-8",
        f"{folder}/subacc_add.j2: 'subacc_add' is no action; name it {', '.join(Action)} or bootstrap",
    ]


def test_bad_folder_name(tmp_path: Path) -> None:
    write(tmp_path, name="My NAS")
    with pytest.raises(BadFile, match="a profile's folder is named with"):
        load_directory(tmp_path)


def test_own_directory_adds_and_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, own = tmp_path / "shipped_profiles", tmp_path / "own"
    shipped.mkdir()
    own.mkdir()
    write(shipped, "one", account_add="a")
    write(shipped, "two", account_add="a")
    write(own, "two", account_delete="d")
    write(own, "three")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("actions.catalogue.PACKAGE", "shipped_profiles")
    profiles = load_profiles(own)
    assert sorted(profiles) == ["one", "three", "two"]
    assert dict(profiles["two"].templates) == {"account_delete": "d"}
    assert sorted(load_profiles()) == ["one", "two"]
    with pytest.raises(InputError, match="there is no directory"):
        load_profiles(tmp_path / "missing")
    monkeypatch.setattr("actions.catalogue.PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="no_such_package with the shipped profiles is missing"):
        load_profiles()
