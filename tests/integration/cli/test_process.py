"""The installed command as a process of its own: environment, pipes, terminals that know no Cyrillic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Ebs, Stock, dead_nas, person, site

MAIN = [sys.executable, "-c", "from ebs_server.cli.main import main; main()"]


def start(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MAIN, *words], capture_output=True, timeout=60, cwd=folder, env={**os.environ, **environment})


def test_a_site_from_nothing(place: Path) -> None:
    assert start("init", "--database", "sqlite:///ebs.sqlite3", folder=place).returncode == 0
    (place / "site.yaml").write_text("accounts: [{username: а-1, full_name: Анна}]")
    assert start("import", "site.yaml", folder=place).returncode == 0
    shown = start("account", "list", folder=place)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert "Анна" in shown.stdout.decode()
    bad = start("account", "set", "а-1", "balance=ten", folder=place)
    assert (bad.returncode, bad.stdout) == (2, b"")
    assert b"Traceback" not in bad.stderr


@pytest.mark.parametrize("encoding", ["ascii", "koi8-r", "cp1251"])
def test_a_terminal_that_lacks_a_letter(ebs: Ebs, encoding: str) -> None:
    ebs.load(site([dead_nas()], person(1, full_name="Анна 🙂")))
    for words in (("account", "list"), ("account", "list", "--json")):
        done = start(*words, folder=ebs.folder, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]
        assert b"a-1" in done.stdout


@pytest.mark.parametrize("words", ["account show \udcff", "import \udcff.yaml", "account set a-1 full_name=\udcff",
                                   "account set \udcff balance=1", "log --account \udcff", "plan --nas \udcff", "account list \udcff",  # noqa: E501
                                   "template show --nas \udcff --action subaccount_add", "hold release \udcff"])  # fmt: skip
def test_words_that_are_not_utf8(stock: Stock, words: str) -> None:
    """A shell passes any bytes."""
    ebs = stock("one", site([dead_nas()], person(1)))
    done = start(*words.split(), folder=ebs.folder)
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")[-500:]
    assert done.returncode in (0, 2)


def test_a_reader_that_leaves_early(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()], *(person(number, full_name="x" * 500) for number in range(1, 300))))
    with subprocess.Popen([*MAIN, "plan"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.wait(timeout=60)
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_a_full_disk_behind_standard_output(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()], person(1)))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*MAIN, "account", "list"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr


def test_init_without_a_home_or_any_setting(place: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EBS_", "XDG_")) and name != "HOME"}
    environment["XDG_DATA_HOME"] = environment["XDG_CONFIG_HOME"] = str(place / "xdg")
    done = subprocess.run([*MAIN, "init"], capture_output=True, timeout=60, cwd=place, env=environment)
    assert done.returncode == 0, done.stderr
    assert (place / "xdg" / "ebs" / "ebs.sqlite3").exists()
