"""``ebs account …``, ``ebs subaccount …``, ``ebs tariff …``"""

from __future__ import annotations

import click

from ebs_core.domain.errors import InputError
from ebs_core.services import views
from ebs_server.cli.common import (
    DONE,
    State,
    assignments,
    json_option,
    pass_state,
    print_card,
    print_json,
    print_table,
    say,
    site_options,
)
from ebs_server.cli.rollouts import canary_option, tell_begun


def _tell(what: str, changed: list[str]) -> None:
    say(f"{what}: " + (f"{', '.join(changed)} changed" if changed else "nothing changed"))


@click.group()
def account() -> None:
    """Subscribers."""


@account.command(name="list")
@click.argument("search", default="")
@click.option("--limit", default=0, type=click.IntRange(0, 10**9), metavar="N", help="At most so many.")
@json_option
@site_options
@pass_state
def list_(state: State, search: str, limit: int, as_json: bool) -> int:
    """All accounts, or those in which SEARCH occurs (name, contract, address, MAC)."""
    with state.site.database.read() as session:
        rows = views.accounts(session, search, limit)
    if as_json:
        print_json(rows)
    else:
        columns = {"username": "USERNAME", "full_name": "NAME", "tariff": "TARIFF", "balance": "BALANCE"}
        print_table(rows, {**columns, "credit": "CREDIT", "status": "STATUS"})
    return DONE


@account.command()
@click.argument("username")
@json_option
@site_options
@pass_state
def show(state: State, username: str, as_json: bool) -> int:
    """One account: data, subaccounts, where it is placed, why access is off."""
    with state.site.database.read() as session:
        contexts = {context.id: context for context in state.site.catalogue.load_all(session)}
        card = views.account_card(session, contexts, username)
    if as_json:
        print_json(card)
    else:
        print_card(card)
    return DONE


@account.command(name="set")
@click.argument("username")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE…")
@site_options
@pass_state
def set_(state: State, username: str, fields: tuple[str, ...]) -> int:
    """Change fields of an account, for instance: balance=10.00 tariff='Home 50' status=suspended."""
    _tell(f"account {username}", state.site.editor.set_account(username, assignments(fields)))
    return DONE


@account.command()
@click.argument("username")
@site_options
@pass_state
def delete(state: State, username: str) -> int:
    """Delete an account; the next apply clears it from the NASes. Its records and its log are kept."""
    state.site.editor.delete_account(username)
    say(f"account {username}: deleted; 'ebs apply' clears it from the NASes")
    return DONE


@click.group()
def subaccount() -> None:
    """Network identities of subscribers."""


@subaccount.command(name="set")
@click.argument("username")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE…")
@site_options
@pass_state
def set_subaccount(state: State, username: str, fields: tuple[str, ...]) -> int:
    """Change fields of a subaccount, for instance: ipn_ip_address=10.7.0.2 nas=nas2 speed=50M/20M."""
    _tell(f"subaccount {username}", state.site.editor.set_subaccount(username, assignments(fields)))
    return DONE


@click.group()
def tariff() -> None:
    """Tariffs."""


@tariff.command(name="list")
@json_option
@site_options
@pass_state
def list_tariffs(state: State, as_json: bool) -> int:
    """All tariffs with their base speeds (bit/s)."""
    with state.site.database.read() as session:
        rows = views.tariffs(session)
    if as_json:
        print_json(rows)
    else:
        columns = {"name": "TARIFF", "access_type": "ACCESS", "nas_actions": "NAS ACTIONS", "active": "ACTIVE"}
        print_table(rows, {**columns, "download": "DOWNLOAD", "upload": "UPLOAD"})
    return DONE


@tariff.command(name="set")
@click.argument("name")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD=VALUE…")
@canary_option
@click.option("--nas", "nas_name", metavar="N", help="With --canary: the NAS where it begins.")
@site_options
@pass_state
def set_tariff(state: State, name: str, fields: tuple[str, ...], canary: int | None, nas_name: str | None) -> int:
    """Change fields of a tariff, for instance: active=no speed='download=100M upload=50M'. --canary tries a speed."""
    if canary is not None:
        figures = assignments(fields)
        if figures.keys() != {"speed"}:
            raise InputError("--canary tries a speed, and nothing else", remedy="set the other fields by themselves")
        tell_begun(f"tariff {name}", state.site.rollouts.tariff(name, figures["speed"], canary, nas_name))
        return DONE
    if nas_name is not None:
        raise InputError("--nas goes with --canary: a tariff is one and the same on all NASes")
    _tell(f"tariff {name}", state.site.editor.set_tariff(name, assignments(fields)))
    return DONE
