"""A disk that fills up: a script of its own, because the small file system is in a private mount namespace.

``python -m tests.integration.faults.small_disk sqlite|postgresql FOLDER`` mounts it on FOLDER, and plays the whole story there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from ebs_core.domain.errors import StorageError
from nas_simulator import SimulatedNas
from tests.conftest import make_site
from tests.fixtures import postgres
from tests.integration.engine.conftest import ROOT, wait_for
from tests.integration.faults.town import Town

SIZES = {"sqlite": "8m", "postgresql": "200m"}
_PRIVATE = ("unshare", "--mount", "--propagation", "private")


@cache
def why_not() -> str:
    """Why there can be no small disk here; empty if there can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("unshare") is None:
        return "needs unshare (Debian: util-linux)"
    with tempfile.TemporaryDirectory() as folder:
        probe = [*_PRIVATE, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        return "" if subprocess.run(probe, capture_output=True, check=False).returncode == 0 else "cannot mount a tmpfs here"


def run(kind: str) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory(prefix="ebs-disk-", ignore_cleanup_errors=True) as folder:
        words = [*_PRIVATE, sys.executable, "-m", "tests.integration.faults.small_disk", kind, folder]
        return subprocess.run(words, cwd=ROOT, capture_output=True, check=False, timeout=120)


def story(kind: str, disk: Path, elsewhere: Path) -> None:
    with ExitStack() as stack:
        if kind == "sqlite":
            url = f"sqlite:///{disk}/ebs.sqlite3"
        else:
            url = postgres.new_database(stack.enter_context(postgres.running(disk)), "small")
        site = make_site(url, elsewhere)
        stack.callback(site.close)
        routers = {name: stack.enter_context(SimulatedNas(name, "ebs", "secret").start()) for name in ("nas1", "nas2")}
        town = Town(site, elsewhere, routers)
        town.settle(30)
        said = elsewhere / "said"
        assert all(result.ok for result in site.reconciler.apply(list(routers)))
        filler = disk / "filler"
        free = stack.enter_context(filled(filler))
        edits = until_full(town)
        worker = stack.enter_context(town.process(*town.worker, said=said))
        wait_for(lambda: "make room on the disk" in said.read_text(), 30, "the worker does not complain")
        before = {name: town.writes(name) for name in routers}
        for name in routers:
            assert not town.unlogged(name), "only what was written down before is sent"
        with pytest.raises(StorageError, match="make room on the disk"):
            while True:
                edits += 1
                site.editor.set_subaccount("a-1-1", {"speed": f"{edits}M"})
        assert {name: town.writes(name) for name in routers} == before, "nothing is sent meanwhile"
        assert worker.poll() is None
        free()
        for number in town.numbers:
            site.editor.set_subaccount(f"a-{number}-1", {"speed": "55M"})
        town.wait()
        assert worker.poll() is None
        town.check()


@contextmanager
def filled(filler: Path) -> Iterator[Callable[[], None]]:
    """To the last byte, and again when the database gives something back, until the given function is called."""
    enough = threading.Event()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            while not enough.is_set():
                for size in (1 << 20, 1 << 12, 1):
                    with suppress(OSError):
                        while not enough.is_set():
                            file.write(b"x" * size)
                enough.wait(0.01)

    filling = threading.Thread(target=fill)
    filling.start()

    def free() -> None:
        enough.set()
        filling.join()
        filler.unlink(missing_ok=True)

    try:
        yield free
    finally:
        free()


def until_full(town: Town) -> int:
    """Edits go on until one is refused, for there is some room within the files that are there; their number."""
    edits = 0
    with suppress(StorageError):
        while True:
            for number in town.numbers:
                edits += 1
                town.site.editor.set_subaccount(f"a-{number}-1", {"speed": f"{edits}M", "comment": "x" * 200})
    return edits


def main(kind: str, folder: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZES[kind]},mode=0711", "tmpfs", folder], check=True)
    with tempfile.TemporaryDirectory() as elsewhere:
        story(kind, Path(folder), Path(elsewhere))


if __name__ == "__main__":
    main(*sys.argv[1:])
