"""The entry point ``ebs``. Exit status: 0 done; 1 something on a NAS failed (the rest was done); 2 bad input, nothing changed."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import click

from ebs_core.domain.errors import EbsError, InputError, NasError
from ebs_core.domain.text import visible
from ebs_server.cli import accounts, demo, nas, rollouts, serve, site, templates, truth, work
from ebs_server.cli.common import BAD_INPUT, DONE, NAS_FAILED, State, print_json, say, site_options

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("ebs"), prog_name="ebs")
@site_options
def ebs() -> None:
    """Keep access servers (NAS) in the state that accounts, tariffs and money demand."""


nas.nas.add_command(truth.adopt)
nas.nas.add_command(truth.maintenance)
for command in (
    site.init,
    site.import_,
    site.key,
    nas.nas,
    templates.template,
    accounts.account,
    accounts.subaccount,
    accounts.tariff,
    rollouts.rollout,
    work.plan,
    work.apply,
    work.status,
    work.log,
    work.hold,
    truth.resync,
    truth.drift,
    serve.serve,
    serve.worker,
    demo.simulator,
    demo.demo,
):
    ebs.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its code
    words = list(sys.argv[1:] if arguments is None else arguments)
    state = State()
    try:
        sys.exit(_run(words, state))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads any more: no second complaint at exit
        sys.exit(BAD_INPUT)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say(f"ebs: the output cannot be written: {error.strerror}", err=True)
        sys.exit(BAD_INPUT)
    finally:
        state.close()


def _run(words: list[str], state: State) -> int:
    """The exit status."""
    try:
        for word in words:
            _check_text(word)
        status = ebs.main(args=words, prog_name="ebs", standalone_mode=False, obj=state)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except click.Abort:
        say("ebs: stopped", err=True)
        return INTERRUPTED
    except EbsError as error:
        say(f"ebs: {error}", err=True)
        if isinstance(error, NasError):
            if "--json" in words:
                print_json({"ok": False, "nas": error.nas or None, "failure": str(error)})
            return NAS_FAILED
        return BAD_INPUT


def _check_text(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError:
        raise InputError(f"{visible(word)} is not UTF-8 text", remedy="check the terminal's encoding") from None
