"""Processes of the background job, with what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exists, select

from ebs_core.storage.tables import Nas, Placement
from ebs_server.bootstrap import Site

EBS = [sys.executable, "-c", "from ebs_server.cli.main import main; main()"]
LONGEST = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak(self) -> float:
        """Most memory so far, MB."""
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@contextmanager
def background(site: Site, *words: str) -> Iterator[Process]:
    """``ebs serve`` or ``ebs worker`` with its options, once it has started; ended in order."""
    environment = os.environ | {"EBS_DATABASE_URL": site.config.database, "EBS_KEY_FILE": str(site.config.key_file)}
    with subprocess.Popen([*EBS, *words], env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            while "started" not in (line := running.stderr.readline()):
                assert line, f"ebs {' '.join(words)} ended"
            yield Process(running.pid)
        finally:
            running.terminate()
            running.communicate()


def in_step(site: Site, *, looked: bool = True) -> None:
    """Wait until nothing is due anywhere; ``looked``: and every NAS was read back as a whole."""
    dirty = exists().where(Placement.changed != Placement.settled)
    unseen = exists().where(Nas.resync_at == 0)
    deadline = time.monotonic() + LONGEST
    while True:
        with site.database.read() as session:
            if not session.scalar(select(dirty)) and not (looked and session.scalar(select(unseen))):
                return
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)
