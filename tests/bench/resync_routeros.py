"""A whole resync of a simulated router with 50,000 records of 25,000 subscribers, against printing them."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path

import librouteros

from ebs_core.domain.nas import Endpoint
from ebs_core.services.reconciler import RESYNC
from ebs_server.bootstrap import Site
from tests.bench.figures import report, seconds
from tests.bench.routeros_observe import LIST, QUEUE, WANTED, bare
from tests.bench.routeros_router import LOGIN, PASSWORD, router
from tests.bench.site import fill, new_site
from tests.bench.subscribers import OPTIONS

NAME = "RouterOS API, 50,000 records of 25,000 subscribers: whole resync, times"
SUBSCRIBERS, ROUNDS, TARGET = 25_000, 5, 1.5


def run() -> None:
    with router(0) as endpoint, tempfile.TemporaryDirectory(prefix="ebs-bench-") as folder:
        login = {"address": endpoint.address, "port": endpoint.port, "login": LOGIN}
        with new_site(f"sqlite:///{Path(folder) / 'ebs.sqlite3'}", Path(folder)) as site:
            password = site.secrets.seal(PASSWORD)
            nas = {"name": "bench", "profile": "mikrotik", "transport": "routeros_api", "options": OPTIONS["mikrotik"]}
            fill(site, [{**nas, **login, "password": password}], SUBSCRIBERS)
            first = site.reconciler.apply_nas("bench")
            assert first.ok and first.verified == SUBSCRIBERS, first
            _resync(site)
            rounds = [
                (bare(endpoint, [LIST, QUEUE]), _librouteros(endpoint), seconds(partial(_resync, site))) for _ in range(ROUNDS)
            ]
    took = dict(zip(("bare_socket", "librouteros", "resync"), map(statistics.median, zip(*rounds, strict=True)), strict=True))
    for what, number, target in (("the print by librouteros", 1, TARGET), ("a socket that only receives", 0, None)):
        report(f"{NAME} {what}", statistics.median(one[2] / one[number] for one in rounds), "ratio", "lower", target, **took)


def _resync(site: Site) -> None:
    result = site.reconciler.apply_nas("bench", goal=RESYNC)
    assert result.ok and result.right == SUBSCRIBERS and not result.commands, result


def _librouteros(endpoint: Endpoint) -> float:
    """The same properties as dictionaries."""
    api = librouteros.connect(host=endpoint.address, port=endpoint.port, username=LOGIN, password=PASSWORD)
    try:
        return seconds(lambda: [list(_rows(api, table)) for table in (LIST, QUEUE)])
    finally:
        api.close()


def _rows(api: librouteros.api.Api, table: str) -> object:
    return api(f"/{table.replace(' ', '/')}/print", **{".proplist": ",".join(WANTED[table])})
