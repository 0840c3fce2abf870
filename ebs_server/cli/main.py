"""The entry point ``ebs``. Exit status: 0 done; 1 something on a NAS failed (the rest was done); 2 bad input, nothing changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

import click

from ebs_core.domain.errors import EbsError, NasError
from ebs_server.cli import accounts, demo, nas, site, templates, work
from ebs_server.cli.common import BAD_INPUT, NAS_FAILED, State, site_options


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("ebs"), prog_name="ebs")
@site_options
def ebs() -> None:
    """Keep access servers (NAS) in the state that accounts, tariffs and money demand."""


for command in (
    site.init,
    site.import_,
    site.key,
    nas.nas,
    templates.template,
    accounts.account,
    accounts.subaccount,
    accounts.tariff,
    work.plan,
    work.apply,
    work.status,
    work.log,
    work.hold,
    demo.simulator,
    demo.demo,
):
    ebs.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    state = State()
    try:
        status = ebs.main(args=arguments, prog_name="ebs", standalone_mode=False, obj=state)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(BAD_INPUT)
    except click.Abort:
        click.echo("ebs: stopped", err=True)
        sys.exit(130)
    except EbsError as error:
        click.echo(f"ebs: {error}", err=True)
        sys.exit(NAS_FAILED if isinstance(error, NasError) else BAD_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(BAD_INPUT)
    finally:
        state.close()
