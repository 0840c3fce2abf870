"""A router with 50,000 address-list entries and as many queues read back: our session, and a bare socket that only receives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ebs_core.domain.nas import Endpoint
from nas_backends.dialects.routeros_observer import properties
from nas_backends.dialects.routeros_sentence import encode_words
from nas_backends.transports import routeros_login
from nas_backends.transports.routeros_wire import CHUNK
from tests.bench.figures import medians, report, seconds
from tests.bench.routeros_router import router
from tests.bench.subscribers import backends

ENTRIES = 50_000
OVERHEAD, NEAR = 1.5, 0.1
ROUNDS = 7
LIST, QUEUE = "ip firewall address-list", "queue simple"
WANTED = {
    LIST: ["list", "address", "comment", "disabled"],
    QUEUE: ["name", "target", "max-limit", "limit-at", "priority", "comment", "disabled"],
}


def run() -> None:
    with router(0, ENTRIES) as endpoint:
        for tables in ([LIST], [LIST, QUEUE]):
            took = medians(ROUNDS, {"ours": partial(_ours, endpoint, tables), "bare_socket": partial(bare, endpoint, tables)})
            name = f"RouterOS API, {ENTRIES:,} {'subscribers (two tables)' if len(tables) > 1 else 'entries'} read back"
            sizes = {"records": ENTRIES * len(tables)}
            report(f"{name}: times a bare print", took["ours"] / took["bare_socket"], "ratio", "lower", OVERHEAD, **sizes, **took)
        took = medians(ROUNDS, {"near": partial(_near, endpoint, 3), "whole": partial(_ours, endpoint, [LIST])})
        share = took["near"] / took["whole"]
        report(f"RouterOS API, 3 of {ENTRIES:,} entries read back: share of all", share, "ratio", "lower", NEAR, **took)


def _ours(endpoint: Endpoint, tables: Sequence[str]) -> float:
    session = backends.open(endpoint)
    try:
        found = []
        took = seconds(lambda: found.append(session.observe({table: WANTED[table] for table in tables})))
        assert [len(lines) for lines in found[0].lines.values()] == [ENTRIES] * len(tables)
        return took
    finally:
        session.close()


def _near(endpoint: Endpoint, count: int) -> float:
    session = backends.open(endpoint)
    records = [{"comment": f"ebs:{number}"} for number in range(1, count + 1)]
    try:
        found = []
        took = seconds(lambda: found.append(session.observe({LIST: WANTED[LIST]}, {LIST: records})))
        assert len(found[0].lines[LIST]) == count
        return took
    finally:
        session.close()


def bare(endpoint: Endpoint, tables: Sequence[str]) -> float:
    """Seconds until the last byte of the same prints."""
    sock = routeros_login.log_in(endpoint)
    sock.setblocking(True)
    request = b""
    for number, table in enumerate(tables):
        names = ",".join(properties(WANTED[table]))
        request += encode_words(f"/{table.replace(' ', '/')}/print", f"=.proplist={names}", f".tag={number}") + b"\0"

    def receive() -> None:
        sock.sendall(request)
        end, last = b"!done\x06.tag=%d\0" % (len(tables) - 1), b""
        while not last.endswith(end):
            last = last[-len(end) :] + sock.recv(CHUNK)

    try:
        return seconds(receive)
    finally:
        sock.close()
