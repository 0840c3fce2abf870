"""``ebs demo``: what it shows, and that its verdict is honest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ebs_server import demo_faults
from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import Ebs

BROKEN = (
    "nas-south is cut off",
    "nas-center reboots and has lost everything",
    "Somebody works on nas-north",
    "nas-south is back",
)


@pytest.fixture
def bare(place: Path) -> Ebs:
    """The command line without any site: the demo makes its own."""
    return Ebs(place, "")


def test_it_breaks_three_nases_and_all_is_right_in_the_end(bare: Ebs) -> None:
    done = bare.ok("demo", "--subscribers", "30")
    assert done.err == ""
    headings = [line for line in done.out.splitlines() if line.startswith("── ")]
    assert [sum(what in line for line in headings) for what in BROKEN] == [1, 1, 1, 1]
    assert "had lost: ip firewall filter" in done.out
    assert re.search(r"max-limit is 1000000/1000000, should be \d+/\d+$", done.out, re.M)
    assert "  orphan: ip firewall address-list: list=ebs_active address=10.99.0.1" in done.out
    assert "  of others, left alone: ip firewall address-list: list=ebs_active address=10.99.0.2" in done.out
    assert "NAS unreachable: 9" in done.out
    assert len(re.findall(r"^repaired \d+\.\d s after it was broken", done.out, re.M)) == 2
    assert done.out.splitlines()[-1] == "every subscriber is as his account demands"
    assert len(done.out.splitlines()) <= 150, "it can be read"
    assert list(bare.folder.iterdir()) == [], "nothing is left behind"


def test_it_says_so_when_something_is_left_wrong(bare: Ebs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that confirms its repair and stores nothing."""
    real = demo_faults.Breakages._edit_by_hand

    def sabotaged(self: demo_faults.Breakages) -> None:
        monkeypatch.setattr(demo_faults, "PATIENCE_SECONDS", 4.0)
        self._nases[demo_faults.NORTH].faults.accept_and_forget = True
        real(self)

    monkeypatch.setattr(demo_faults.Breakages, "_edit_by_hand", sabotaged)
    done = bare("demo", "--subscribers", "20", "--keep", "kept")
    assert done.status == 1
    assert "FAILED: waiting until it is found and repaired: not within 4 s" in done.out
    assert re.search(r"^nas-north: .*, 4 differ$", done.out, re.M), "two subscribers, and the record of nobody"
    assert "SOMETHING IS LEFT TO DO" in done.out
    assert {"ebs.sqlite3", "ebs.key", "site.yaml"} <= {path.name for path in Path("kept").iterdir()}
    assert "is not empty" in bare("demo", "--keep", "kept").err


def test_its_judge_asks_the_router(router: SimulatedNas) -> None:
    from ebs_server.demo_truth import LISTED, QUEUES, Line, on_router

    router.router.add(LISTED, list="ebs_active", address="10.7.0.1", comment="ebs:1")
    router.router.add(LISTED, list="ebs_active", address="10.7.0.2", comment="ebs:2", disabled="true")
    router.router.add(LISTED, list="ebs_active", address="10.7.0.3", comment="somebody")
    router.router.add(QUEUES, name="q", target="10.7.0.1/32", max_limit="2000000/5000000", comment="ebs:1")
    assert on_router(router) == [Line("10.7.0.1", True, "2000000/5000000"), Line("10.7.0.2", False, "no queue")]
