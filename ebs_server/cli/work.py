"""``ebs plan``, ``ebs apply``, ``ebs status``, ``ebs log``, ``ebs hold``"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ebs_core.domain.actions import Action
from ebs_core.domain.errors import EbsError, InputError
from ebs_core.domain.placement import Kind
from ebs_core.services import views
from ebs_core.services.applier import NasResult
from ebs_core.services.edit import find_nas
from ebs_core.services.planner import NasPlan, PlannedPlacement, Planner
from ebs_core.services.status import Status
from ebs_server.cli.common import DONE, NAS_FAILED, State, json_option, pass_state, print_json, print_table, say, site_options

LISTED = 20
"""Lines of a kind that people are shown; ``--json`` has all."""
nas_filter = click.option("--nas", "names", multiple=True, metavar="N", help="Only this NAS; may be repeated.")


@click.command()
@nas_filter
@json_option
@site_options
@pass_state
def plan(state: State, names: tuple[str, ...], as_json: bool) -> int:
    """Show what would be sent and why, per NAS and subscriber. Sends nothing."""
    site, broken = state.site, dict[str, str]()
    plans = site.planner.plan_all(names, broken)
    if as_json:
        print_json({"nases": [plan_view(site.planner, plan) for plan in plans], "broken": broken})
        return NAS_FAILED if broken else DONE
    for nas_plan in plans:
        print_plan(site.planner, nas_plan)
    return say_broken(broken)


def say_broken(broken: Mapping[str, str]) -> int:
    """NASes that cannot even be planned, with the reason; the exit status."""
    for problem in broken.values():
        say(f"CANNOT BE PLANNED: {problem}", err=True)
    return NAS_FAILED if broken else DONE


def _steps(planner: Planner, nas_plan: NasPlan, item: PlannedPlacement) -> Iterator[dict[str, Any]]:
    for step in item.due.steps:
        view: dict[str, Any] = {
            "action": Action.of(item.level, step.kind.value).value,
            "reason": item.reason(step),
            "commands": [],
            "problem": None,
        }
        try:
            view["commands"] = [command.show() for command in planner.render(nas_plan, item, step.kind)]
        except EbsError as error:
            view["problem"] = str(error)
        yield view


def plan_view(planner: Planner, nas_plan: NasPlan) -> dict[str, Any]:
    return {
        "nas": nas_plan.name,
        "placements": nas_plan.placements,
        "held": nas_plan.held,
        "would_cut_off": nas_plan.cut_off,
        "items": [
            {
                "account": item.account,
                "subaccount": item.subaccount or None,
                "full_name": item.full_name,
                "steps": list(_steps(planner, nas_plan, item)),
            }
            for item in nas_plan.items
        ],
    }


def print_plan(planner: Planner, nas_plan: NasPlan, limit: int = 0) -> None:
    """For people; ``limit`` cuts the list of subscribers (0: all)."""
    if not nas_plan.items:
        say(f"NAS {nas_plan.name}: nothing to do, {nas_plan.placements} placements are as they should be")
        return
    counts = ", ".join(f"{count} {kind.value}" for kind in Kind if (count := nas_plan.count(kind)))
    say(f"NAS {nas_plan.name}: {len(nas_plan.items)} of {nas_plan.placements} placements: {counts}")
    if nas_plan.held:
        say(f"  HELD: it would cut off {nas_plan.cut_off} placements; to let it go: ebs hold release {quote(nas_plan.name)}")
    for item in nas_plan.items[: limit or None]:
        say(f"  {item.label}" + (f" ({item.full_name})" if item.full_name else ""))
        for step in _steps(planner, nas_plan, item):
            say(f"    {step['action']}: {step['reason']}")
            for command in step["commands"]:
                say("      " + command.replace("\n", "\n      "))
            if step["problem"]:
                say(f"      CANNOT BE SENT: {step['problem']}")
    if limit and len(nas_plan.items) > limit:
        say(f"  … and {len(nas_plan.items) - limit} more")


@click.command()
@nas_filter
@json_option
@site_options
@pass_state
def apply(state: State, names: tuple[str, ...], as_json: bool) -> int:
    """Send what is due, and record every command. Exit status 1 if something on a NAS failed (the rest was done)."""
    site = state.site
    with site.database.read() as session:
        known = views.nas_names(session)
    if unknown := set(names) - set(known):
        raise InputError(f"there is no NAS {min(unknown)!r}", remedy="'ebs nas list' shows the names")
    with progress_bars(show=not as_json) as report:
        results = site.reconciler.apply([name for name in known if not names or name in names], report)
    if as_json:
        print_json({"ok": all(result.ok for result in results), "nases": [result_view(result) for result in results]})
    else:
        print_results(results)
    return DONE if all(result.ok for result in results) else NAS_FAILED


@contextmanager
def progress_bars(*, show: bool, everywhere: bool = False) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per NAS on a terminal's standard error; elsewhere nothing, or (``everywhere``) how the bars end."""
    out = Console(stderr=not everywhere)
    if not show or not (out.is_terminal or everywhere):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as progress:
        tasks: dict[str, TaskID] = {}

        def report(nas: str, done: int, due: int) -> None:
            if nas not in tasks:
                tasks[nas] = progress.add_task(nas, total=due)
            progress.update(tasks[nas], completed=done, total=due)

        yield report


