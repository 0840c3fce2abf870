"""The demo: a small provider on simulated MikroTiks, from an empty database to access servers that break. No network, no root."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import click

from ebs_core.config import Config
from ebs_core.crypto import create_key_file
from ebs_core.services import sitefile, views
from ebs_core.services.applier import NasResult
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_server.bootstrap import Site
from ebs_server.cli.common import say
from ebs_server.cli.work import print_log_line, print_plan, print_results, progress_bars
from ebs_server.demo_faults import Breakages, Overdue
from ebs_server.demo_site import LOGIN, NORTH, PASSWORD, SOUTH, VERSIONS, site_file
from ebs_server.demo_truth import LISTED, QUEUES, SECRETS, demanded, failing, on_router
from nas_simulator import SimulatedNas

UPTIME_SECONDS = 41 * 86_400.0
_SHOWN = ("list", "address", "name", "target", "max-limit", "comment", "disabled")


class Demo:
    """Prints what it does; ``run`` is True if everything came out as it should."""

    def __init__(self, folder: Path, subscribers: int) -> None:
        self._folder = folder
        self._count = subscribers
        self._nases: dict[str, SimulatedNas] = {}

    def run(self) -> bool:
        with ExitStack() as stack:
            for name, version in VERSIONS.items():
                nas = SimulatedNas(name, LOGIN, PASSWORD, version, clock=_LongRunning())
                self._nases[name] = stack.enter_context(nas.start())
            site = self._init()
            stack.callback(site.close)
            self._import(site)
            results = self._apply(site, f"What has to be sent: the first of them (ebs plan --nas {SOUTH})", {SOUTH: 1})
            self._edit(site)
            results += self._apply(site, "What has to be sent now, and why (ebs plan)", {NORTH: 3, SOUTH: 1})
            self._show_hostile(site)
            try:
                Breakages(site, self._nases, self._title).run()
            except Overdue as error:
                click.secho(f"FAILED: {error}", bold=True)
            return self._verdict(site, results)

    def _title(self, text: str) -> None:
        click.echo()
        click.secho(f"── {text} " + "─" * max(0, 76 - len(text)), bold=True)

    def _init(self) -> Site:
        self._title("A new site: database, key, three simulated MikroTiks")
        url = f"sqlite:///{self._folder / 'ebs.sqlite3'}"
        config = Config(url, self._folder / "ebs.key", resync_seconds=1, pulse_seconds=1)
        create_key_file(config.key_file)
        database = Database(config.database)
        schema.upgrade(database)
        database.dispose()
        for name, nas in self._nases.items():
            say(f"{name}: RouterOS {VERSIONS[name]}, API on 127.0.0.1:{nas.api_port}, SSH on 127.0.0.1:{nas.ssh_port}")
        return Site(config)

    def _import(self, site: Site) -> None:
        path = self._folder / "site.yaml"
        path.write_text(site_file(self._nases, self._count), encoding="utf-8")
        self._title(f"Import of {self._count} subscribers (ebs import, ebs nas bootstrap --apply)")
        done = site.importer.import_site(sitefile.read(path))
        say("new: " + ", ".join(f"{what} {count}" for what, count in done.new.items()))
        for name in self._nases:
            site.setup.bootstrap(name)
        say("every NAS has its one-time set-up")

    def _apply(self, site: Site, title: str, shown: dict[str, int]) -> list[NasResult]:
        """``shown``: how many subscribers of which NAS's plan."""
        self._title(title)
        for name, limit in shown.items():
            print_plan(site.planner, site.planner.plan(name), limit=limit)
        self._title("Apply (ebs apply)")
        with progress_bars(show=True, everywhere=True) as report:
            results = site.reconciler.apply(list(self._nases), report)
        print_results(results)
        return results

    def _edit(self, site: Site) -> None:
        self._title("Life goes on (ebs account set …)")
        edits = (
            ("a-0001 spends his money", lambda: site.editor.set_account("a-0001", {"balance": "-0.01"})),
            ("a-0007 pays", lambda: site.editor.set_account("a-0007", {"balance": "100.00"})),
            ("a-0002 has himself blocked", lambda: site.editor.set_account("a-0002", {"status": "user_blocked"})),
            ("a-0003 gets another tariff", lambda: site.editor.set_account("a-0003", {"tariff": "Дом 50"})),
            ("a-0004 his own speed", lambda: site.editor.set_subaccount("a-0004-1", {"speed": "300M/150M"})),
            ("a-0005 another address", lambda: site.editor.set_subaccount("a-0005-1", {"ipn_ip_address": "10.78.0.5"})),
            ("a-0008 moves to another NAS", lambda: site.editor.set_subaccount("a-0008-1", {"nas": "nas-center"})),
            ("a-0009 leaves for good", lambda: site.editor.delete_account("a-0009")),
            (
                "the login of a-0011 (PPPoE) wants to be a command",
                lambda: site.editor.set_subaccount("a-0011-1", {"username": 'x"; /system reset-configuration [find] $(reboot)'}),
            ),
        )
        for _, edit in edits:
            edit()
        for start in range(0, len(edits), 3):
            say("; ".join(what for what, _ in edits[start : start + 3]))

    def _show_hostile(self, site: Site) -> None:
        self._title(f"What was sent for that login (ebs log), and what {SOUTH} has now")
        with site.database.read() as session:
            rows = [row for row in views.log(session, "a-0011") if "secret add" in row["command"]]
        print_log_line(rows[-1])
        router = self._nases[SOUTH].router
        for menu in (LISTED, QUEUES, SECRETS):
            items = router.items(menu)
            shown = {key: value for key, value in items[-1].items() if key in _SHOWN and value}
            say(f"{menu}, {len(items)} records, the last: " + "  ".join(f"{key}={value}" for key, value in shown.items()))

    def _verdict(self, site: Site, results: list[NasResult]) -> bool:
        self._title("The end: what the accounts demand against what the routers hold")
        good = all(result.ok for result in results)
        for name, nas in self._nases.items():
            wanted, there = demanded(site, name), on_router(nas)
            wrong = len(set(wanted) ^ set(there))
            say(
                f"{name}: {sum(line.passes for line in wanted)} may pass and {sum(line.passes for line in there)} do, "
                f"{sum(not line.passes for line in there)} are held back, {wrong} differ"
            )
            good = good and wanted == there and not failing(site, name)
        pending = sum(len(plan.items) for plan in site.planner.plan_all())
        good = good and not pending
        say("every subscriber is as his account demands" if good else f"SOMETHING IS LEFT TO DO ({pending} placements pending)")
        return good


class _LongRunning:
    """A clock by which whoever looks at it first has been running for weeks already."""

    def __init__(self) -> None:
        self._lead = 0.0

    def __call__(self) -> float:
        lead, self._lead = self._lead, UPTIME_SECONDS
        return time.monotonic() + lead
