"""A small site on simulated MikroTiks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ebs_core.services import sitefile
from ebs_core.services.planner import current_tariffs
from ebs_core.services.variables import Facts
from ebs_core.storage.tables import Account, Placement, Subaccount, Tariff
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas

LISTED, QUEUES = "/ip/firewall/address-list", "/queue/simple"


def subscriber(number: int, nas: str, **account: Any) -> dict[str, Any]:
    return {
        "username": f"a-{number}",
        "full_name": f"Квартира {number}",
        "balance": "10.00",
        "tariff": "Home",
        "subaccounts": [
            {
                "username": f"a-{number}-1",
                "password": f"секрет-{number}",
                "nas": nas,
                "ipn_ip_address": f"10.77.{number // 250}.{number % 250}",
                "vlan": 100 + number % 1000,
            }
        ],
        **account,
    }


def document(nases: list[dict[str, Any]], accounts: list[dict[str, Any]]) -> dict[str, Any]:
    tariffs = [
        {"name": "Home", "speed": {"download": "50M", "upload": "20M"}},
        {"name": "Fast", "speed": {"download": "100M", "upload": "100M"}},
    ]
    return {"nases": nases, "tariffs": tariffs, "accounts": accounts}


def import_site(site: Site, site_document: dict[str, Any], folder: Path) -> None:
    path = folder / "site.yaml"
    path.write_text(json.dumps(site_document, ensure_ascii=False), encoding="utf-8")
    site.importer.import_site(sitefile.read(path))


def nas_row(nas: SimulatedNas, name: str = "nas1", transport: str = "routeros_api", **more: Any) -> dict[str, Any]:
    port = nas.api_port if transport == "routeros_api" else nas.ssh_port
    row = {"name": name, "profile": "mikrotik", "address": "127.0.0.1", "login": "ebs", "password": "secret", "port": port}
    return {**row, "transport": transport, **({"host_key": nas.host_key} if transport == "ssh" else {}), **more}


@pytest.fixture
def router() -> Iterator[SimulatedNas]:
    with SimulatedNas("nas1", "ebs", "secret").start() as nas:
        yield nas


def active(nas: SimulatedNas) -> dict[str, bool]:
    """Address to "has access", from the router's own list."""
    return {item["address"]: item["disabled"] != "true" for item in nas.router.items(LISTED) if item["list"] != "ebs_marker"}


def facts_of(site: Site) -> Facts:
    """Everything about subscriber 1 of a site that is imported here."""
    row = {"name": "nas1", "profile": "mikrotik", "address": "127.0.0.1", "password": "x", "secret": "y"}
    import_site(site, document([row], [subscriber(1, "nas1", password="z")]), site.config.key_file.parent)
    with site.database.read() as session:
        placement, account, subaccount, tariff = session.execute(
            select(Placement, Account, Subaccount, Tariff)
            .join(Account, Account.id == Placement.account_id)
            .join(Subaccount, Subaccount.id == Placement.subaccount_id)
            .join(Tariff, Tariff.id == Account.tariff_id)
        ).one()
        context = site.catalogue.load(session, "nas1")
        history = current_tariffs(session, [account.id])[account.id]
    from ebs_core.domain.speed import Speed

    speed = Speed(download=tariff.download, upload=tariff.upload)
    return Facts(context.facts, site.secrets, placement, account, subaccount, tariff, history, speed)
