"""The same work on a router without EBS: librouteros as its documentation shows it, and a bare socket that knows the answer."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from typing import Any

import librouteros

from ebs_core.domain.commands import Command, Job
from ebs_core.domain.nas import Endpoint
from nas_backends.dialects.routeros_statement import RouterosStatement
from nas_backends.transports import routeros_login
from nas_backends.transports.routeros_wire import CHUNK, Sentences
from tests.bench.figures import seconds

WINDOW = 500
"""Sentences the bare socket has in flight, as many as our session."""
_DONE = b"\x05!done"


class Recorder:
    """A socket that keeps what is sent through it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.sent = bytearray()

    def send(self, data: memoryview) -> int:
        count = self._sock.send(data)
        self.sent += data[:count]
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def one_after_another(endpoint: Endpoint, work: Sequence[Job]) -> float:
    """librouteros, a command at a time: find, then act on what was found. Seconds after the login."""
    api = librouteros.connect(
        endpoint.address, endpoint.login, endpoint.password, port=endpoint.port, encoding="utf-8", timeout=60
    )
    try:
        return seconds(lambda: [_run(api, command) for job in work for command in job.commands])
    finally:
        api.close()


def _run(api: librouteros.api.Api, command: Command) -> None:
    statement = command.statement
    assert isinstance(statement, RouterosStatement)
    menu = "/" + "/".join(statement.path)
    arguments = {name: word.text(command.values) for name, word in statement.args}
    if statement.find is None:
        tuple(api(f"{menu}/{statement.verb}", **arguments))
        return
    queries = [f"?{each.name}={each.text(command.values)}" for each in statement.find.conditions]
    found = ",".join(row[".id"] for row in api.rawCmd(f"{menu}/print", "=.proplist=.id", *queries))
    if found:
        tuple(api(f"{menu}/{statement.verb}", **{".id": found}, **arguments))


def bare_socket(endpoint: Endpoint, sentences: Sequence[bytes]) -> float:
    """Sends these sentences with WINDOW of them in flight and counts the ends of replies. Seconds after the login."""
    sock = routeros_login.log_in(endpoint)
    try:
        sock.setblocking(False)
        return seconds(lambda: _pump(sock, sentences))
    finally:
        sock.close()


def _pump(sock: socket.socket, sentences: Sequence[bytes]) -> None:
    out, tail, sent, done = bytearray(), b"", 0, 0
    poll = select.poll()
    while done < len(sentences):
        upto = min(done + WINDOW, len(sentences))
        out += b"".join(sentences[sent:upto])
        sent = upto
        if out:
            del out[: sock.send(out)]
        poll.register(sock, select.POLLIN | (select.POLLOUT if out else 0))
        poll.poll(60_000)
        try:
            data = tail + sock.recv(CHUNK)
        except BlockingIOError:
            continue
        assert data != tail, "the router closed the connection"
        done += data.count(_DONE)
        tail = data[-len(_DONE) + 1 :]


def sentences_of(sent: bytes) -> list[bytes]:
    """A recorded stream, cut into sentences."""
    return [b"".join(map(_word, words)) + b"\0" for words in Sentences().feed(bytes(sent))]


def _word(word: bytes) -> bytes:
    length = len(word)
    return (bytes([length]) if length < 0x80 else (length | 0x8000).to_bytes(2, "big")) + word
