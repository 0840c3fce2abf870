"""`ebs init`, and how the database and the key are found."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ebs_core import config
from tests.integration.cli.conftest import HOME, Ebs, dead_nas, person, site


@pytest.fixture
def bare(place: Path) -> Ebs:
    """No database, no key, no environment."""
    return Ebs(place, f"sqlite:///{place / 'ebs.sqlite3'}")


def test_a_fresh_site_and_init_again(any_ebs: Ebs) -> None:
    any_ebs.load(site([dead_nas()], person(1, own={"password": "one"})))
    before, key = any_ebs.dump(), any_ebs.key_file.read_bytes()
    again = any_ebs.ok("init")
    assert "kept" in again.out
    assert (any_ebs.dump(), any_ebs.key_file.read_bytes()) == (before, key)
    assert any_ebs.json("status")["nases"][0]["pending"] == 1


def test_the_key_file_is_its_owners_alone(any_ebs: Ebs) -> None:
    assert stat.S_IMODE(any_ebs.key_file.stat().st_mode) == 0o600
    assert any_ebs.key_file.read_text().strip() not in any_ebs.run("status").text


def test_database_option_leaves_a_config_file_for_later_commands(bare: Ebs, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bare.ok("init", "--database", f"sqlite:///{bare.folder / 'db' / 'mine.sqlite3'}")
    assert "ebs.toml" in made.out
    assert (bare.folder / "db" / "mine.sqlite3").exists()
    assert stat.S_IMODE((bare.folder / "db" / "ebs.key").stat().st_mode) == 0o600
    bare.ok("import", bare.write("tariffs: [{name: Дом}]"))
    assert [row["name"] for row in bare.json("tariff", "list")] == ["Дом"]
    other = bare.folder / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert bare.run("tariff", "list").status == 2, "another folder is another site"


def test_a_relative_database_option_still_means_the_same_file_later(bare: Ebs) -> None:
    bare.ok("init", "--database", "sqlite:///here.sqlite3")
    assert (bare.folder / "here.sqlite3").exists()
    assert str(bare.folder / "here.sqlite3") in (bare.folder / "ebs.toml").read_text()
    assert bare.json("tariff", "list") == []


def test_relative_paths_in_a_config_file_start_at_its_folder(bare: Ebs, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.ok("init", "--database", f"sqlite:///{bare.folder / 'ebs.sqlite3'}")
    (bare.folder / "ebs.toml").write_text('database = "sqlite:///ebs.sqlite3"\nkey_file = "ebs.key"\n')
    elsewhere = bare.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("EBS_CONFIG", str(bare.folder / "ebs.toml"))
    assert bare.json("tariff", "list") == []


def test_init_for_another_database_says_that_later_commands_use_the_old_one(bare: Ebs) -> None:
    bare.ok("init", "--database", f"sqlite:///{bare.folder / 'one.sqlite3'}")
    second = bare.ok("init", "--database", f"sqlite:///{bare.folder / 'two.sqlite3'}")
    assert "ebs.toml" in second.text, "the config file names another database: that must be said"


def test_commands_before_init_name_the_remedy(bare: Ebs) -> None:
    for words in (("plan",), ("status", "--json"), ("account", "list"), ("import", bare.write("tariffs: []"))):
        result = bare.run(*words)
        assert result.status == 2
        assert result.out == ""
        assert "ebs init" in result.err or "EBS_DATABASE_URL" in result.err


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:hunter2@localhost/ebs",
        "postgresql://u:hunter2@127.0.0.1:1/ebs",
        "postgresql://u:hunter2@127.0.0.1:port/ebs",
        "postgresql+asyncpg://u:hunter2@127.0.0.1/ebs",
        "mysql://root:odd@hunter2@localhost/ebs",
        "http://",
        "://",
        "sqlite:////proc/nowhere/ebs.sqlite3",
        "sqlite:////dev/null/ebs.sqlite3",
        "sqlite:////dev",
    ],
)
def test_an_unusable_database_url_is_named_without_its_password(bare: Ebs, url: str) -> None:
    for words in (("init", "--database", url), ("--database", url, "status")):
        result = bare.run(*words)
        assert result.status == 2
        assert result.out == ""
        assert "hunter2" not in result.text
    assert not (bare.folder / "ebs.toml").exists()
    assert not (bare.folder / "ebs.key").exists()


def test_a_file_that_is_no_database(bare: Ebs) -> None:
    (bare.folder / "text.sqlite3").write_text("this is a letter, not a database, and it is long enough\n" * 50)
    for words in (("init",), ("status",)):
        result = bare.run(*words, "--database", f"sqlite:///{bare.folder / 'text.sqlite3'}")
        assert result.status == 2
        assert "not a database" in result.err


def test_a_key_folder_that_cannot_be_written(bare: Ebs) -> None:
    result = bare.run("init", "--database", bare.url, "--key-file", "/dev/null/ebs.key")
    assert result.status == 2
    assert "/dev/null" in result.err


def test_the_key_of_another_site_is_refused_with_the_remedy(ebs: Ebs) -> None:
    ebs.load(site([dead_nas(password="one")], person(1)))
    ebs.key_file.write_text("qaqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=\n")
    message = ebs.refused("import", ebs.write("nases: [{name: nas1, password: two}]"))
    assert "EBS_KEY_FILE" in message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"short\n", "ключ\n".encode()])
def test_a_damaged_key_file_is_named(ebs: Ebs, content: bytes) -> None:
    ebs.load(site([dead_nas(password="one")], person(1)))
    ebs.key_file.write_bytes(content)
    assert "key" in ebs.refused("subaccount", "set", "a-1-1", "password=x")
    assert ebs.run("init").status == 2, "never replaced"
    assert ebs.key_file.read_bytes() == content


def test_a_lost_key_is_not_silently_replaced(ebs: Ebs) -> None:
    """A new key beside sealed passwords makes them unreadable at the next apply: init has to say so."""
    ebs.load(site([dead_nas(password="one")], person(1)))
    ebs.key_file.unlink()
    result = ebs.run("init")
    assert result.status == 2 or "cannot be read" in result.err
    assert "backup" in result.text or "password" in result.text


def test_a_broken_config_file_is_named(bare: Ebs) -> None:
    for content in ("database = ", "database = 5", 'databse = "x"', "\x00", 'resync_seconds = "60"', "pulse_seconds = true"):
        (bare.folder / "ebs.toml").write_text(content)
        result = bare.run("status")
        assert result.status == 2
        assert "ebs.toml" in result.err


def test_how_often_nases_are_read_back_can_be_said(bare: Ebs, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare.folder / "ebs.toml").write_text("resync_seconds = 60\n")
    monkeypatch.setenv("EBS_CONFIG", str(bare.folder / "ebs.toml"))
    assert config.load().resync_seconds == 60 and config.load().pulse_seconds == 60
    monkeypatch.setenv("EBS_PULSE_SECONDS", "5")
    assert config.load().pulse_seconds == 5
    for wrong in ("0", "-1", "1h", "99999999"):
        monkeypatch.setenv("EBS_RESYNC_SECONDS", wrong)
        result = bare.run("status")
        assert result.status == 2 and "resync_seconds" in result.err and wrong in result.err


def test_key_rotation_keeps_every_password(ebs: Ebs) -> None:
    ebs.load(site([dead_nas(password="one")], person(1, own={"password": "two"}, password="three"), tariffs=(HOME,)))
    old = ebs.key_file.read_text()
    assert "3 secrets" in ebs.ok("key", "rotate").out
    new = ebs.key_file.read_text()
    assert new.endswith(old) and new != old
    assert stat.S_IMODE(ebs.key_file.stat().st_mode) == 0o600
    assert "nothing changed" in ebs.ok("subaccount", "set", "a-1-1", "password=two").out
