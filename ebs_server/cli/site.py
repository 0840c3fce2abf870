"""``ebs init``, ``ebs import``, ``ebs key``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ebs_core.config import CONFIG_NAME, load, sqlite_path
from ebs_core.crypto import SecretBox, create_key_file
from ebs_core.domain.errors import InputError
from ebs_core.services import rekey, sitefile
from ebs_core.storage import schema
from ebs_core.storage.database import Database
from ebs_server.cli.common import DONE, State, json_option, pass_state, print_json, say, site_options


@click.command()
@site_options
@pass_state
def init(state: State) -> int:
    """Create or upgrade the database and make the key file, if there is none.

    With --database, a config file ebs.toml is written here (unless there is one), so that other commands find it.
    """
    config = state.config()
    database = Database(config.database)
    try:
        if path := sqlite_path(config.database):
            path.parent.mkdir(parents=True, exist_ok=True)
        schema.upgrade(database)
        say(f"database {database.name}: ready")
        if config.key is None:
            _make_key(database, config.key_file)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be made: {error.strerror}", remedy="choose another place") from error
    finally:
        database.dispose()
    if state.database and config.source is None:
        _write_config(state, config.key_file)
    elif state.database and load().database != config.database:
        say(f"note: {config.source} names another database, which commands use without --database")
    return DONE


def _make_key(database: Database, key_file: Path) -> None:
    if key_file.exists():
        SecretBox.from_file(key_file)
        say(f"key file {key_file}: kept")
        return
    if rekey.has_secrets(database):
        raise InputError(
            f"the database has secrets, and their key file {key_file} is missing",
            remedy="restore it from the backup, or name it with EBS_KEY_FILE; a new key could not read them",
        )
    create_key_file(key_file)
    say(f"key file {key_file}: made. Keep a copy elsewhere: without it no stored password can be read.")


def _write_config(state: State, key_file: Path) -> None:
    url = state.database or ""
    if path := sqlite_path(url):
        url = f"sqlite:///{path.absolute()}"
    elif Database(url).has_password:
        say("the database URL has a password, so it was not written to a config file; set EBS_DATABASE_URL")
        return
    text = f"database = {json.dumps(url)}\nkey_file = {json.dumps(str(key_file.absolute()))}\n"
    Path(CONFIG_NAME).write_text(text, encoding="utf-8")
    say(f"config file {CONFIG_NAME}: made; commands started in this folder use this site")


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@site_options
@pass_state
def import_(state: State, file: Path, as_json: bool) -> int:
    """Import a site file (YAML) or accounts (CSV): the whole file or nothing.

    \b
    nases:
      - {name: nas2, profile: mikrotik, transport: routeros_api, address: 10.0.0.1, login: ebs, password: secret}
    tariffs:
      - {name: Home 50, access_type: ipoe, speed: {download: 50M, upload: 20M}}
    accounts:
      - {username: a-1, balance: "10.00", tariff: Home 50, subaccounts: [{username: a-1-1, nas: nas2, ipn_ip_address: 10.7.0.2}]}

    A CSV file has a header with the same field names, those of the subaccount prefixed with subaccount_.
    """
    done = state.site.importer.import_site(sitefile.read(file))
    if as_json:
        print_json({"new": done.new, "changed": done.changed})
    else:
        for how, counts in (("new", done.new), ("changed", done.changed)):
            if counts:
                say(f"{how}: " + ", ".join(f"{what} {count}" for what, count in counts.items()))
        if not done.new and not done.changed:
            say(f"{file}: everything was so already")
    return DONE


@click.group()
def key() -> None:
    """The key that seals passwords in the database."""


@key.command()
@site_options
@pass_state
def rotate(state: State) -> int:
    """Make a new key, seal every stored secret with it, and keep the old ones in the key file for backups."""
    count = rekey.rotate(state.site.database, state.config())
    say(f"{count} secrets sealed with a new key; keep a copy of {state.config().key_file}")
    return DONE