def result_view(result: NasResult) -> dict[str, Any]:
    return {
        "nas": result.nas,
        "ok": result.ok,
        "due": result.due,
        "done": result.done,
        "commands": result.commands,
        "failed": result.failed,
        "failure": result.failure or None,
        "held": result.held,
        "would_cut_off": result.cut_off,
        "maintenance": result.maintenance or None,
        "verified": result.verified,
    }


def print_results(results: Sequence[NasResult]) -> None:
    for result in results:
        name = quote(result.nas)
        proved = f", {result.verified} read back right" if result.verified else ""
        say(f"NAS {result.nas}: {result.done} of {result.due} placements done, {result.commands} commands sent{proved}")
        if result.orphans_held:
            say(
                f"  HELD: {result.orphans_held} orphans are too many to be removed at once\n"
                f"  → look at: ebs drift --nas {name}\n  → then, if it is right: ebs hold release {name}"
            )
        if result.held and result.cut_off:
            say(
                f"  HELD, nothing was sent: it would cut off {result.cut_off} placements\n"
                f"  → look at: ebs plan --nas {name}\n  → then, if it is right: ebs hold release {name}"
            )
        if result.maintenance:
            say(
                f"  NOTHING WAS SENT: in maintenance ({result.maintenance})\n"
                f"  → when that is over: ebs nas maintenance {name} off"
            )
        for label, reason in list(result.failed.items())[:LISTED]:
            say(f"  FAILED {label}: {reason}")
        if len(result.failed) > LISTED:
            say(f"  … and {len(result.failed) - LISTED} more: ebs status --nas {name} --only failing")
        if result.failure:
            say("  FAILED " + result.failure.replace("\n", "\n  "))


@click.command()
@nas_filter
@click.option("--placements", is_flag=True, help="Every placement with its status, reason and next try.")
@click.option("--only", type=click.Choice([one.value for one in Status]), help="Only placements with this status.")
@json_option
@site_options
@pass_state
def status(state: State, names: tuple[str, ...], placements: bool, only: str | None, as_json: bool) -> int:
    """Per NAS: placements in sync, pending, drifted, failing, held."""
    site, broken = state.site, dict[str, str]()
    plans = site.planner.plan_all(names, broken)
    with site.database.read() as session:
        if placements or only:
            listed = {
                plan.name: [row for row in views.placements(session, plan) if only in (None, row["status"])] for plan in plans
            }
            rows = [{"nas": name, **row} for name, found in listed.items() for row in found]
        else:
            rows = views.status(session, plans)
    if as_json:
        print_json({"placements" if placements or only else "nases": rows, "broken": broken})
        return NAS_FAILED if broken else DONE
    if placements or only:
        columns = {"nas": "NAS", "account": "ACCOUNT", "subaccount": "SUBACCOUNT", "status": "STATUS", "since": "SINCE"}
        print_table(rows, {**columns, "next_try": "NEXT TRY", "detail": "WHY"})
    else:
        columns = {"nas": "NAS", "placements": "PLACEMENTS", "in_sync": "IN SYNC", "pending": "PENDING", "drifted": "DRIFTED"}
        short = [{**row, "worked_at": _short(row["worked_at"]), "observed_at": _short(row["observed_at"])} for row in rows]
        print_table(short, {**columns, "failing": "FAILING", "held": "HELD", "worked_at": "WORKED", "observed_at": "READ BACK"})
        for row in rows:
            if row["maintenance"] is not None:
                say(f"NAS {row['nas']}: in maintenance: {row['maintenance']}")
            if row["failure"]:
                say(f"NAS {row['nas']}: failing since {_short(row['failing_since'])}: {row['failure']}")
    return say_broken(broken)


