"""One connection to the API door: sentences in, sentences out, in order."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from nas_simulator.api_query import compile_query
from nas_simulator.catalogue import resolve
from nas_simulator.delayed_line import DelayedLine
from nas_simulator.refusals import INTERRUPTED, Refusal
from nas_simulator.router import Caller, Router
from nas_simulator.schema import Menu, Row
from nas_simulator.verbs import Answer
from nas_simulator.words import ProtocolError, encode_sentence, encode_word, take_sentences

_CHUNK: Final = 256 * 1024
_LOGIN_ATTEMPTS: Final = 5
_DONE: Final = encode_word(b"!done")
_ROW: Final = encode_word(b"!re")
_TRAP: Final = encode_word(b"!trap")
_EMPTY: Final = encode_word(b"!empty")
_END: Final = b"\x00"


class _Closed(Exception):
    """The session is over; what was collected is still sent."""


def _word(text: str) -> bytes:
    return encode_word(text.encode("utf-8", "surrogateescape"))


class ApiSession:
    """`receive(size)` gives bytes, empty at the end. Any bytes survive: text is UTF-8, what is not travels as surrogates."""

    def __init__(self, router: Router, receive: Callable[[int], bytes], line: DelayedLine, peer: str, session: int) -> None:
        self._router: Final = router
        self._receive: Final = receive
        self._line: Final = line
        self._peer: Final = peer
        self._session: Final = session
        self._caller: Caller | None = None
        self._challenge = b""
        self._failed_logins = 0
        self._served = 0
        self._commands: Final[dict[bytes, tuple[Menu, str]]] = {}
        self._listening: Final[dict[bytes, int]] = {}
        self._out: list[bytes] = []
        self._out_size = 0

    def run(self) -> None:
        """Serves until the connection ends."""
        rest = b""
        try:
            while data := self._receive(_CHUNK):
                sentences, taken = take_sentences(rest + data)
                rest = (rest + data)[taken:] if taken < len(rest) + len(data) else b""
                if self._router.faults.stall:
                    continue
                for sentence in sentences:
                    self._handle(sentence)
                    if self._line.counts_commands:
                        self._flush()
                self._flush()
        except _Closed:
            self._flush()
            self._line.finish()
        except (OSError, ProtocolError):
            pass
        finally:
            for key in self._listening.values():
                self._router.unwatch(key)
            self._line.close()

    # -- replies

    def _put(self, data: bytes) -> None:
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self._line.send(data)

    def _put_done(self, tag: bytes, ret: str | None = None) -> None:
        self._put(_DONE + tag + (_END if ret is None else _word(f"=ret={ret}") + _END))

    def _put_refusal(self, tag: bytes, refusal: Refusal) -> None:
        category = b"" if refusal.category is None else _word(f"=category={refusal.category}")
        for text in (refusal.message, *refusal.also):
            self._put(_TRAP + tag + category + _word(f"=message={text}") + _END)
            category = b""
        self._put_done(tag)

    def _put_rows(self, tag: bytes, rows: Sequence[Row], proplist: tuple[str, ...] | None) -> None:
        head = _ROW + tag
        for row in rows:
            if proplist is None:
                words = [_word(f"={name}={value}") for name, value in row.items()]
            else:
                words = [_word(f"={name}={row[name]}") for name in proplist if name in row]
            self._put(head + b"".join(words) + _END)
        if not rows and self._router.says_empty:
            self._put(_EMPTY + tag + _END)

    def _fatal(self, text: str) -> _Closed:
        self._put(encode_sentence((b"!fatal", text.encode())))
        return _Closed()

    # -- sentences

    def _handle(self, sentence: list[bytes]) -> None:
        attributes: dict[str, str] = {}
        queries: list[str] = []
        tag = b""
        for raw in sentence[1:]:
            word = str(raw, "utf-8", "surrogateescape")
            if word[0] == "=":
                name, _, value = word[1:].partition("=")
                attributes[name] = value
            elif word[0] == "?":
                queries.append(word[1:])
            elif word.startswith(".tag="):
                tag = encode_word(raw)
        command = sentence[0]
        if self._caller is None or command in (b"/login", b"/quit", b"/cancel"):
            self._handle_session_command(command, attributes, tag)
            return
        cut = self._router.faults.cuts(self._served)
        self._served += 1
        if cut == "before":
            raise _Closed
        try:
            self._execute(self._caller, command, attributes, queries, tag, cut is not None)
        except Refusal as refusal:
            if cut is not None:
                raise _Closed from None
            self._put_refusal(tag, refusal)

    def _execute(
        self, caller: Caller, command: bytes, attributes: dict[str, str], queries: list[str], tag: bytes, cut: bool
    ) -> None:
        known = self._commands.get(command)
        if known is None:
            known = resolve(str(command, "utf-8", "surrogateescape"))
            self._commands[command] = known
        menu, verb = known
        if verb == "listen":
            self._listen(menu, tag)
            return
        condition = compile_query(queries) if queries else None
        answer = self._router.execute(caller, menu, verb, attributes, condition)
        if cut:
            raise _Closed
        self._put_answer(tag, answer)

    def _put_answer(self, tag: bytes, answer: Answer) -> None:
        if answer.rows is not None:
            self._put_rows(tag, answer.rows, answer.proplist)
        self._put_done(tag, answer.ret)

    def _listen(self, menu: Menu, tag: bytes) -> None:
        """Sends every change of the menu until `/cancel`."""

        def tell(row: Row) -> None:
            words = b"".join([_word(f"={name}={value}") for name, value in row.items()])
            self._line.post(_ROW + tag + words + _END)

        key = self._router.watch(menu, tell)
        if tag in self._listening:
            self._router.unwatch(self._listening[tag])
        self._listening[tag] = key

    def _cancel(self, attributes: dict[str, str], tag: bytes) -> None:
        wanted = attributes.get("tag")
        for running in list(self._listening):
            if wanted is None or running == _word(f".tag={wanted}"):
                self._router.unwatch(self._listening.pop(running))
                self._put_refusal(running, Refusal("interrupted", INTERRUPTED))
        self._put_done(tag)

    # -- login

    def _handle_session_command(self, command: bytes, attributes: dict[str, str], tag: bytes) -> None:
        if command == b"/quit":
            raise self._fatal("session terminated on request")
        if command == b"/login":
            self._login(attributes, tag)
        elif self._caller is None:
            raise self._fatal("not logged in")
        else:
            self._cancel(attributes, tag)

    def _login(self, attributes: dict[str, str], tag: bytes) -> None:
        if self._router.old_login and "response" not in attributes:
            self._challenge = secrets.token_bytes(16)
            self._put_done(tag, self._challenge.hex())
            return
        login = attributes.get("name", "")
        if self._proves(login, attributes) and not self._router.faults.refuse_login:
            self._caller = Caller("api", self._session, login, self._router.may_write(login))
            self._put_done(tag)
            return
        self._failed_logins += 1
        self._router.report_login_failure(login, self._peer, "api")
        if self._failed_logins >= _LOGIN_ATTEMPTS:
            raise self._fatal("too many commands before login")
        text = "cannot log in" if self._router.old_login else "invalid user name or password (6)"
        self._put_refusal(tag, Refusal(text))

    def _proves(self, login: str, attributes: dict[str, str]) -> bool:
        """Since 6.43 the password itself, before that MD5 of a zero byte, the password and the challenge."""
        password = self._router.password_of(login)
        if password is None:
            return False
        expected, given = password, attributes.get("password", "")
        if self._router.old_login:
            proof = b"\x00" + password.encode("utf-8", "surrogateescape") + self._challenge
            expected = "00" + hashlib.md5(proof, usedforsecurity=False).hexdigest()
            given = attributes["response"] if self._challenge else ""
            self._challenge = b""
        elif "password" not in attributes:
            return False
        return hmac.compare_digest(expected.encode("utf-8", "surrogateescape"), given.encode("utf-8", "surrogateescape"))
