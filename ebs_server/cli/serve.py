"""``ebs serve``, ``ebs worker``: the background job."""

from __future__ import annotations

import logging

import click

from ebs_core.domain.errors import InputError
from ebs_core.domain.text import visible
from ebs_core.storage.job_queue import uses_queue
from ebs_server.cli.common import State, pass_state, site_options
from ebs_server.engine import daemon

THREADS = 8
_LEVELS = ("debug", "info", "warning", "error")
threads_option = click.option(
    "--threads", default=THREADS, show_default=True, type=click.IntRange(1, 256), help="NASes worked at a time."
)
log_option = click.option("--log-level", default="info", show_default=True, type=click.Choice(_LEVELS), help="On standard error.")


@click.command()
@threads_option
@log_option
@site_options
@pass_state
def serve(state: State, threads: int, log_level: str) -> int:
    """Keep every NAS in sync, until stopped: changes at once, everything else on its schedule.

    On SQLite this one process does all the work. On PostgreSQL more can help: ebs worker, on any machine.
    """
    return _run(state, threads, log_level, "serve")


@click.command()
@threads_option
@log_option
@site_options
@pass_state
def worker(state: State, threads: int, log_level: str) -> int:
    """Help to keep every NAS in sync: one of any number of processes on a PostgreSQL site."""
    return _run(state, threads, log_level, "worker")


def _run(state: State, threads: int, log_level: str, name: str) -> int:
    _log_to_stderr(log_level)
    site = state.site
    site.secrets  # noqa: B018 - a missing key is said now, not by every NAS

    def prepare() -> daemon.Engine:
        if name == "worker" and not uses_queue(site.database):
            raise InputError(
                "worker processes need PostgreSQL, and this site is on SQLite", remedy="'ebs serve' does all the work there"
            )
        background = site.background(threads)
        logging.getLogger("ebs").info("%s on %s, %d threads", name, site.database.name, threads)
        return background

    return daemon.run(prepare, name)


class _OneLine(logging.Formatter):
    """What came from a NAS or a file cannot drive the terminal; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(visible, super().format(record).split("\n")))


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("{asctime} {levelname:7} {message}", style="{"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("procrastinate", "psycopg", "paramiko", "librouteros", "asyncio", "alembic"):  # said by us, in our words
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" and name == "procrastinate" else logging.CRITICAL)
