"""A thousand subscribers on a real Linux NAS over SSH: its own network namespace, sshd, nftables and tc."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.figures import skip
from tests.fixtures import namespaces
from tests.fixtures.sshd import SSHD, running_sshd

NAMES = (
    "Linux over SSH, 1,000 subscribers: times the same lines by hand",
    "Linux over SSH, 1,000 subscribers: whole apply, times by hand",
    "Linux over SSH, 1,000 subscribers: faster than a connection per command",
)


def run() -> None:
    reason = namespaces.why_not() or ("" if SSHD else "needs sshd")
    if reason:
        for name in NAMES:
            skip(name, reason)
        return
    with namespaces.namespace() as nas, tempfile.TemporaryDirectory(prefix="ebs-bench-") as folder:
        namespaces.link(nas, "sub0", nas, "sub0-peer")
        namespaces.link(nas, "up0", nas, "up0-peer")
        with running_sshd(Path(folder), within=namespaces.within(nas)) as server:
            at = server.endpoint
            inside = [sys.executable, "-m", "tests.bench.linux_inside", str(at.port), str(at.key_file), str(at.host_key), folder]
            subprocess.run(namespaces.within(nas, *inside), check=True)
