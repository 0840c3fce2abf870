"""``ebs rollout …``, and how a rollout is begun by ``ebs template set`` and ``ebs tariff set``."""

from __future__ import annotations

import click

from ebs_core.services.rollout_views import rollout_card, rollouts
from ebs_core.services.rollouts import LARGEST
from ebs_server.cli.common import DONE, State, json_option, pass_state, print_card, print_json, print_table, say, site_options

canary_option = click.option(
    "--canary",
    type=click.IntRange(1, LARGEST),
    metavar="N",
    help="Try it on N subscribers first, then on one NAS, then on all; it stops by itself when verification fails.",
)
number = click.argument("number", type=click.IntRange(1, 2**62), metavar="ID")


def tell_begun(what: str, rollout_id: int | None) -> None:
    if rollout_id is None:
        say(f"{what}: is in force already")
    else:
        say(f"{what}: rollout {rollout_id} begins; 'ebs plan' shows what it sends, 'ebs rollout show {rollout_id}' how it goes")


@click.group()
def rollout() -> None:
    """Changes that are tried on a few first."""


@rollout.command(name="list")
@json_option
@site_options
@pass_state
def list_(state: State, as_json: bool) -> int:
    """All rollouts, also those of the past."""
    with state.site.database.read() as session:
        rows = rollouts(session)
    if as_json:
        print_json(rows)
    else:
        columns = {"id": "ID", "what": "WHAT", "first_nas": "FIRST NAS", "canary": "CANARY", "stage": "STAGE", "state": "STATE"}
        print_table(rows, {**columns, "moved_at": "SINCE", "reason": "WHY"})
    return DONE


@rollout.command()
@number
@json_option
@site_options
@pass_state
def show(state: State, number: int, as_json: bool) -> int:
    """How far a rollout is, what it waits for, why it stopped."""
    with state.site.database.read() as session:
        card = rollout_card(session, number)
    if as_json:
        print_json(card)
    else:
        print_card(card)
    return DONE


@rollout.command(name="continue")
@number
@site_options
@pass_state
def continue_(state: State, number: int) -> int:
    """Try a stopped rollout again, from where it stopped."""
    state.site.rollouts.proceed(number)
    say(f"rollout {number}: goes on; what failed is tried again")
    return DONE


@rollout.command()
@number
@site_options
@pass_state
def withdraw(state: State, number: int) -> int:
    """Take a rollout back: those who had it get what is in force for the others."""
    state.site.rollouts.withdraw(number)
    say(f"rollout {number}: withdrawn; 'ebs plan' shows who goes back")
    return DONE
