"""The demo: a small provider on simulated MikroTiks, from an empty database to changed subscribers. No network, no root."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

from ebs_core.config import Config
from ebs_core.crypto import create_key_file
from ebs_core.services import sitefile, views
from ebs_core.services.applier import NasResult
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_core.storage.tables import Placement
from ebs_server.bootstrap import Site
from ebs_server.cli.work import print_log_line, print_plan, print_results, progress_bars
from nas_simulator import SimulatedNas

LOGIN, PASSWORD = "ebs", "demo-password"
STREETS = ("Лесная", "Садовая", "Набережная", "Мира", "Гагарина", "Школьная")
FIRST = ("Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Игорь", "Лидия", "Олег")
LAST = ("Лебедь", "Коваленко", "Мороз", "Сокол", "Бондаренко", "Кравец", "Дубина", "Заяц", "Гончар", "Орел", "Шевченко")
TARIFFS = ("Дом 20", "Дом 50", "PPPoE 100")
BURST = {"burst_download": "80M", "burst_threshold_download": "40M", "burst_time_download": "12"}
ACTIVE_LIST, QUEUES, SECRETS = "/ip/firewall/address-list", "/queue/simple", "/ppp/secret"


class Demo:
    """Prints what it does; ``run`` is True if everything came out as it should."""

    def __init__(self, folder: Path, subscribers: int) -> None:
        self._folder = folder
        self._count = subscribers
        self._nases: dict[str, SimulatedNas] = {}

    def run(self) -> bool:
        with ExitStack() as stack:
            for name, version in (("nas-center", "7.16.2"), ("nas-north", "6.49.10"), ("nas-south", "6.42.12")):
                nas = SimulatedNas(name, LOGIN, PASSWORD, version)
                self._nases[name] = stack.enter_context(nas.start())
            site = self._init()
            stack.callback(site.close)
            self._import(site)
            first = self._apply(site, "What has to be sent", shown=2)
            self._show_nas("nas-north")
            self._edit(site)
            second = self._apply(site, "What has to be sent now, and why", shown=8)
            self._show_log(site)
            self._show_nas("nas-south")
            return self._verdict(site, first + second)

    def _title(self, text: str) -> None:
        click.echo()
        click.secho(f"── {text} " + "─" * max(0, 90 - len(text)), bold=True)

    def _init(self) -> Site:
        self._title("A new site: database, key, three simulated MikroTiks (RouterOS 7 and 6, API and SSH)")
        config = Config(f"sqlite:///{self._folder / 'ebs.sqlite3'}", self._folder / "ebs.key")
        create_key_file(config.key_file)
        database = Database(config.database)
        schema.upgrade(database)
        database.dispose()
        for name, nas in self._nases.items():
            click.echo(f"{name}: API on 127.0.0.1:{nas.api_port}, SSH on 127.0.0.1:{nas.ssh_port}")
        return Site(config)

    def _import(self, site: Site) -> None:
        path = self._folder / "site.yaml"
        path.write_text(_yaml(self._site()), encoding="utf-8")
        self._title(f"Import of a site file with {self._count} subscribers")
        done = site.importer.import_site(sitefile.read(path))
        click.echo("new: " + ", ".join(f"{what} {count}" for what, count in done.new.items()))
        for name in self._nases:
            site.setup.bootstrap(name)
        click.echo("bootstrap applied to every NAS")

    def _site(self) -> dict[str, Any]:
        return {
            "nases": [self._nas_row(name, nas) for name, nas in self._nases.items()],
            "tariffs": [
                {"name": "Дом 20", "speed": {"download": "20M", "upload": "10M"}},
                {"name": "Дом 50", "speed": {"download": "50M", "upload": "20M", **BURST}},
                {
                    "name": "PPPoE 100",
                    "access_type": "pppoe",
                    "nas_actions": True,
                    "speed": {"download": "100M", "upload": "100M"},
                },
            ],
            "accounts": [self._account_row(number) for number in range(1, self._count + 1)],
        }

    def _nas_row(self, name: str, nas: SimulatedNas) -> dict[str, Any]:
        row = {"name": name, "profile": "mikrotik", "address": "127.0.0.1", "login": LOGIN, "password": PASSWORD}
        if name == "nas-north":
            return {**row, "transport": "ssh", "port": nas.ssh_port, "host_key": nas.host_key}
        return {**row, "transport": "routeros_api", "port": nas.api_port}

    def _account_row(self, number: int) -> dict[str, Any]:
        name = f"{LAST[number % len(LAST)]} {FIRST[number % len(FIRST)]}, ул. {STREETS[number % len(STREETS)]}, кв. {number}"
        return {
            "username": f"a-{number:04d}",
            "full_name": name,
            "balance": "-15.50" if number % 10 == 7 else f"{number % 90 + 5}.00",
            "tariff": TARIFFS[number % 3],
            "subaccounts": [
                {
                    "username": f"a-{number:04d}-1",
                    "password": f"секрет-{number}",
                    "nas": list(self._nases)[number % 3],
                    "ipn_ip_address": f"10.77.{number // 250}.{number % 250 + 1}",
                    "ipn_mac_address": f"02:00:00:00:{number // 256:02x}:{number % 256:02x}",
                    "vlan": str(100 + number % 50),
                }
            ],
        }

    def _apply(self, site: Site, title: str, shown: int) -> list[NasResult]:
        self._title(f"{title} (ebs plan)")
        for plan in site.planner.plan_all():
            print_plan(site.planner, plan, limit=shown)
        self._title("Apply (ebs apply)")
        with progress_bars(show=True, everywhere=True) as report:
            results = site.applier.apply(list(self._nases), report)
        print_results(results)
        return results

    def _edit(self, site: Site) -> None:
        self._title("Life goes on: balances, speeds, an address, a deleted account")
        edits = (
            ("a-0001 spends his money", lambda: site.editor.set_account("a-0001", {"balance": "-0.01"})),
            ("a-0007 pays", lambda: site.editor.set_account("a-0007", {"balance": "100.00"})),
            ("a-0002 has himself blocked", lambda: site.editor.set_account("a-0002", {"status": "user_blocked"})),
            ("a-0003 gets another tariff", lambda: site.editor.set_account("a-0003", {"tariff": "Дом 50"})),
            ("a-0004 gets his own speed", lambda: site.editor.set_subaccount("a-0004-1", {"speed": "300M/150M"})),
            ("a-0005 gets another address", lambda: site.editor.set_subaccount("a-0005-1", {"ipn_ip_address": "10.78.0.5"})),
            (
                "a-0011 (PPPoE) gets a name that wants to be a command",
                lambda: site.editor.set_subaccount("a-0011-1", {"username": 'x"; /system reset-configuration [find] $(reboot)'}),
            ),
            ("a-0008 moves to another NAS", lambda: site.editor.set_subaccount("a-0008-1", {"nas": "nas-center"})),
            ("a-0009 leaves for good", lambda: site.editor.delete_account("a-0009")),
        )
        for what, edit in edits:
            edit()
            click.echo(what)

    def _show_nas(self, name: str) -> None:
        self._title(f"The first records on {name} itself")
        router = self._nases[name].router
        for menu in (ACTIVE_LIST, QUEUES, SECRETS):
            click.echo(f"{menu}: {len(router.items(menu))} records")
            for item in router.items(menu)[:2] + router.items(menu)[2:][-1:]:
                shown = {key: value for key, value in item.items() if key in _SHOWN and value}
                click.echo("   " + "  ".join(f"{key}={value}" for key, value in shown.items()))

    def _show_log(self, site: Site) -> None:
        self._title("What was sent for three of them, and what came back (ebs log)")
        with site.database.read() as session:
            for account in ("a-0001", "a-0005", "a-0011"):
                for row in views.log(session, account, limit=3):
                    print_log_line(row)

    def _verdict(self, site: Site, results: list[NasResult]) -> bool:
        self._title("The end")
        pending = sum(len(plan.items) for plan in site.planner.plan_all())
        failed = [result for result in results if not result.ok]
        commands = sum(result.commands for result in results)
        click.echo(f"{commands} commands sent, {len(failed)} NASes with failures, {pending} placements pending")
        with site.database.read() as session:
            entitled = session.scalar(select(func.count()).select_from(Placement).where(Placement.enabled.is_(True)))
        listed = [item for nas in self._nases.values() for item in nas.router.items(ACTIVE_LIST)]
        open_ = sum(item["disabled"] == "false" for item in listed)
        click.echo(f"{entitled} subscribers may have access; the routers let {open_} pass and hold {len(listed) - open_} back")
        good = not failed and not pending and entitled == open_
        click.echo("every subscriber is as his account demands" if good else "SOMETHING IS LEFT TO DO")
        return good


_SHOWN = ("list", "address", "name", "target", "max-limit", "comment", "disabled")


def _yaml(document: dict[str, Any]) -> str:
    """A site file; JSON is YAML, one object per line is easy to read."""
    lines = []
    for section, rows in document.items():
        lines.append(f"{section}:")
        lines += [f"  - {json.dumps(row, ensure_ascii=False)}" for row in rows]
    return "\n".join(lines) + "\n"
