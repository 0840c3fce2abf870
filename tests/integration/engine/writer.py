"""One of several programs that edit the same site at the same time: ``python -m tests.integration.engine.writer OPTIONS``.

It edits as an operator does (``Editor``, ``Importer``), tries again what the database refused, and prints one JSON line.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from ebs_core.config import Config
from ebs_core.domain.errors import InputError, StorageError
from ebs_core.services import sitefile
from ebs_server.bootstrap import Site

HOLD_SHARE, HOLD_SECONDS = 0.05, 0.02
TARIFFS = ("Home", "Fast", "Slow")


def name(number: int, account: int) -> str:
    return f"a-{number}-{account}"


class Writer:
    """Owns the accounts ``a-NUMBER-…`` and the addresses 10.NUMBER…, so that what it wants is what must be there at the end."""

    def __init__(self, site: Site, number: int, accounts: dict[str, tuple[str, str]], nases: int, folder: Path) -> None:
        """``accounts``: NAS and address of each, by name."""
        self._site = site
        self._number = number
        self._random = random.Random(number)
        self._accounts = accounts
        self._freed: dict[str, list[str]] = {}
        self._nases = nases
        self._file = folder / f"writer{number}.yaml"
        self._progress = folder / f"progress{number}"
        self._made = len(accounts)
        self._addresses = len(accounts)
        self.held = self.failed = 0
        event.listen(site.database.engine, "commit", self._hold)

    def _hold(self, _connection: object) -> None:
        if self._random.random() < HOLD_SHARE:
            self.held += 1
            time.sleep(HOLD_SECONDS)

    def run(self, edits: int) -> None:
        kinds: dict[Callable[[], None], int] = {
            self._pay: 30,
            self._own_speed: 22,
            self._other_tariff: 14,
            self._other_address: 14,
            self._move: 4,
            self._arrive: 7,
            self._leave: 7,
            self._comment: 2,
        }
        chosen = self._random.choices(list(kinds), list(kinds.values()), k=edits)
        for number, edit in enumerate(chosen):
            if number % 500 == 250 and self._number == 1:
                edit = self._tariff
            edit()
            if number % 50 == 0:
                self._progress.write_text(str(number))

    def _insist(self, edit: Callable[[], Any], done: Callable[[InputError], bool] = lambda _: False) -> None:
        """Until it was committed: the answer to a commit may be lost with the connection, so that a repetition finds it done."""
        deadline = time.monotonic() + 60
        while True:
            try:
                edit()
                return
            except StorageError:
                self.failed += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            except InputError as error:
                if done(error):
                    return
                raise

    def _anybody(self) -> str:
        return self._random.choice(list(self._accounts))

    def _account(self, username: str, **values: str) -> None:
        self._insist(lambda: self._site.editor.set_account(username, values))

    def _subaccount(self, username: str, **values: str) -> None:
        self._insist(lambda: self._site.editor.set_subaccount(f"{username}-1", values))

    def _pay(self) -> None:
        self._account(self._anybody(), balance=self._random.choice(("10.00", "25.50", "0.01", "-1", "0")))

    def _own_speed(self) -> None:
        speed = f"download={self._random.randint(1, 100)}M upload={self._random.randint(1, 50)}M"
        self._subaccount(self._anybody(), speed=self._random.choice((speed, speed, "")))

    def _other_tariff(self) -> None:
        self._account(self._anybody(), tariff=self._random.choice(TARIFFS))

    def _other_address(self) -> None:
        username = self._anybody()
        nas, old = self._accounts[username]
        new = self._address(nas)
        self._subaccount(username, ipn_ip_address=new)
        self._accounts[username] = nas, new
        self._freed.setdefault(nas, []).append(old)

    def _address(self, nas: str) -> str:
        """One that somebody else on the same NAS gave up, or a new one."""
        if (freed := self._freed.get(nas)) and self._random.random() < 0.7:
            return freed.pop()
        self._addresses += 1
        return address(self._number, self._addresses)

    def _move(self) -> None:
        username = self._anybody()
        _, own = self._accounts[username]
        nas = f"nas{self._random.randint(1, self._nases)}"
        self._subaccount(username, nas=nas)
        self._accounts[username] = nas, own

    def _arrive(self) -> None:
        self._made += 1
        username, nas = name(self._number, self._made), f"nas{self._random.randint(1, self._nases)}"
        new = self._address(nas)
        self._file.write_text(json.dumps({"accounts": [account(username, nas, new)]}))
        self._insist(lambda: self._site.importer.import_site(sitefile.read(self._file)))
        self._accounts[username] = nas, new

    def _leave(self) -> None:
        username = self._anybody()
        self._insist(lambda: self._site.editor.delete_account(username), lambda error: "there is no account" in str(error))
        nas, old = self._accounts.pop(username)
        self._freed.setdefault(nas, []).append(old)

    def _comment(self) -> None:
        self._account(self._anybody(), comment="; '\"$(x)\\ " + "😀" * self._random.randint(1, 3))

    def _tariff(self) -> None:
        """Concerns every third subscriber."""
        rate = self._random.randint(1, 100)
        self._insist(lambda: self._site.editor.set_tariff("Slow", {"speed": f"download={rate}M upload={rate}M"}))


def address(number: int, count: int) -> str:
    return f"10.{number}.{count // 250}.{count % 250 + 1}"


def account(username: str, nas: str, address: str) -> dict[str, Any]:
    """For a site file."""
    subaccount = {"username": f"{username}-1", "nas": nas, "ipn_ip_address": address}
    return {"username": username, "balance": "10.00", "tariff": "Home", "subaccounts": [subaccount]}


def main(options: str) -> None:
    wanted = json.loads(options)
    site = Site(Config(wanted["url"], Path(wanted["key_file"])))
    writer = Writer(site, wanted["number"], wanted["accounts"], wanted["nases"], Path(wanted["folder"]))
    started = time.monotonic()
    writer.run(wanted["edits"])
    ended = time.monotonic()
    site.close()
    print(json.dumps({"seconds": ended - started, "ended": ended, "held": writer.held, "failed": writer.failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
