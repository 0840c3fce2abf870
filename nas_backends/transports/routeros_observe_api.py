"""Reading tables back over the RouterOS API: every table's print in flight at once, replies kept as text (``routeros_rows``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ebs_core.domain.errors import ConnectionLost, NasError, NotPermitted, UnquotableValue
from ebs_core.domain.records import Reading, Record, Vitals
from nas_backends.dialects.routeros_canonical import SECRETS, canonical_record
from nas_backends.dialects.routeros_observer import RouterosObserver, properties, tags_near, uptime
from nas_backends.dialects.routeros_sentence import encode_text, encode_words
from nas_backends.transports.routeros_find import PER_SENTENCE, either
from nas_backends.transports.routeros_pipeline import Pipeline, decode
from nas_backends.transports.routeros_rows import Print, attributes

_OBSERVER = RouterosObserver()
_ABSENT = ("no such command prefix", "no such command or directory", "no such command")
"""Traps for a menu that does not exist: a package that is not installed, or another release."""


def observe(
    pipeline: Pipeline, nas: str, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None
) -> Reading:
    """See ``ebs_core.ports.Session.observe``. Raises NasError; only a broken connection ends the session."""
    known = {table: properties(names) for table, names in wanted.items() if _OBSERVER.kind(table) is not None}
    prints = {table: list(_prints(table, names, near)) for table, names in known.items()}
    resource = Print(encode_words("/system/resource/print", "=.proplist=uptime"))
    pipeline.check()
    pipeline.print([resource, *(each for group in prints.values() for each in group)])
    if pipeline.broken:
        raise ConnectionLost(f"reading it back: {pipeline.broken}", nas=nas, remedy="it is tried again later")
    lines = {}
    for table, group in prints.items():
        traps = [decode(trap) for each in group for trap in each.traps]
        if not traps:
            lines[table] = [line for each in group for line in each.rows]
        elif not all(trap.startswith(_ABSENT) for trap in traps):
            raise _refused(nas, table, traps)
    asked = {table: dict.fromkeys((name for name in names if name not in SECRETS), "") for table, names in known.items()}
    secret = frozenset(table for table, names in known.items() if _OBSERVER.secret(table, names))

    def parse(table: str, line: str) -> Record:
        """What was asked for and is not there is empty, if it has no default."""
        return asked[table] | canonical_record(table, attributes(line))

    return Reading(lines, parse, _vitals(resource), secret)


def _prints(table: str, names: Sequence[str], near: Mapping[str, Sequence[Record]] | None) -> Iterator[Print]:
    """The sentences that read a table: one, or with ``near`` one for every hundred tags."""
    head = encode_words(f"/{table.replace(' ', '/')}/print", "=.proplist=" + ",".join(names))
    tags = tags_near(near, table)
    try:
        keys = None if tags is None else [encode_text(tag) for tag in tags]
    except UnquotableValue:
        keys = None
    if keys is None:
        yield Print(head)
    else:
        for start in range(0, len(keys), PER_SENTENCE):
            yield Print(head + either("comment", keys[start : start + PER_SENTENCE]))


def _vitals(resource: Print) -> Vitals:
    return next((uptime(dict(attributes(line)).get("uptime", "")) for line in resource.rows), Vitals())


def _refused(nas: str, table: str, traps: Sequence[str]) -> NasError:
    text = f"reading /{table} back: {'; '.join(traps)}"
    if any("not enough permissions" in trap for trap in traps):
        return NotPermitted(text, nas=nas, remedy="give the login's group the policy read")
    return NasError(text, nas=nas, remedy="it is tried again later; see /log print on the router")
