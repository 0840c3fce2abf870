"""``ebs resync``, ``ebs drift``, ``ebs nas adopt``, ``ebs nas maintenance``: is what is on the NASes what should be there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import click
from sqlalchemy.orm import Session

from ebs_core.domain.errors import InputError
from ebs_core.domain.text import visible
from ebs_core.services import views
from ebs_core.services.adoption import AdoptionPlan
from ebs_core.services.applier import NasResult
from ebs_core.services.nases import NasContext
from ebs_core.services.reconciler import DRY_RUN, RESYNC
from ebs_server.cli.common import DONE, NAS_FAILED, State, json_option, pass_state, print_json, say, site_options
from ebs_server.cli.work import LISTED, nas_filter, print_results, progress_bars, result_view


@click.command()
@nas_filter
@click.option("--dry-run", is_flag=True, help="Only read and report; send and record nothing.")
@json_option
@site_options
@pass_state
def resync(state: State, names: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Read everything back from the NASes, report what differs, and repair it with the fewest commands."""
    site = state.site
    with site.database.read() as session:
        known = views.nas_names(session)
    if unknown := set(names) - set(known):
        raise InputError(f"there is no NAS {min(unknown)!r}", remedy="'ebs nas list' shows the names")
    chosen = [name for name in known if not names or name in names]
    with progress_bars(show=not as_json) as report:
        results = site.reconciler.apply(chosen, report, DRY_RUN if dry_run else RESYNC)
    done = all(_is_done(result) for result in results)
    if as_json:
        print_json({"ok": done, "nases": [resync_view(result) for result in results]})
    else:
        print_resync(results, dry_run=dry_run)
    return DONE if done else NAS_FAILED


def _is_done(result: NasResult) -> bool:
    """Sending without reading is enough for an apply, not for a resync."""
    return result.ok and not result.problem


def resync_view(result: NasResult) -> dict[str, Any]:
    return {
        **result_view(result),
        "ok": _is_done(result),
        "right": result.right,
        "drifted": result.drifted,
        "repairs": result.repairs,
        "orphans": result.orphans,
        "orphans_removed": result.removed,
        "strangers": result.strangers,
        "lost_state": result.lost,
        "problem": result.problem or None,
    }


def print_resync(results: Sequence[NasResult], *, dry_run: bool = False) -> None:
    for result in results:
        if result.looked:
            _line(
                f"NAS {result.nas}: read back: {result.right} placements right, {len(result.drifted)} drifted, "
                f"orphans: {len(result.orphans)}, of others: {len(result.strangers)}"
            )
            _found(result, dry_run)
        if result.problem:
            _error(f"NAS {result.nas}: COULD NOT BE READ BACK: ", result.problem)
        if dry_run:
            _why_not(result)
    if not dry_run:
        print_results(results)


def _found(result: NasResult, dry_run: bool) -> None:
    if result.lost:
        _line("  IT HAD LOST ITS STATE: records of its set-up were missing" + ("" if dry_run else "; it is set up again"))
        _list(result.lost, "missing")
    for label, differences in list(result.drifted.items())[:LISTED]:
        repair = ", ".join(result.repairs.get(label, ()))
        _line(f"  {label}" + (f" (repair: {repair})" if repair else ""))
        for difference in differences:
            _line(f"    {difference}")
    _more(len(result.drifted), "drifted")
    _list(result.orphans, "orphan removed" if result.removed == len(result.orphans) else "orphan")
    _list(result.strangers, "of others, left alone")


def _why_not(result: NasResult) -> None:
    """Of a dry run: what else would be sent, or why nothing was read."""
    if result.due:
        _line(f"  {result.due} placements are not as desired besides: 'ebs plan --nas {quote(result.nas)}' shows them")
    if result.maintenance:
        _line(f"NAS {result.nas}: IN MAINTENANCE ({result.maintenance}): it was not read")
    if result.failure:
        _error("FAILED ", result.failure)


def _line(text: str) -> None:
    """One line, whatever a NAS or a name puts into it."""
    say(visible(text))


def _error(prefix: str, text: str) -> None:
    """An error's message, and its remedy on the next line."""
    message, arrow, remedy = text.partition("\n  → ")
    _line(prefix + message)
    if arrow:
        _line(" " * (len(prefix) - len(prefix.lstrip(" "))) + "  → " + remedy)


def _list(records: Sequence[str], what: str, listed: int = LISTED, total: int | None = None) -> None:
    """``total``: how many there are if not all of them are in ``records``."""
    for record in sorted(records)[:listed]:
        _line(f"  {what}: {record}")
    _more(len(records) if total is None else total, what, listed)


def _more(count: int, what: str, listed: int = LISTED) -> None:
    if count > listed:
        _line(f"  … and {count - listed} more: {what}")


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@click.command()
@nas_filter
@json_option
@site_options
@pass_state
def drift(state: State, names: tuple[str, ...], as_json: bool) -> int:
    """What the last read-back of each NAS found, and what of it is still so. Asks no NAS."""
    with state.site.database.read() as session:
        rows = [drift_view(session, context) for context in state.site.catalogue.load_all(session, names)]
    if as_json:
        print_json({"nases": rows})
    else:
        for row in rows:
            print_drift(row)
    return DONE


