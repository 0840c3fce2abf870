from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from nas_simulator.__main__ import main
from nas_simulator.runner import numbered
from tests.unit.simulator.raw_client import RawClient


def test_the_command_serves_until_ctrl_c() -> None:
    command = [sys.executable, "-m", "nas_simulator", "--count", "2", "--name", "gw", "--login", "a", "--password", "b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().split(maxsplit=4) for _ in range(2)]
            assert [line[0] for line in lines] == ["gw1", "gw2"]
            assert lines[0][4].startswith("host-key=ssh-ed25519 AAAA")
            client = RawClient(int(lines[1][2].removeprefix("api=")))
            client.login("a", "b")
            assert client.talk("/system/identity/print")[0] == ["!re", "=name=gw2"]
            client.close()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=10) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


def test_a_wrong_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "seven"]) == 1
    assert "RouterOS version expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "index", "count", "result"), [("nas1", 0, 1, "nas1"), ("nas1", 2, 3, "nas3"), ("gw", 1, 2, "gw2")]
)
def test_names_count_up(name: str, index: int, count: int, result: str) -> None:
    assert numbered(name, index, count) == result
