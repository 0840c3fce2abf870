"""The router: its menus, who may log in, who is connected. Both doors (API and SSH) work through `Router.execute`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping
from typing import Final, NamedTuple

from nas_simulator.catalogue import MENUS
from nas_simulator.conditions import Condition
from nas_simulator.durations import format_duration
from nas_simulator.faults import Faults
from nas_simulator.journal import Journal, Operation
from nas_simulator.refusals import NOT_PERMITTED, Refusal, no_such_command
from nas_simulator.schema import WRITES, Menu, Row
from nas_simulator.table import Table
from nas_simulator.verbs import DONE, HANDLERS, Answer, shown

Watcher = Callable[[Row], None]
Echo = Callable[[str], None]


class Caller(NamedTuple):
    """Who works: `door` is `api` or `ssh`, `session` the number of the connection."""

    door: str
    session: int
    login: str
    may_write: bool = True


LOCAL: Final = Caller("local", 0, "system")
"""Tests that act on the router directly."""


class Router:
    """State and behaviour of one simulated router. Thread-safe.

    `version` such as "7.16.2" or "6.42" selects the behaviour of that release. `clock` gives growing seconds, for uptime
    and timeouts.
    """

    def __init__(
        self,
        name: str = "nas1",
        login: str = "admin",
        password: str = "",
        version: str = "7.16.2",
        faults: Faults | None = None,
        clock: Callable[[], float] = time.monotonic,
        journal_size: int = 100_000,
    ) -> None:
        self.version: Final = version
        self.release: Final = _release(version)
        self.faults: Final = faults if faults is not None else Faults()
        self.journal: Final = Journal(journal_size)
        self.lock: Final = threading.RLock()
        self.watched = False
        self._factory: Final = (name, login, password)
        self._clock: Final = clock
        self._sessions: Final[dict[int, Callable[[], None]]] = {}
        self._sessions_opened = 0
        self._watches = 0
        self._watchers: Final[dict[int, tuple[str, Watcher]]] = {}
        self._echoes: Final[dict[int, Echo]] = {}
        self._stamp = (0, "")
        self._tables: dict[str, Table] = {}
        self._started = clock()
        self._fill_from_factory()

    # -- what the release decides

    @property
    def old_login(self) -> bool:
        """Before 6.43: challenge and MD5 response."""
        return self.release < (6, 43)

    @property
    def says_empty(self) -> bool:
        """Since 7.18 a print that finds nothing is answered with `!empty`."""
        return self.release >= (7, 18)

    @property
    def before_7(self) -> bool:
        return self.release < (7,)

    # -- state

    @property
    def name(self) -> str:
        return self._tables["/system/identity"].rows["*0"]["name"]

    def table(self, menu: Menu) -> Table:
        table = self._tables[menu.table_path]
        table.drop_expired()
        return table

    def names(self, path: str) -> Container[str]:
        """The names that exist in a menu."""
        return self._tables[path].index("name")

    def items(self, path: str) -> list[Row]:
        """Copies of all items of a menu, in order, with `.id`. Raises KeyError for an unknown path."""
        menu = MENUS[path]
        with self.lock:
            rows = HANDLERS["print"](self, menu, {}, None).rows or ()
            return [dict(row) for row in rows]

    def add(self, path: str, **values: str) -> str:
        """Puts an item in directly, as the router itself does for dynamic ones (`dynamic="true"`).

        Values are stored as given, `_` in names stands for `-`, read-only properties may be given. Returns the `.id`;
        raises `Refusal` for a duplicate.
        """
        menu = MENUS[path]
        given = {name.replace("_", "-"): value for name, value in values.items()}
        with self.lock:
            table = self.table(menu)
            row = menu.template | given | {".id": table.next_id()}
            table.insert(row)
            return row[".id"]

    def edit(self, path: str, row_id: str, **values: str) -> None:
        """An engineer at the router's own terminal: the item's properties change, `_` in names stands for `-`.

        Values are checked and stored as the router does. Raises `Refusal`, KeyError for an unknown path.
        """
        given = {name.replace("_", "-"): value for name, value in values.items()}
        with self.lock:
            HANDLERS["set"](self, MENUS[path], {".id": row_id, **given}, None)

    def remove(self, path: str, row_id: str) -> None:
        """An engineer at the router's own terminal removes an item, a dynamic one too. Raises `Refusal`, KeyError."""
        with self.lock:
            HANDLERS["remove"](self, MENUS[path], {".id": row_id}, None)

    def now_text(self) -> str:
        """The wall clock as this release prints it."""
        second = int(time.time())
        if self._stamp[0] != second:
            form = "%b/%d/%Y %H:%M:%S" if self.before_7 else "%Y-%m-%d %H:%M:%S"
            self._stamp = (second, time.strftime(form, time.gmtime(second)).lower())
        return self._stamp[1]

    def single_row(self, menu: Menu) -> Row:
        row = self._tables[menu.path].rows["*0"]
        if menu.path != "/system/resource":
            return row
        return row | {"uptime": format_duration(self._clock() - self._started), "version": f"{self.version} (stable)"}

    def reboot(self) -> None:
        """Drops all sessions and everything dynamic; the configuration stays."""
        with self.lock:
            for table in self._tables.values():
                lost = table.menu.path == "/ppp/active"
                for row_id in [key for key, row in table.rows.items() if lost or row.get("dynamic") == "true"]:
                    table.delete(row_id)
            self._started = self._clock()
        self.drop_sessions()

    def wipe(self) -> None:
        """Back to the factory: the items a new router has, ids from *1, and the login given at construction."""
        with self.lock:
            self._fill_from_factory()
            self._started = self._clock()
        self.drop_sessions()

    def _fill_from_factory(self) -> None:
        name, login, password = self._factory
        self._tables = {
            menu.path: Table(menu, old_texts=self.before_7, clock=self._clock) for menu in MENUS.values() if not menu.view_of
        }
        for path, table in self._tables.items():
            if table.menu.single:
                table.insert(table.menu.template | {".id": "*0"})
            for seed in table.menu.seeds:
                self.add(path, **seed)
        identity = self._tables["/system/identity"]
        identity.replace(identity.rows["*0"] | {"name": name})
        self.add("/user", name=login, password=password, group="full")

    # -- operations

    def execute(
        self, caller: Caller, menu: Menu, verb: str, attributes: Mapping[str, str], condition: Condition | None = None
    ) -> Answer:
        """One operation of a client. Raises `Refusal`; either way the journal knows of it afterwards."""
        operation = Operation(time.time(), caller.door, caller.session, caller.login, menu.path, verb, attributes)
        try:
            self.faults.examine(operation)
            handler = HANDLERS.get(verb)
            if handler is None or not menu.allows(verb):
                raise no_such_command()
            if verb in WRITES and not caller.may_write:
                raise Refusal(NOT_PERMITTED)
            with self.lock:
                if self.faults.accept_and_forget and verb in WRITES:
                    answer = Answer(ret=self.table(menu).next_id()) if verb == "add" else DONE
                else:
                    answer = handler(self, menu, attributes, condition)
        except Refusal as refusal:
            self.journal.refuse(operation, refusal.message)
            raise
        self.journal.record(operation)
        return answer

    # -- logins and sessions

    def password_of(self, login: str) -> str | None:
        """The password of an enabled user, None when there is no such user."""
        row = self._user(login)
        return None if row is None else row["password"]

    def may_write(self, login: str) -> bool:
        row = self._user(login)
        return row is not None and row["group"] != "read"

    def _user(self, login: str) -> Row | None:
        with self.lock:
            table = self._tables["/user"]
            row = next((table.rows[row_id] for row_id in table.index("name").get(login, ())), None)
        return None if row is None or row["disabled"] == "true" else row

    def open_session(self, close: Callable[[], None]) -> int | None:
        """Registers a connection; None when there are too many. `close` must cut it without waiting."""
        with self.lock:
            limit = self.faults.max_sessions
            if limit is not None and len(self._sessions) >= limit:
                return None
            self._sessions_opened += 1
            self._sessions[self._sessions_opened] = close
            return self._sessions_opened

    def close_session(self, session: int) -> None:
        with self.lock:
            self._sessions.pop(session, None)

    @property
    def session_count(self) -> int:
        with self.lock:
            return len(self._sessions)

    def drop_sessions(self) -> None:
        """Cuts every connection of both doors."""
        with self.lock:
            closers = list(self._sessions.values())
        for close in closers:
            close()

    # -- what the router says unasked

    def subscribe_echo(self, echo: Echo) -> int:
        """`echo(line)` is called for the log lines that consoles show by themselves, until `unsubscribe_echo`."""
        with self.lock:
            self._watches += 1
            self._echoes[self._watches] = echo
            return self._watches

    def unsubscribe_echo(self, key: int) -> None:
        with self.lock:
            self._echoes.pop(key, None)

    def report_login_failure(self, login: str, peer: str, via: str) -> None:
        line = f"echo: system,error,critical login failure for user {login} from {peer} via {via}"
        with self.lock:
            echoes = list(self._echoes.values())
        for echo in echoes:
            echo(line)

    def watch(self, menu: Menu, watcher: Watcher) -> int:
        """`watcher(row)` is called, under the lock, for every change of the menu until `unwatch` of the returned key."""
        with self.lock:
            self._watches += 1
            self._watchers[self._watches] = (menu.path, watcher)
            self.watched = True
            return self._watches

    def unwatch(self, key: int) -> None:
        with self.lock:
            self._watchers.pop(key, None)
            self.watched = bool(self._watchers)

    def tell_watchers(self, menu: Menu, row: Row) -> None:
        for path, watcher in list(self._watchers.values()):
            if path == menu.path:
                watcher(row if ".dead" in row else shown(self, menu, [row])[0])


def _release(version: str) -> tuple[int, ...]:
    """ "7.16.2" -> (7, 16, 2); what follows a number (`rc1`, `beta4`) does not count."""
    numbers = []
    for part in version.split("."):
        digits = ""
        for sign in part:
            if not sign.isdecimal():
                break
            digits += sign
        if not digits:
            break
        numbers.append(int(digits))
    if not numbers:
        raise ValueError(f"RouterOS version expected, such as 7.16.2; got {version!r}")
    return tuple(numbers)
