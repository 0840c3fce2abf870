"""``ebs nas …``"""

from __future__ import annotations

import base64
import hashlib

import click

from ebs_core.domain.commands import Outcome
from ebs_core.domain.errors import InputError
from ebs_core.services import views
from ebs_server.cli.common import (
    DONE,
    NAS_FAILED,
    State,
    json_option,
    pass_state,
    print_card,
    print_json,
    print_table,
    say,
    site_options,
)


@click.group()
def nas() -> None:
    """Access servers."""


@nas.command(name="list")
@json_option
@site_options
@pass_state
def list_(state: State, as_json: bool) -> int:
    """All NASes."""
    with state.site.database.read() as session:
        rows = [views.nas_view(context) for context in state.site.catalogue.load_all(session)]
    if as_json:
        print_json(rows)
    else:
        columns = {"name": "NAS", "profile": "PROFILE", "transport": "TRANSPORT", "address": "ADDRESS", "port": "PORT"}
        print_table(rows, {**columns, "login": "LOGIN", "failure": "FAILURE"})
    return DONE


@nas.command()
@click.argument("name")
@json_option
@site_options
@pass_state
def show(state: State, name: str, as_json: bool) -> int:
    """Everything about one NAS, but its secrets."""
    with state.site.database.read() as session:
        view = views.nas_view(state.site.catalogue.load(session, name))
    if as_json:
        print_json(view)
    else:
        print_card(view)
    return DONE


@nas.command()
@click.argument("name")
@json_option
@site_options
@pass_state
def test(state: State, name: str, as_json: bool) -> int:
    """Walk the way to a NAS: reach it, compare its key, log in."""
    failed = False
    steps = []
    for step in state.site.setup.test(name):
        failed = failed or bool(step.problem)
        steps.append(step._asdict())
        if not as_json:
            mark = "FAILED" if step.problem else "ok"
            say(f"{step.name:<9} {mark:<7} {step.seconds * 1000:7.1f} ms  {step.detail}")
            if step.problem:
                say(f"  {step.problem}")
    if as_json:
        print_json({"nas": name, "ok": not failed, "steps": steps})
    return NAS_FAILED if failed else DONE


def fingerprint(key: str) -> str:
    """``SHA256:…`` of an SSH key, as ``ssh-keygen -l`` prints it; a certificate's fingerprint is one already."""
    kind, _, body = key.partition(" ")
    if not body:
        return key
    try:
        digest = hashlib.sha256(base64.b64decode(body.split()[0], validate=True)).digest()
    except ValueError:
        return f"{key!r} (which is no key)"
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')} ({kind})"


@nas.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask; for scripts that know the fingerprint already.")
@click.option("--fingerprint", "expected", metavar="SHA256:…", help="Trust only if the key has this fingerprint.")
@site_options
@pass_state
def trust(state: State, name: str, yes: bool, expected: str | None) -> int:
    """Fetch a NAS's host key, show its fingerprint, and pin it."""
    site = state.site
    pinned = site.setup.context(name).facts.nas.host_key
    shown = site.setup.shown_key(name)
    if shown is None:
        raise InputError(f"NAS {name}: its transport has no key to trust", remedy="use ssh, or the API with TLS on port 8729")
    if pinned and pinned.split()[:2] == shown.split()[:2]:
        say(f"{name}: {fingerprint(shown)} is trusted already")
        return DONE
    say(f"{name} shows {fingerprint(shown)}")
    if pinned:
        say(f"WARNING: until now {fingerprint(pinned)} was trusted. Was this NAS reinstalled or replaced?")
    if expected is not None:
        if fingerprint(shown).split()[0] != expected.split()[0]:
            raise InputError(
                f"NAS {name}: its fingerprint is not {expected}", remedy="do not trust it; find out who answers there"
            )
    elif not yes and not _confirmed():
        raise InputError(
            f"NAS {name}: not trusted, nothing was changed", remedy="confirm with 'y', or give --fingerprint SHA256:…"
        )
    site.nas_editor.trust(name, " ".join(shown.split()[:2]))
    say(f"{name}: trusted")
    return DONE


def _confirmed() -> bool:
    """The operator says yes; no answer at all (no terminal, end of input) is no."""
    try:
        return click.confirm("Is this the key that the NAS itself displays?")
    except click.Abort:
        return False


@nas.command()
@click.argument("name")
@click.option("--apply", "send", is_flag=True, help="Send it; without this it is only printed.")
@json_option
@site_options
@pass_state
def bootstrap(state: State, name: str, send: bool, as_json: bool) -> int:
    """The one-time set-up of a fresh NAS: print it, or apply it. Safe to repeat."""
    if not send:
        _, commands = state.site.setup.bootstrap_commands(name)
        lines = [command.show() for command in commands]
        if as_json:
            print_json({"nas": name, "commands": lines})
        else:
            say("\n".join(lines) or f"{name}: its profile has nothing to set up")
        return DONE
    done = state.site.setup.bootstrap(name)
    ok = all(reply.outcome is Outcome.OK for _, reply in done)
    rows = [
        {"command": command.show(), "outcome": reply.outcome.value, "status": reply.status, "output": reply.output}
        for command, reply in done
    ]
    if as_json:
        print_json({"nas": name, "ok": ok, "commands": rows})
    else:
        for row in rows:
            say(f"{row['outcome']:<8} {row['command']}")
            if row["outcome"] != Outcome.OK and row["output"]:
                say(f"         {row['output']}")
        say(f"{name}: {'ready' if ok else 'NOT ready, see above'}")
    return DONE if ok else NAS_FAILED


@nas.command()
@click.argument("name")
@site_options
@pass_state
def refill(state: State, name: str) -> int:
    """After a reboot or replacement of a NAS: have the next apply send everything there again."""
    count = state.site.nas_editor.refill(name)
    say(f"{name}: {count} placements will be sent again; 'ebs plan' shows them, 'ebs apply' sends them")
    return DONE