def drift_view(session: Session, context: NasContext) -> dict[str, Any]:
    """``views.drift``, and why nothing newer is known where the NAS cannot be worked."""
    nas = context.facts.nas
    return {**views.drift(session, context), "failure": nas.failure, "maintenance": nas.maintenance}


def print_drift(row: Mapping[str, Any], listed: int = LISTED) -> None:
    """For people; of each kind at most ``listed`` lines."""
    found, still = row["found"], row["drifted"]
    if row["observed_at"] is None:
        how = "" if row["problem"] or row["failure"] else f"; 'ebs resync --nas {quote(row['nas'])}' does it"
        _line(f"NAS {row['nas']}: never read back{how}")
    else:
        open_ = len(still | dict.fromkeys(row["open"]))
        _line(
            f"NAS {row['nas']}: read back at {_moment(row['observed_at'])}: {row['right']} right, {row['found_count']} drifted, "
            f"orphans: {row['orphan_count']}, of others: {row['stranger_count']}; not right yet: {open_}"
        )
    if row["maintenance"] is not None:
        _line(f"  IN MAINTENANCE ({row['maintenance'] or 'no reason given'}): it is not read")
    if row["failure"]:
        _error("  FAILING, nothing newer is known: ", row["failure"])
    if row["problem"]:
        _error("  COULD NOT BE READ BACK the last time: ", row["problem"])
    _list(row["lost_state"], "had lost", listed)
    shown = {label: ("" if label in row["open"] else " (repaired)", differences) for label, differences in found.items()}
    shown |= {label: ("", differences) for label, differences in still.items()}
    for label, (mark, differences) in list(shown.items())[:listed]:
        _line(f"  {label}{mark}")
        for difference in differences:
            _line(f"    {difference}")
    _more(max(len(shown), row["found_count"]), "drifted", listed)
    _list(row["orphans"], "orphan, held" if row["orphans_held"] else "orphan", listed, row["orphan_count"])
    if row["orphans_held"]:
        _line(f"  → if nobody needs them: ebs hold release {quote(row['nas'])}")
    _list(row["strangers"], "of others, left alone", listed, row["stranger_count"])


@click.command()
@click.argument("name")
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option("--reason", default="no reason given", metavar="TEXT", help="Why, for the others.")
@site_options
@pass_state
def maintenance(state: State, name: str, switch: str, reason: str) -> int:
    """Leave a NAS alone while somebody works on it (on), or take it into service again (off): then it is read back at once."""
    state.site.nas_editor.maintenance(name, reason if switch == "on" else None)
    say(f"{name}: " + ("in maintenance: nothing is sent to it" if switch == "on" else "in service; it is read back next"))
    return DONE


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@json_option
@site_options
@pass_state
def adopt(state: State, name: str, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Find the records on a live NAS that are subscribers', and put their tags on them. Nobody is interrupted."""
    if as_json and not (yes or dry_run):
        raise InputError("--json cannot ask", remedy="add --yes or --dry-run")

    def confirmed(plan: AdoptionPlan) -> bool:
        if not as_json:
            print_adoption(plan)
        return not dry_run and (yes or click.confirm(f"Tag the records of {len(plan.adopted)} subscribers?"))

    plan = state.site.adopter.adopt(name, confirmed)
    failed = [one for one in plan.adopted if one.failure]
    if as_json:
        print_json(adoption_view(plan))
        return NAS_FAILED if failed else DONE
    if not plan.adopted:
        print_adoption(plan)
    elif plan.commands:
        left = sum(bool(one.due) for one in plan.adopted)
        say(f"NAS {plan.nas}: {len(plan.adopted) - len(failed)} subscribers adopted, {plan.commands} commands sent")
        say(f"  {left} of them and {len(plan.unmatched)} others are still due: look at 'ebs plan --nas {quote(plan.nas)}'")
    for one in failed:
        say(f"  FAILED {one.item.label}: {one.failure}")
    return NAS_FAILED if failed else DONE


def adoption_view(plan: AdoptionPlan) -> dict[str, Any]:
    return {
        "nas": plan.nas,
        "adopted": [
            {
                "account": one.item.account,
                "subaccount": one.item.subaccount or None,
                "records": [{"record": match.what, "differences": list(match.differences)} for match in one.matches],
                "missing": one.missing,
                "due_after": one.due,
                "failure": one.failure or None,
            }
            for one in plan.adopted
        ],
        "ambiguous": plan.ambiguous,
        "not_found": plan.unmatched,
        "of_others": plan.strangers,
        "commands": plan.commands,
    }


def print_adoption(plan: AdoptionPlan) -> None:
    _line(
        f"NAS {plan.nas}: records of {len(plan.adopted)} subscribers found, of {len(plan.unmatched)} none, "
        f"{len(plan.ambiguous)} in doubt, {plan.strangers} nobody's"
    )
    for one in plan.adopted[:LISTED]:
        due = f" (then due: {', '.join(one.due)})" if one.due else ""
        _line(f"  {one.item.label}{due}")
        for match in one.matches:
            _line(f"    {match.what}" + (f": {'; '.join(match.differences)}" if match.differences else ""))
        for missing in one.missing:
            _line(f"    {missing} is missing")
    _more(len(plan.adopted), "found")
    for what, labels in list(plan.ambiguous.items())[:LISTED]:
        _line(f"  IN DOUBT, left alone: {what} (of {', '.join(labels)}?)")
    _more(len(plan.ambiguous), "in doubt")
    _list(plan.unmatched, "nothing found of")
