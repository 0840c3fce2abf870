"""Files made to hang or crash a reader: each runs in a process of its own, with a deadline and a memory limit."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.integration.cli.conftest import Ebs

MEMORY = 2**30
SECONDS = 20
MAIN = [sys.executable, "-c", "from ebs_server.cli.main import main; main()"]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def laughs(levels: int = 12) -> str:
    lines = ["x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + f"\naccounts: *x{levels - 1}\n"


def laughing_subaccounts(levels: int = 12) -> str:
    """Through the one field that is read as deep as it goes."""
    lines = ["accounts:", "  - &x0 {username: x}"]
    lines += [f"  - &x{n} {{username: x{n}, subaccounts: [{', '.join([f'*x{n - 1}'] * 9)}]}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


BOMBS = {
    "billion laughs": laughs(),
    "laughing subaccounts": laughing_subaccounts(),
    "a list within itself": "accounts: &a [*a]\n",
    "an account within itself": "accounts:\n  - &a {username: x, subaccounts: [*a]}\n",
    "a mapping within itself": "nases:\n  - {name: x, profile: mikrotik, address: y, options: &o {a: *o}}\n",
    "deep lists": "accounts: " + "[" * 100_000,
    "deep closed lists": "accounts: " + "[" * 3_000 + "]" * 3_000,
    "deep mappings": "accounts: " + "{a: " * 3_000 + "}" * 3_000,
    "deep blocks": "".join(" " * depth + "a:\n" for depth in range(2_000)),
    "deep subaccounts": "accounts: " + "[{username: x, subaccounts: " * 900 + "[]" + "}]" * 900,
    "five megabytes of text": "accounts: [{username: x, full_name: '" + "я" * 2_500_000 + "'}]",
    "five megabytes in one name": "accounts: [{'" + "a" * 5_000_000 + "': x}]",
    "a long number": "accounts: [{username: x, balance: " + "9" * 1_000_000 + "}]",
    "a long speed": "tariffs: [{name: x, speed: {download: " + "9" * 1_000_000 + "M}}]",
    "five megabytes of brackets": "]" * 5_000_000,
    "five megabytes of rows": "accounts:\n" + "  - {username: x}\n" * 280_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_file_hangs_or_crashes_the_import(ebs: Ebs, bomb: str) -> None:
    path, before = ebs.write(BOMBS[bomb], "bomb.yaml"), ebs.dump()
    done = subprocess.run([*MAIN, "import", path], capture_output=True, timeout=SECONDS, preexec_fn=limited, text=True)
    assert done.returncode == 2, done.stderr[-300:]
    assert not done.stderr.startswith("Traceback")
    assert "bomb.yaml" in done.stderr
    assert done.stdout == ""
    assert (len(done.stderr) < 20_000) is True, "a message for people"
    assert ebs.dump() == before
