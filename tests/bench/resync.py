"""A whole resync of a real Linux NAS with 5,000 subscribers over SSH, against the bare listings over a connection of their own.

Without arguments: makes the NAS and runs the client inside its namespace (``… PORT KEY_FILE HOST_KEY FOLDER``).
"""

from __future__ import annotations

import getpass
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ebs_core.domain.nas import Endpoint
from ebs_core.services.reconciler import RESYNC
from ebs_server.bootstrap import Site
from nas_backends.contract import Request
from nas_backends.transports.ssh import SshExecutor
from tests.bench.figures import report, seconds, skip
from tests.bench.linux_observe import BARE
from tests.bench.site import fill, new_site
from tests.bench.subscribers import OPTIONS, address, profile
from tests.fixtures import namespaces
from tests.fixtures.sshd import SSHD, running_sshd

SAME = "Linux over SSH, 5,000 subscribers: whole resync without a difference, times the bare listings"
DIFFERENT = "Linux over SSH, 5,000 subscribers: 50 differences found and repaired, times a resync without one"
PROVED = "Linux over SSH, 5,000 subscribers: 50 differences found, repaired and read back again, times a resync without one"
SUBSCRIBERS, DIFFERENCES, ROUNDS = 5000, 50, 9


def run() -> None:
    if reason := namespaces.why_not() or ("" if SSHD else "needs sshd"):
        skip(SAME, reason)
        skip(DIFFERENT, reason)
        skip(PROVED, reason)
        return
    with namespaces.namespace() as nas, tempfile.TemporaryDirectory(prefix="ebs-bench-") as folder:
        namespaces.link(nas, "sub0", nas, "sub0-peer")
        namespaces.link(nas, "up0", nas, "up0-peer")
        with running_sshd(Path(folder), within=namespaces.within(nas)) as server:
            at = server.endpoint
            inside = [sys.executable, "-m", "tests.bench.resync", str(at.port), str(at.key_file), str(at.host_key), folder]
            subprocess.run(namespaces.within(nas, *inside), check=True)


def main() -> None:
    port, key_file, host_key, folder = sys.argv[1:]
    login = {"address": "127.0.0.1", "port": int(port), "login": getpass.getuser(), "key_file": key_file, "host_key": host_key}
    endpoint = Endpoint("bench", profile("linux"), "ssh", **login)
    with new_site(f"sqlite:///{Path(folder) / 'ebs.sqlite3'}", Path(folder)) as site:
        fill(site, [{"name": "bench", "profile": "linux", "transport": "ssh", "options": OPTIONS["linux"], **login}], SUBSCRIBERS)
        site.setup.bootstrap("bench")
        first = site.reconciler.apply_nas("bench")
        assert first.ok and first.verified == SUBSCRIBERS, first
        _resync(site, 0)
        proving = _timed(site)
        rounds = []
        for number in range(ROUNDS):
            bare, same = seconds(lambda: _bare(endpoint)), seconds(lambda: _resync(site, 0))
            _break(number)
            proving.clear()
            different = seconds(lambda: _resync(site, DIFFERENCES))
            rounds.append((bare, same, different - sum(proving), different))
    bare, same, repaired, proved = (statistics.median(one) for one in zip(*rounds, strict=True))
    to_same = [(one[2] / one[1], one[3] / one[1]) for one in rounds]
    report(SAME, statistics.median(one[1] / one[0] for one in rounds), "ratio", "lower", 1.5, bare=bare, resync=same)
    report(DIFFERENT, statistics.median(one[0] for one in to_same), "ratio", "lower", 1.3, without=same, repaired=repaired)
    report(PROVED, statistics.median(one[1] for one in to_same), "ratio", "lower", 1.3, without=same, proved=proved)


def _timed(site: Site) -> list[float]:
    """The seconds that reading back what was sent takes, one entry each time."""
    took: list[float] = []
    look_at = site.observer.look_at

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        found = look_at(*arguments)
        took.append(time.perf_counter() - started)
        return found

    site.observer.look_at = timed  # type: ignore[method-assign]
    return took


def _resync(site: Site, differences: int) -> None:
    result = site.reconciler.apply_nas("bench", goal=RESYNC)
    assert result.ok and len(result.drifted) == differences, (result.failure, len(result.drifted))


def _bare(endpoint: Endpoint) -> None:
    executor = SshExecutor(endpoint)
    for command in BARE:
        answer = executor.run(Request(command), 60)
        assert answer.status == 0, answer.output[:300]
    executor.close()


def _break(number: int) -> None:
    """Somebody changes the speed of 25 subscribers and locks out 25 others by hand."""
    slots = range(1 + number * DIFFERENCES, 1 + (number + 1) * DIFFERENCES)
    half = DIFFERENCES // 2
    tc = "".join(f"class change dev sub0 parent 1: classid 1:{slot:x} htb rate 1mbit\n" for slot in slots[:half])
    subprocess.run(["tc", "-batch", "-"], input=tc, text=True, check=True, stdout=subprocess.DEVNULL)
    nft = "".join(f"delete element inet ebs enabled {{ {address(slot)} }}\n" for slot in slots[half:])
    subprocess.run(["nft", "-f", "-"], input=nft, text=True, check=True)


if __name__ == "__main__":
    main()