def _short(moment: str | None) -> str | None:
    """To the second, in UTC."""
    return None if moment is None else moment[:19].replace("T", " ")


@click.command()
@click.option("--account", metavar="U", help="Of this account or subaccount.")
@click.option("--nas", metavar="N", help="On this NAS.")
@click.option("--limit", default=0, type=click.IntRange(0, 10**9), metavar="N", help="Only the newest so many.")
@json_option
@site_options
@pass_state
def log(state: State, account: str | None, nas: str | None, limit: int, as_json: bool) -> int:
    """Every command that was sent: when, why, what came back."""
    with state.site.database.read() as session:
        rows = views.log(session, account, nas, limit)
        if nas and not rows:
            find_nas(session, nas)
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            print_log_line(row)
    return DONE


def print_log_line(row: views.View) -> None:
    who = row["subaccount"] or row["account"] or "-"
    took = f"{row['duration'] * 1000:.1f} ms"
    status = "" if row["status"] is None else f", status {row['status']}"
    say(f"{row['at']}  {row['nas']}  {who}  {row['action']}: {row['outcome']}{status}, {took}; because: {row['cause']}")
    if row["command"]:
        say("    " + row["command"].replace("\n", "\n    "))
    if row["output"]:
        say("    > " + row["output"].replace("\n", "\n    > "))


@click.group()
def hold() -> None:
    """Plans that would cut off too many at once wait for an operator."""


@hold.command(name="list")
@json_option
@site_options
@pass_state
def list_(state: State, as_json: bool) -> int:
    """NASes whose next plan, or whose removal of orphans, is held."""
    broken: dict[str, str] = {}
    rows = [
        {
            "nas": plan.name,
            "would_cut_off": plan.cut_off * plan.held,
            "orphans": _held_orphans(plan),
            "placements": plan.placements,
        }
        for plan in state.site.planner.plan_all(broken=broken)
        if plan.held or _held_orphans(plan)
    ]
    if as_json:
        print_json(rows)
    else:
        columns = {"nas": "NAS", "would_cut_off": "WOULD CUT OFF", "orphans": "ORPHANS", "placements": "PLACEMENTS"}
        print_table(rows, columns)
    return say_broken(broken)


def _held_orphans(plan: NasPlan) -> int:
    """How many orphans wait to be removed."""
    report = plan.context.facts.nas.report or {}
    return int(report["orphan_count"]) if report.get("orphans_held") else 0


@hold.command()
@click.argument("nas")
@site_options
@pass_state
def release(state: State, nas: str) -> int:
    """Let what is held on a NAS go, as it is now: not more than it would cut off or remove at this moment."""
    plan = state.site.planner.plan(nas)
    orphans = _held_orphans(plan)
    if not plan.held and not orphans:
        say(f"NAS {nas}: its plan is not held")
        return DONE
    state.site.nas_editor.release(nas, max(plan.cut_off, orphans))
    if plan.held:
        say(f"NAS {nas}: the next apply may cut off up to {plan.cut_off} placements")
    if orphans:
        say(f"NAS {nas}: the next resync may remove up to {orphans} orphans")
    return DONE
