"""``ebs template …``"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from ebs_core.domain.actions import ORIGINAL_NAMES, Action, Level
from ebs_core.domain.errors import InputError
from ebs_core.services.edit import find_nas
from ebs_core.services.nases import NasContext, overrides
from ebs_core.services.preview import preview
from ebs_core.services.setup import BOOTSTRAP
from ebs_core.services.templates import check_template
from ebs_server.cli.common import DONE, State, json_option, pass_state, print_json, print_table, say, site_options
from ebs_server.cli.rollouts import canary_option, tell_begun


class ActionName(click.ParamType[str]):
    """One of the twelve, in our spelling or the original's."""

    name = "action"

    def __init__(self, *, bootstrap: bool = False) -> None:
        self._bootstrap = bootstrap

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = ORIGINAL_NAMES.get(value, value)
        known = [*Action, *([BOOTSTRAP] if self._bootstrap else [])]
        if name not in known:
            self.fail(f"{value!r} is no action; there are {', '.join(known)}", param, ctx)
        return str(name)


nas_option = click.option("--nas", "nas_name", required=True, metavar="N", help="Name of the NAS.")
action_option = click.option("--action", required=True, type=ActionName(), metavar="A", help="Name of the action.")


@click.group()
def template() -> None:
    """Command templates."""


def _sources(context: NasContext) -> list[dict[str, Any]]:
    own = overrides(context.facts.nas)
    versions = {template.action: template.version for template in context.facts.nas.templates}
    return [
        {
            "nas": context.name,
            "action": action.value,
            "source": "operator" if action.value in own else "profile",
            "version": versions.get(action.value, 0),
            "empty": context.templates.is_empty(action),
            "text": context.facts.sources.get(action.value, ""),
        }
        for action in Action
    ]


@template.command(name="list")
@click.option("--nas", "nas_name", metavar="N", help="Only this NAS.")
@json_option
@site_options
@pass_state
def list_(state: State, nas_name: str | None, as_json: bool) -> int:
    """The templates in force on each NAS: the profile's, or an operator's version."""
    with state.site.database.read() as session:
        catalogue = state.site.catalogue
        contexts = [catalogue.load(session, nas_name)] if nas_name else catalogue.load_all(session)
        rows = [row for context in contexts for row in _sources(context)]
    if as_json:
        print_json(rows)
    else:
        columns = {"nas": "NAS", "action": "ACTION", "source": "FROM", "version": "VERSION", "empty": "EMPTY"}
        print_table(rows, columns)
    return DONE


@template.command()
@nas_option
@click.option("--action", required=True, type=ActionName(bootstrap=True), metavar="A", help="Name of the action.")
@site_options
@pass_state
def show(state: State, nas_name: str, action: str) -> int:
    """The text of the template in force."""
    with state.site.database.read() as session:
        context = state.site.catalogue.load(session, nas_name)
    click.echo(context.facts.sources.get(action, ""), nl=False)
    return DONE


def _text(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: {error}", remedy="save it as UTF-8") from error


def _name(file: str) -> str:
    return "standard input" if file == "-" else file


@template.command()
@nas_option
@click.option("--action", required=True, type=ActionName(bootstrap=True), metavar="A", help="Name of the action.")
@click.argument("file", default="-")
@site_options
@pass_state
def check(state: State, nas_name: str, action: str, file: str) -> int:
    """Check a template for a NAS: syntax, variables, and what its transport can quote. Changes nothing."""
    text = _text(file)
    with state.site.database.read() as session:
        nas = find_nas(session, nas_name)
        check_template(state.site.renderer, nas, action, text, _name(file))
    say("ok")
    return DONE


@template.command(name="set")
@click.option("--nas", "nas_names", multiple=True, required=True, metavar="N", help="Name of the NAS; may be repeated.")
@action_option
@click.argument("file", required=False)
@click.option("--default", "back", is_flag=True, help="Back to the profile's own template.")
@canary_option
@site_options
@pass_state
def set_(state: State, nas_names: tuple[str, ...], action: str, file: str | None, back: bool, canary: int | None) -> int:
    """Check a template, and put it into force as a new version: at once, or with --canary on a few first, beginning with the
    first NAS that is named."""
    if (file is None) is not back:
        raise InputError("give either a FILE or --default", remedy="'-' reads standard input")
    source, name = None if file is None else _text(file), _name(file or "")
    if canary is not None:
        tell_begun(
            f"{action} on {', '.join(nas_names)}", state.site.rollouts.template(nas_names, Action(action), source, name, canary)
        )
        return DONE
    if source is not None:
        with state.site.database.read() as session:
            for nas_name in nas_names:  # all or none
                check_template(state.site.renderer, find_nas(session, nas_name), action, source, name)
    for nas_name in nas_names:
        saved = state.site.nas_editor.set_template(nas_name, Action(action), source, name)
        say(f"{nas_name}: {action} " + ("saved; 'ebs plan' shows what it changes" if saved else "is in force already"))
    return DONE


@template.command()
@nas_option
@action_option
@click.option("--subaccount", "subaccount_name", metavar="S", help="Render for this subaccount.")
@click.option("--account", "account_name", metavar="A", help="Render for this account.")
@json_option
@site_options
@pass_state
def render(state: State, nas_name: str, action: str, subaccount_name: str | None, account_name: str | None, as_json: bool) -> int:
    """What the template in force would send for a subscriber, secrets masked. Sends nothing."""
    if (subaccount_name is None) is (account_name is None):
        raise InputError("give one of --subaccount and --account", remedy="for instance --subaccount a-0017-1")
    if Action(action).level is Level.ACCOUNT and subaccount_name:
        raise InputError(f"{action} is for accounts", remedy="use --account")
    if Action(action).level is not Level.ACCOUNT and account_name:
        raise InputError(f"{action} is for subaccounts", remedy="use --subaccount")
    with state.site.database.read() as session:
        lines = _render(state, session, nas_name, Action(action), subaccount_name, account_name)
    if as_json:
        print_json({"nas": nas_name, "action": action, "commands": lines})
    else:
        say("\n".join(lines))
    return DONE


def _render(
    state: State, session: Session, nas_name: str, action: Action, subaccount: str | None, account: str | None
) -> list[str]:
    site = state.site
    context = site.catalogue.load(session, nas_name)
    commands = preview(session, context, site.backends, site.secrets, action, subaccount=subaccount, account=account)
    return [command.show() for command in commands]
