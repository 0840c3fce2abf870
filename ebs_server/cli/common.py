"""What the commands share: the site, output for people or as JSON, exit statuses."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from ebs_core import config
from ebs_core.domain.errors import InputError
from ebs_core.domain.text import visible
from ebs_core.services.audit import Actor
from ebs_server.bootstrap import Site

DONE, NAS_FAILED, BAD_INPUT = 0, 1, 2
F = TypeVar("F", bound=Callable[..., Any])


class State:
    """The options that stand for every command; the site is opened on first use and closed at the end."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.key_file: str | None = None
        self._site: Site | None = None
        self._exit = ExitStack()

    def config(self) -> config.Config:
        return config.load(self.database, self.key_file)

    @property
    def site(self) -> Site:
        if self._site is None:
            self._site = Site(self.config(), Actor(_user()))
            self._exit.callback(self._site.close)
        return self._site

    def close(self) -> None:
        self._exit.close()


def _user() -> str:
    """Who works at this terminal, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


pass_state = click.make_pass_decorator(State, ensure=True)


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name:
        setattr(context.ensure_object(State), parameter.name, value)


def site_options(command: F) -> F:
    """``--database`` and ``--key-file``, accepted before and after the command's name."""
    for name, metavar, text in (
        ("--key-file", "FILE", "The site's key file (EBS_KEY_FILE)."),
        ("--database", "URL", "sqlite:///FILE or postgresql://… (EBS_DATABASE_URL)."),
    ):
        command = click.option(name, metavar=metavar, help=text, expose_value=False, callback=_remember)(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else.")


def console() -> Console:
    """Tables and colours on a terminal, plain text elsewhere; long lines are never cut in files and pipes."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=10_000, soft_wrap=True, no_color=True)


def say(text: str = "", *, err: bool = False) -> None:
    """Print lines for people. What came from a NAS or a file cannot drive the terminal."""
    click.echo("\n".join(map(visible, text.split("\n"))), err=err)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """``columns``: key of the row to heading."""
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        table.add_column(heading)
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    if out.is_terminal:
        out.print(table)
    else:
        for line in _plain_table(table):
            say(line)


def _plain_table(table: Table) -> list[str]:
    columns = [[str(column.header), *(str(cell) for cell in column.cells)] for column in table.columns]
    widths = [max(len(cell) for cell in column) for column in columns]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    line = visible(str(value).partition("\n")[0])
    return line.replace("[", r"\[") if console().is_terminal else line


def print_card(view: Mapping[str, Any], indent: int = 0) -> None:
    """A nested view as indented ``name: value`` lines."""
    pad = "  " * indent
    for name, value in view.items():
        if isinstance(value, Mapping):
            say(f"{pad}{name}:" + ("" if value else " -"))
            print_card(value, indent + 1)
        elif isinstance(value, list):
            say(f"{pad}{name}:" + ("" if value else " -"))
            for item in value:
                if isinstance(item, Mapping):
                    say(f"{pad}  -")
                    print_card(item, indent + 2)
                else:
                    say(f"{pad}  - {item}")
        else:
            say(f"{pad}{name}: {'-' if value in (None, '') else value}")


def assignments(words: Iterable[str]) -> dict[str, str]:
    """``FIELD=VALUE`` words. Raises InputError."""
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{word!r} is not of the form FIELD=VALUE", remedy="for instance balance=10.00")
        if name in pairs:
            raise InputError(f"field {name!r} is given twice", remedy="give it once")
        pairs[name] = value
    return pairs
