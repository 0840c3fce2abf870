"""The client, inside the NAS's namespace, where nothing leaves the loopback: ``… PORT KEY_FILE HOST_KEY FOLDER``."""

from __future__ import annotations

import getpass
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete, update

from ebs_core.domain.commands import Job
from ebs_core.domain.nas import Endpoint
from ebs_core.storage.tables import ActionLog, Placement
from ebs_server.bootstrap import Site
from tests.bench.by_hand import PROGRAMS, connect, connection_each, run, scripts
from tests.bench.figures import medians, report, seconds
from tests.bench.linux import NAMES
from tests.bench.site import fill, new_site
from tests.bench.subscribers import OPTIONS, SUBSCRIBERS, all_ok, backends, batch, profile, renderer

OVERHEAD, FASTER = 1.5, 1000
ROUNDS, CONNECTIONS = 9, 20
TIDY = """
nft delete table inet ebs
ip neigh flush nud permanent dev sub0
tc qdisc del dev sub0 root
tc qdisc del dev up0 root
"""


def main() -> None:
    port, key_file, host_key, folder = sys.argv[1:]
    endpoint = Endpoint(
        "bench", profile("linux"), "ssh", "127.0.0.1", int(port), getpass.getuser(), key_file=key_file, host_key=host_key
    )
    with new_site(f"sqlite:///{folder}/ebs.sqlite3", Path(folder)) as site:
        place = {"address": endpoint.address, "port": endpoint.port, "login": endpoint.login}
        keys = {"key_file": key_file, "host_key": host_key}
        nas = {"name": "bench", "profile": "linux", "transport": "ssh", "options": OPTIONS["linux"], **place, **keys}
        fill(site, [nas], SUBSCRIBERS)
        _measure(endpoint, site)


def _measure(endpoint: Endpoint, site: Site) -> None:
    work = batch(endpoint.profile, "ssh")
    lines = scripts(work)
    session, transport = backends.open(endpoint), connect(endpoint)

    def ours() -> float:
        _empty()
        return seconds(lambda: all_ok(session.run(work)))

    def by_hand() -> float:
        _empty()
        return seconds(lambda: [run(transport, PROGRAMS[dialect], text) for dialect, text in lines.items()])

    def apply() -> float:
        _empty()
        _forget(site)
        return seconds(lambda: _apply(site))

    took = medians(ROUNDS, {"ours": ours, "by_hand": by_hand, "apply": apply})
    commands = sum(len(job.commands) for job in work)
    each = connection_each(endpoint, _shell_lines(work)) / CONNECTIONS * commands
    session.close()
    transport.close()
    report(NAMES[0], took["ours"] / took["by_hand"], "ratio", "lower", OVERHEAD, commands=commands, **took)
    report(NAMES[1], took["apply"] / took["by_hand"], "ratio", "lower", commands=commands, **took)
    report(NAMES[2], each / took["ours"], "ratio", "higher", FASTER, commands=commands, connection_each=each, ours=took["ours"])


def _empty() -> None:
    """The NAS as bootstrap leaves it, with no subscriber."""
    kind = profile("linux")
    subprocess.run(["sh", "-c", TIDY], stderr=subprocess.DEVNULL, check=False)
    rendered = renderer().bootstrap(kind, {"options": OPTIONS[kind.name]})
    here = backends.open(Endpoint("bench", kind, "local"))
    all_ok(here.run([Job(0, backends.parse(kind, "local", rendered))]))
    here.close()


def _forget(site: Site) -> None:
    """Nothing was ever sent."""
    with site.database.write() as session:
        fresh = {"presence": 0, "enabled": None, "speed": None, "key": None, "revision": None, "settled": 0, "failure": None}
        session.execute(update(Placement).values(fresh))
        session.execute(delete(ActionLog))


def _apply(site: Site) -> None:
    (result,) = site.reconciler.apply(["bench"])
    assert result.ok and result.done == SUBSCRIBERS, result


def _shell_lines(work: Sequence[Job]) -> list[str]:
    """The first subscribers' commands, whole subscribers after each other, as a shell takes them."""
    _empty()
    commands = [command for job in work for command in job.commands][:CONNECTIONS]
    texts = [(command.statement.dialect, command.statement.emit(command.values)) for command in commands]
    return [f"{dialect} '{text}'" if dialect == "nft" else f"{dialect} {text}" for dialect, text in texts]


if __name__ == "__main__":
    main()
