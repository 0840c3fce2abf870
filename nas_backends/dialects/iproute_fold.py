"""The records that tc and ip commands leave behind, by table, spelled as ``linux_observe_iproute`` reads them back.

Only what can be read back and compared is folded. Not so: neighbours that are not permanent (the kernel lets them age), and
filters (the kernel numbers them itself, and shows their matches in another form).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ebs_core.domain.records import DeviceModel, Record
from nas_backends.dialects.linux_spelling import address, class_id, family, mac, parent_id, shown_rate

VERBS = frozenset("add replace change del delete append prepend".split())
ROUTE_TYPES = frozenset("unicast local broadcast multicast throw unreachable prohibit blackhole nat".split())
_TABLES = {"254": "main", "255": "local", "253": "default"}
_PROTOCOLS = {"2": "kernel", "3": "boot", "4": "static"}


def fold(kind: str, verb: str, arguments: Sequence[str], model: DeviceModel) -> None:
    """Apply ``tc``'s or ``ip``'s ``kind verb arguments``. No-op where not understood."""
    if verb in VERBS and kind in _FOLDS:
        _FOLDS[kind](verb, arguments, model)


def words_of(
    arguments: Sequence[str], keywords: Collection[str], flags: Collection[str] = ()
) -> tuple[dict[str, str], Sequence[str]]:
    """Leading keywords with their values (flags with themselves), and the words from the first other one on."""
    found: dict[str, str] = {}
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word in flags:
            found[word] = word
            at += 1
        elif word in keywords and at + 1 < len(arguments):
            found[word] = arguments[at + 1]
            at += 2
        else:
            break
    return found, arguments[at:]


def pairs(words: Sequence[str], keywords: Collection[str]) -> dict[str, str]:
    """The values after those of ``keywords`` that are there, wherever they stand."""
    return {word: words[at + 1] for at, word in enumerate(words[:-1]) if word in keywords}


def _put(verb: str, model: DeviceModel, table: str, key: Mapping[str, str], record: Mapping[str, str]) -> None:
    """Deletes, adds or replaces. An ``add`` of what is there fails and changes nothing."""
    if verb in ("del", "delete"):
        model.remove(table, lambda old: all(old.get(name) == value for name, value in key.items()))
    elif verb != "add" or not model.find(table, lambda old: all(old.get(name) == value for name, value in key.items())):
        model.put(table, key, record)


def _fold_class(verb: str, arguments: Sequence[str], model: DeviceModel) -> None:
    """tc-htb(8): ``ceil`` is ``rate`` unless given. Other kinds: only where they stand. Not bursts: tc rounds them."""
    head, rest = words_of(arguments, ("dev", "parent", "classid"), ("root",))
    if not head.get("dev") or not head.get("classid"):
        return
    record = {"parent": parent_id(head.get("parent", "root"))} | class_record(rest)
    _put(verb, model, f"class dev {head['dev']}", {"classid": class_id(head["classid"])}, record)


def class_record(words: Sequence[str]) -> Record:
    """Kind and rates, from the kind on."""
    kind = "".join(words[:1])
    if kind != "htb":
        return {"kind": kind}
    given = pairs(words[1:], ("rate", "ceil"))
    rates = {"rate": shown_rate(given.get("rate", "")), "ceil": shown_rate(given.get("ceil", given.get("rate", "")))}
    return {"kind": kind} | {name: rate for name, rate in rates.items() if rate}


def _fold_qdisc(verb: str, arguments: Sequence[str], model: DeviceModel) -> None:
    head, rest = words_of(arguments, ("dev", "parent", "handle"), ("root",))
    kind = "".join(rest[:1])
    special = kind in ("ingress", "clsact")
    parent = "ffff:fff1" if special else class_id(head.get("parent", "root"))
    handle = "ffff:" if special else class_id(head.get("handle", ""))
    if head.get("dev"):
        record = {"kind": kind} | ({"handle": handle} if handle else {})
        _put(verb, model, f"qdisc dev {head['dev']}", {"parent": parent}, record)


def _fold_neighbour(verb: str, arguments: Sequence[str], model: DeviceModel) -> None:
    """ip-neighbour(8): permanent unless ``nud`` says otherwise; whoever is not permanent comes and goes by itself."""
    given, positional = scattered(arguments, ("dev", "lladdr", "nud", "protocol"), ("router", "use", "managed", "extern_learn"))
    if len(positional) != 1 or "dev" not in given:  # a proxy is another thing
        return
    lasts = given.get("nud", "permanent") == "permanent"
    record = {"nud": "permanent"} | ({"lladdr": mac(given["lladdr"])} if "lladdr" in given else {})
    if not lasts and verb == "add":
        return
    _put(verb if lasts else "del", model, f"neigh dev {given['dev']}", {"dst": address(positional[0])}, record)


def _fold_route(verb: str, arguments: Sequence[str], model: DeviceModel) -> None:
    """A table of the model is what one ``ip route show`` can list: family, routing table and protocol (ip-route(8): ``boot``
    unless given)."""
    keywords = (
        "via",
        "dev",
        "metric",
        "preference",
        "priority",
        "table",
        "proto",
        "protocol",
        "src",
        "mtu",
        "scope",
        "tos",
        "dsfield",
    )
    given, positional = scattered(arguments[: _before(arguments, "nexthop")], keywords, ("onlink",))
    type_ = positional[0] if positional and positional[0] in ROUTE_TYPES else ""
    if len(positional) != 1 + bool(type_):
        return
    deletes = verb in ("del", "delete")
    destination = address(positional[-1])
    kin = "inet6" if "inet6" in (family(destination), family(given.get("via", ""))) else "inet"
    key = {"dst": {"0.0.0.0/0": "default", "::/0": "default"}.get(destination, destination)}
    metric = given.get("metric") or given.get("preference") or given.get("priority")
    if metric or not deletes:
        key["metric"] = metric or ("1024" if kin == "inet6" else "0")
    record = {name: given[name] for name in ("via", "dev") if name in given} | {"type": type_ or "unicast"}
    if "via" in record:
        record["via"] = address(record["via"])
    table = f"route {kin} table {_TABLES.get(given.get('table', ''), given.get('table', 'main'))} proto"
    protocol = given.get("proto") or given.get("protocol")
    if deletes and protocol is None:  # any protocol's
        for name in [name for name in model.tables if name.startswith(f"{table} ")]:
            _put(verb, model, name, key, record)
    else:
        _put(verb, model, f"{table} {_PROTOCOLS.get(protocol or '', protocol or 'boot')}", key, record)


def scattered(arguments: Sequence[str], keywords: Collection[str], flags: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Keywords with values, and all other words but ``to`` and the flags, in any order."""
    given: dict[str, str] = {}
    positional: list[str] = []
    rest = arguments
    while rest:
        found, rest = words_of(rest, keywords, flags)
        given |= found
        positional += [word for word in rest[:1] if word != "to"]
        rest = rest[1:]
    return given, positional


def _before(words: Sequence[str], word: str) -> int:
    return words.index(word) if word in words else len(words)


_FOLDS: dict[str, Callable[[str, Sequence[str], DeviceModel], None]] = {
    "class": _fold_class,
    "qdisc": _fold_qdisc,
    "neigh": _fold_neighbour,
    "neighbor": _fold_neighbour,
    "neighbour": _fold_neighbour,
    "route": _fold_route,
}
