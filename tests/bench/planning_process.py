"""A process that does nothing but plan, so that its memory is planning's: ``… URL KEY_FILE``; prints one JSON document."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sqlalchemy import select

from ebs_core.config import Config
from ebs_core.services.planner import NasPlan
from ebs_core.storage.tables import Account, Placement, Subaccount
from ebs_server.bootstrap import Site
from tests.bench.figures import medians, seconds

WARM_ROUNDS = 3


def main() -> None:
    site = Site(Config(sys.argv[1], Path(sys.argv[2])))
    imported = _peak()
    started = time.perf_counter()
    plans = site.planner.plan_all()
    planned = time.perf_counter()
    commands = _render(site, plans)
    rendered = time.perf_counter()
    found = {
        "planned": planned - started,
        "rendered": rendered - planned,
        "placements": sum(plan.placements for plan in plans),
        "changed": sum(len(plan.items) for plan in plans),
        "commands": commands,
        "peak": _peak(),
        "imported": imported,
    }
    del plans
    sides = {"bare_join": lambda: _bare_join(site), "again": lambda: seconds(lambda: _render(site, site.planner.plan_all()))}
    print(json.dumps(found | medians(WARM_ROUNDS, sides)))
    site.close()


def _render(site: Site, plans: list[NasPlan]) -> int:
    return sum(
        len(site.planner.render(plan, item, step.kind)) for plan in plans for item in plan.items for step in item.due.steps
    )


def _peak() -> float:
    """MB. Of this program only: ``ru_maxrss`` also has what the process was before it became this program."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _bare_join(site: Site) -> float:
    """The least that looking at every placement can cost: its states and a few facts, fetched as tuples and dropped."""
    query = (
        select(
            Placement.id, Placement.changed, Placement.settled, Placement.presence, Placement.speed, Placement.key,
            Placement.revision, Account.status, Account.tariff_id, Subaccount.ipn_ip_address, Subaccount.username,
        )
        .join(Account, Account.id == Placement.account_id)
        .join(Subaccount, Subaccount.id == Placement.subaccount_id)
    )  # fmt: skip
    with site.database.read() as session:
        return seconds(lambda: session.execute(query).all())


if __name__ == "__main__":
    main()
