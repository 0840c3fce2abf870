"""Reading 5,000 subscribers of a real Linux NAS back over SSH, against the bare listings over the same connection.

Without arguments: makes the NAS and runs the client inside its namespace (``… PORT KEY_FILE HOST_KEY``).
"""

from __future__ import annotations

import getpass
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ebs_core.domain.commands import Job
from ebs_core.domain.nas import Endpoint
from ebs_core.domain.records import DeviceModel
from nas_backends.contract import Request
from nas_backends.transports.ssh import SshExecutor
from tests.bench.figures import medians, report, seconds, skip
from tests.bench.subscribers import OPTIONS, all_ok, backends, batch, profile, renderer
from tests.fixtures import namespaces
from tests.fixtures.sshd import SSHD, running_sshd

NAME = "Linux over SSH, 5,000 subscribers: reading back, times the bare listings"
SUBSCRIBERS, ROUNDS, TARGET = 5000, 15, 1.0
BARE = ("nft -j list table inet ebs", "tc -j class show dev sub0", "tc -j class show dev up0")


def run() -> None:
    if reason := namespaces.why_not() or ("" if SSHD else "needs sshd"):
        skip(NAME, reason)
        return
    with namespaces.namespace() as nas, tempfile.TemporaryDirectory(prefix="ebs-bench-") as folder:
        namespaces.link(nas, "sub0", nas, "sub0-peer")
        namespaces.link(nas, "up0", nas, "up0-peer")
        with running_sshd(Path(folder), within=namespaces.within(nas)) as server:
            at = server.endpoint
            inside = [sys.executable, "-m", "tests.bench.linux_observe", str(at.port), str(at.key_file), str(at.host_key)]
            subprocess.run(namespaces.within(nas, *inside), check=True)


def main() -> None:
    port, key_file, host_key = sys.argv[1:]
    linux = profile("linux")
    endpoint = Endpoint("bench", linux, "ssh", "127.0.0.1", int(port), getpass.getuser(), key_file=key_file, host_key=host_key)
    wanted = _fill(endpoint)
    executor, session = SshExecutor(endpoint), backends.open(endpoint)
    rounds: list[tuple[float, float]] = []

    def bare() -> float:
        return seconds(lambda: _list(executor))

    def observe() -> float:
        return seconds(lambda: session.observe(wanted))

    def paired() -> float:
        rounds.append((bare(), observe()))
        return rounds[-1][1]

    reading = session.observe(wanted)
    records = sum(map(len, reading.lines.values()))
    assert records == 6 * SUBSCRIBERS

    def parse_all() -> float:
        return seconds(lambda: [reading.parse(table, line) for table, lines in reading.lines.items() for line in lines])

    took = medians(ROUNDS, {"observe": paired, "parse_all": parse_all, "vitals": lambda: seconds(session.vitals)})
    took["bare"] = statistics.median(one for one, _ in rounds)
    ratio = statistics.median(ours / theirs for theirs, ours in rounds)
    report(NAME, ratio, "ratio", "lower", TARGET, records=records, **took)
    session.close()
    executor.close()


def _fill(endpoint: Endpoint) -> dict[str, set[str]]:
    """Send everybody; the tables that this fills, with their properties."""
    here, kind = backends.open(Endpoint("bench", endpoint.profile, "local")), endpoint.profile
    rendered = renderer().bootstrap(kind, {"options": OPTIONS[kind.name]})
    work = batch(kind, "ssh", SUBSCRIBERS)
    all_ok(here.run([Job(0, backends.parse(kind, "local", rendered))]))
    all_ok(here.run(work))
    here.close()
    model = DeviceModel()
    backends.fold(kind, work[0].commands, model)
    return {table: set(record) for table, record in model}


def _list(executor: SshExecutor) -> None:
    for command in BARE:
        answer = executor.run(Request(command), 60)
        assert answer.status == 0, answer.output[:300]


if __name__ == "__main__":
    main()
