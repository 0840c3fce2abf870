"""What each verb does to a menu. Called by the router under its lock, with attributes as they came from the client."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nas_simulator.conditions import Condition
from nas_simulator.durations import format_duration, parse_duration
from nas_simulator.refusals import MissingArgument, Refusal, no_such_item, unknown_parameter
from nas_simulator.schema import Menu, Row
from nas_simulator.table import Table

if TYPE_CHECKING:
    from nas_simulator.router import Router

Attributes = Mapping[str, str]
_ITEM_WORDS: Final = (".id", "numbers")
_SENSITIVE: Final = frozenset({"password"})
_PRINT_WORDS: Final = frozenset(
    {".proplist", "proplist", "detail", "brief", "terse", "count-only", "stats", "without-paging", "from", *_ITEM_WORDS}
)


class Answer(NamedTuple):
    """`ret` is a single value, `rows` the items of a print; `proplist` limits the properties to send."""

    ret: str | None = None
    rows: Sequence[Row] | None = None
    proplist: tuple[str, ...] | None = None


Handler = Callable[["Router", Menu, Attributes, Condition | None], Answer]
DONE: Final = Answer()


def add(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    table = router.table(menu)
    row = menu.template.copy()
    before = _fill(router, menu, row, attributes)
    for name in menu.required:
        if not row[name]:
            raise MissingArgument(name)
    if menu.name_stem and not row.get("name"):
        row["name"] = table.free_name(menu.name_stem)
    finish = _FINISHERS.get(menu.path)
    if finish is not None:
        finish(router, row)
    place = None if before is None else item_ids(table, menu, before, "add")[0]
    row[".id"] = table.next_id()
    table.insert(row)
    if place is not None:
        table.place([row[".id"]], place)
    _after_write(router, menu, table, row)
    return Answer(ret=row[".id"])


def _fill(router: Router, menu: Menu, row: Row, attributes: Attributes) -> str | None:
    """Checks and stores the given values; an empty optional property is absent. Returns `place-before`."""
    settable = menu.settable
    before = None
    for name, value in attributes.items():
        prop = settable.get(name)
        if prop is None:
            if name == "place-before" and menu.ordered:
                before = value
                continue
            raise unknown_parameter(name)
        if not value and prop.default is None and not prop.required:
            row.pop(name, None)
            continue
        parse = prop.kind.parse
        row[name] = value if parse is None else parse(value, name, router.names)
    return before


def _after_write(router: Router, menu: Menu, table: Table, row: Row) -> None:
    if "timeout" in row and menu.path == "/ip/firewall/address-list":
        table.expire_after(row[".id"], parse_duration(row["timeout"]))
    if router.watched:
        router.tell_watchers(menu, row)


def _finish_address_list(router: Router, row: Row) -> None:
    row["creation-time"] = router.now_text()
    _finish_timeout(row)


def _finish_timeout(row: Row) -> None:
    timeout = row.get("timeout")
    if timeout is None:
        return
    row["dynamic"] = "false" if timeout == "none-static" else "true"
    if timeout == "none-static":
        del row["timeout"]


def _finish_address(router: Router, row: Row) -> None:
    row.setdefault("network", str(ipaddress.ip_interface(row["address"]).network.network_address))
    row["actual-interface"] = row["interface"]


_FINISHERS: Final[dict[str, Callable[[Router, Row], None]]] = {
    "/ip/firewall/address-list": _finish_address_list,
    "/ip/address": _finish_address,
}


def set_(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    table = router.table(menu)
    values = {name: value for name, value in attributes.items() if name not in _ITEM_WORDS}
    unknown = next((name for name in values if name not in menu.settable), None)
    if unknown is not None:
        raise unknown_parameter(unknown)
    for row_id in ["*0"] if menu.single else _named_items(table, menu, attributes, "set"):
        _change(router, menu, table, row_id, values)
    return DONE


def _change(router: Router, menu: Menu, table: Table, row_id: str, values: Attributes) -> None:
    row = table.rows[row_id].copy()
    if row.get("dynamic") == "true" and "timeout" not in row:
        raise Refusal(menu.dynamic_text)
    if menu.path == "/ip/address" and "address" in values:
        row.pop("network", None)
    _fill(router, menu, row, values)
    for name in menu.required:
        if not row[name]:
            raise MissingArgument(name)
    if "timeout" in values:
        _finish_timeout(row)
    if menu.path == "/ip/address":
        _finish_address(router, row)
    table.replace(row)
    if "timeout" in values:
        _after_write(router, menu, table, row)
    elif router.watched:
        router.tell_watchers(menu, row)


def _named_items(table: Table, menu: Menu, attributes: Attributes, verb: str) -> list[str]:
    text = attributes.get(".id", attributes.get("numbers"))
    if text is None:
        raise MissingArgument(".id")
    return item_ids(table, menu, text, verb)


def item_ids(table: Table, menu: Menu, text: str, verb: str) -> list[str]:
    """`*1,*2` or names -> ids, all of which exist. An empty text names nothing."""
    found = []
    for word in text.split(",") if text else ():
        row = table.rows.get(word)
        if row is None and menu.named:
            row = next((table.rows[row_id] for row_id in table.index("name").get(word, ()) if word), None)
        if row is None or not belongs(menu, row):
            raise no_such_item(verb)
        found.append(row[".id"])
    return found


def belongs(menu: Menu, row: Row) -> bool:
    return not menu.fixed or all(row.get(name) == value for name, value in menu.fixed.items())


def remove(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, _ITEM_WORDS)
    table = router.table(menu)
    ids = dict.fromkeys(_named_items(table, menu, attributes, "remove"))
    for row_id in ids:
        if table.rows[row_id].get("default") == "true":
            raise Refusal("failure: can not remove default")
        table.delete(row_id)
        if router.watched:
            router.tell_watchers(menu, {".id": row_id, ".dead": "true"})
    return DONE


def _switch(disabled: str) -> Handler:
    def switch(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
        _only(attributes, _ITEM_WORDS)
        table = router.table(menu)
        for row_id in _named_items(table, menu, attributes, "disable" if disabled == "true" else "enable"):
            if table.rows[row_id].get("disabled") != disabled:
                _change(router, menu, table, row_id, {"disabled": disabled})
        return DONE

    return switch


def comment(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, (*_ITEM_WORDS, "comment"))
    return set_(router, menu, attributes, condition)


def move(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, (*_ITEM_WORDS, "destination"))
    table = router.table(menu)
    moving = _named_items(table, menu, attributes, "move")
    destination = attributes.get("destination", "")
    before = item_ids(table, menu, destination, "move")[0] if destination else None
    if before not in moving:
        table.place(moving, before)
    return DONE


def make_static(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, _ITEM_WORDS)
    table = router.table(menu)
    for row_id in _named_items(table, menu, attributes, "make-static"):
        table.replace(table.rows[row_id] | {"dynamic": "false"})
    return DONE


def _only(attributes: Attributes, known: Sequence[str] | frozenset[str]) -> None:
    for name in attributes:
        if name not in known:
            raise unknown_parameter(name)


def select(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> list[Row]:
    """The rows a print or find is about, stored form."""
    table = router.table(menu)
    named = attributes.get(".id", attributes.get("numbers", attributes.get("from")))
    if named is not None:
        rows = [table.rows[row_id] for row_id in item_ids(table, menu, named, "print")]
        return [row for row in rows if condition is None or condition.matches(row)]
    if menu.single:
        return [router.single_row(menu)]
    rows = table.matching(condition)
    return [row for row in rows if belongs(menu, row)] if menu.fixed else rows


def print_(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, _PRINT_WORDS)
    rows = select(router, menu, attributes, condition)
    if attributes.get("count-only", "no") not in ("no", "false"):
        return Answer(ret=str(len(rows)))
    proplist = attributes.get(".proplist", attributes.get("proplist"))
    names = None if proplist is None else tuple(name for name in proplist.split(",") if name)
    return Answer(rows=shown(router, menu, rows), proplist=names)


def find(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    _only(attributes, ())
    return Answer(ret=";".join([row[".id"] for row in select(router, menu, attributes, condition)]))


def get(router: Router, menu: Menu, attributes: Attributes, condition: Condition | None) -> Answer:
    """One property (`value-name`) of one item."""
    _only(attributes, (*_ITEM_WORDS, "value-name"))
    if not menu.single and not any(word in attributes for word in _ITEM_WORDS):
        raise MissingArgument(".id")
    rows = shown(router, menu, select(router, menu, attributes, condition))
    if len(rows) != 1:
        raise no_such_item("get")
    name = attributes.get("value-name")
    if name is None:
        return Answer(rows=rows)
    if name not in rows[0] and name not in menu.by_name:
        raise unknown_parameter(name)
    return Answer(ret=rows[0].get(name, ""))


def shown(router: Router, menu: Menu, rows: list[Row]) -> list[Row]:
    """Rows as a client sees them: no secrets, the time that remains, no id in a menu of settings."""
    if menu.single:
        return [{name: value for name, value in row.items() if name != ".id"} for row in rows]
    hidden = menu.secrets | _SENSITIVE if router.faults.hide_secrets else menu.secrets
    if hidden or menu.fixed:
        known = menu.by_name
        rows = [
            {name: value for name, value in row.items() if name not in hidden and (name in known or name == ".id")}
            for row in rows
        ]
    table = router.table(menu)
    return [_with_remaining(table, row) for row in rows] if table.has_deadlines else rows


def _with_remaining(table: Table, row: Row) -> Row:
    seconds = table.remaining(row[".id"])
    return row if seconds is None else row | {"timeout": format_duration(seconds)}


HANDLERS: Final[Mapping[str, Handler]] = {
    "add": add,
    "set": set_,
    "remove": remove,
    "enable": _switch("false"),
    "disable": _switch("true"),
    "comment": comment,
    "move": move,
    "make-static": make_static,
    "print": print_,
    "getall": print_,
    "find": find,
    "get": get,
}
