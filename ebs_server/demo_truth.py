"""The demo's judge: what the accounts demand against what the simulated routers hold. It asks the routers, not EBS."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from ebs_core.domain.speed import Speed
from ebs_core.storage.tables import Nas, Placement, Subaccount
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas

LISTED, QUEUES, SECRETS = "/ip/firewall/address-list", "/queue/simple", "/ppp/secret"
TAG = "ebs:"


class Line(NamedTuple):
    """A subscriber at his router."""

    address: str
    passes: bool
    limit: str
    """Upload/download in bit/s."""


def demanded(site: Site, name: str) -> list[Line]:
    """What the accounts of a NAS demand, sorted."""
    with site.database.read() as session:
        context = site.catalogue.load(session, name)
        query = select(Placement.id, Subaccount.ipn_ip_address).join(Subaccount, Subaccount.id == Placement.subaccount_id)
        addresses = dict(session.execute(query.where(Placement.nas_id == context.id)).all())
        items = list(site.planner.inspect(session, context, addresses))
    lines = []
    for item in items:
        desired = item.due.desired
        if desired.present:
            speed = Speed.decode(desired.speed)
            lines.append(Line(addresses[item.due.placement_id] or "", desired.enabled, f"{speed.upload}/{speed.download}"))
    return sorted(lines)


def on_router(nas: SimulatedNas) -> list[Line]:
    """The subscribers on a router, sorted: every record that carries a tag of ours."""
    limits = {queue["target"].removesuffix("/32"): queue["max-limit"] for queue in ours(nas, QUEUES)}
    return sorted(
        Line(entry["address"], entry["disabled"] == "false", limits.get(entry["address"], "no queue"))
        for entry in ours(nas, LISTED)
    )


def ours(nas: SimulatedNas, menu: str) -> list[dict[str, str]]:
    return [item for item in nas.router.items(menu) if item["comment"].startswith(TAG)]


def failing(site: Site, name: str) -> str:
    """Why the NAS cannot be worked, or empty."""
    with site.database.read() as session:
        return session.scalar(select(Nas.failure).where(Nas.name == name)) or ""
