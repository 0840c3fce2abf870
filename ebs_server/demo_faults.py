"""The second part of the demo: the background job runs, and everything that happens to access servers happens to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ebs_core.domain.errors import EbsError
from ebs_core.services import views
from ebs_core.services.pauses import Schedule
from ebs_server.bootstrap import Site
from ebs_server.cli.common import say
from ebs_server.cli.truth import drift_view, print_drift
from ebs_server.demo_site import CENTER, NORTH, SOUTH
from ebs_server.demo_truth import LISTED, QUEUES, demanded, failing, on_router, ours
from nas_simulator import SimulatedNas

PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.02
_THREADS, _LEAVE_SECONDS = 4, 10.0
_SHOWN = 2
WRITES = frozenset({"add", "set", "remove", "enable", "disable"})
Title = Callable[[str], None]


class Overdue(EbsError):
    """Something that the demo waits for did not happen."""


class Breakages:
    """Breaks the simulated NASes one after another and watches the background job. ``run`` raises Overdue."""

    def __init__(self, site: Site, nases: Mapping[str, SimulatedNas], title: Title) -> None:
        self._site = site
        self._nases = nases
        self._title = title
        self._ports = 0, 0

    def run(self) -> None:
        self._title("The background job starts (ebs serve): nobody calls 'ebs apply' any more")
        with self._background():
            self._wait_until_read()
            self._change()
            self._cut_off()
            self._wipe()
            self._edit_by_hand()
            self._reconnect()

    @contextmanager
    def _background(self) -> Iterator[None]:
        here, usual = self._site.schedule, Schedule()
        say(
            f"here every NAS is read back every {here.resync:g} s and asked for its uptime every {here.pulse:g} s"
            f" (otherwise {usual.resync:g} s and {usual.pulse:g} s)"
        )
        background, log, silent = self._site.background(_THREADS), logging.getLogger("ebs"), logging.NullHandler()
        log.addHandler(silent)  # what it would log is told here
        background.start()
        try:
            yield
        finally:
            background.stop()
            background.join(_LEAVE_SECONDS)
            log.removeHandler(silent)

    # -- what happens

    def _wait_until_read(self) -> None:
        before = {name: self._drift(name)["observed_at"] for name in self._nases}
        self._wait(
            "waiting until it has read every NAS back",
            lambda: all(self._drift(name)["observed_at"] != at for name, at in before.items()),
            time.monotonic(),
        )

    def _change(self) -> None:
        before = on_router(self._nases[NORTH])
        started = time.monotonic()
        self._site.editor.set_account("a-0001", {"balance": "20.00"})
        took = self._wait(
            "a-0001 pays; waiting until he has access",
            lambda: on_router(self._nases[NORTH]) != before,
            started,
        )
        say(f"{NORTH} lets him pass after {took * 1000:.0f} ms")

    def _cut_off(self) -> None:
        nas, set_account = self._nases[SOUTH], self._site.editor.set_account
        self._title(f"{SOUTH} is cut off while its subscribers change")
        self._ports = nas.api_port, nas.ssh_port
        started = time.monotonic()
        nas.stop()
        for number in range(1, 11):
            self._site.editor.set_subaccount("a-0014-1", {"speed": f"{number}M/{number}M"})
        set_account("a-0017", {"balance": "30.00"})
        set_account("a-0020", {"balance": "-30.00"})
        say("a-0014 gets ten speeds one after another, a-0017 pays, a-0020 spends his money")
        took = self._wait("waiting until the job has noticed", lambda: bool(failing(self._site, SOUTH)), started)
        with self._site.database.read() as session:
            (row,) = views.status(session, self._site.planner.plan_all([SOUTH]))
        statuses = ", ".join(f"{status}: {count}" for status, count in row["statuses"].items() if count)
        say(f"red after {took:.1f} s; subscribers by status (ebs status): {statuses}")
        say("  " + row["failure"].replace("\n", "\n  "))

    def _wipe(self) -> None:
        nas = self._nases[CENTER]
        self._title(f"{CENTER} reboots and has lost everything")
        say(f"{len(ours(nas, LISTED)) + len(ours(nas, QUEUES))} records of ours, the firewall rules and the marker: gone")
        self._broken(CENTER, nas.router.wipe)

    def _edit_by_hand(self) -> None:
        router = self._nases[NORTH].router
        self._title(f"Somebody works on {NORTH} by hand")

        def edit() -> None:
            queues, listed = ours(self._nases[NORTH], QUEUES), ours(self._nases[NORTH], LISTED)
            router.edit(QUEUES, queues[0][".id"], max_limit="1000000/1000000")
            router.remove(LISTED, listed[1][".id"])
            router.add(LISTED, list="ebs_active", address="10.99.0.1", comment="ebs:4711")
            router.add(LISTED, list="ebs_active", address="10.99.0.2", comment="the engineer's laptop")

        say("a speed is changed, a list entry removed; an entry with our tag and one of his own are added")
        self._broken(NORTH, edit)
        kept = [item["address"] for item in router.items(LISTED) if item["comment"] == "the engineer's laptop"]
        if not kept:
            raise Overdue(f"NAS {NORTH}: the engineer's own entry was removed")

    def _reconnect(self) -> None:
        nas = self._nases[SOUTH]
        self._title(f"{SOUTH} is back")
        before, goal = self._changes(nas), demanded(self._site, SOUTH)
        started = time.monotonic()
        nas.start(api_port=self._ports[0], ssh_port=self._ports[1])
        took = self._wait("waiting until the job has noticed that, too", lambda: on_router(nas) == goal, started)
        say(f"everybody is as he should be after {took:.1f} s, by {self._changes(nas) - before} changes on the router:")
        say("of ten speeds only the last was sent")

    @staticmethod
    def _changes(nas: SimulatedNas) -> int:
        return sum(operation.verb in WRITES for operation in nas.router.journal)

    # -- watching

    def _broken(self, name: str, breakage: Callable[[], object]) -> None:
        """Break something and tell what was found, and when it was right again."""
        goal = demanded(self._site, name)
        before = self._drift(name)["observed_at"]
        found: list[tuple[float, dict[str, Any]]] = []
        started = time.monotonic()
        breakage()

        def repaired() -> bool:
            right = on_router(self._nases[name]) == goal
            view = self._drift(name)
            if not found and view["observed_at"] != before and (view["found"] or view["orphans"]):
                found.append((time.monotonic() - started, view))
            return right

        took = self._wait("waiting until it is found and repaired", repaired, started)
        if found:
            seconds, view = found[0]
            say(f"found after {seconds:.1f} s (ebs drift):")
            print_drift(view, listed=_SHOWN)
        say(f"repaired {took:.1f} s after it was broken: {len(goal)} subscribers are on {name} as they should be")

    def _drift(self, name: str) -> dict[str, Any]:
        with self._site.database.read() as session:
            return drift_view(session, self._site.catalogue.load(session, name))

    def _wait(self, what: str, condition: Callable[[], bool], started: float) -> float:
        """Seconds since ``started`` (monotonic clock) until the condition held. Raises Overdue."""
        say(f"{what} …")
        while not condition():
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise Overdue(f"{what}: not within {PATIENCE_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - started
