"""The interactive console: prompt, echo, the terminal's size, the nag about an empty password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import paramiko

from nas_simulator.cli_console import Console, Quit
from nas_simulator.delayed_line import DelayedLine
from nas_simulator.router import Caller, Router

_ESCAPE: Final = re.compile(rb"\x1b(?:\[[0-9;?]*[@-~]|[^\[])")
_SIZE: Final = re.compile(rb"\x1b\[\d+;\d+R")
_ASK_SIZE: Final = "\x1b[9999B\x1b[9999C\x1b[6n"
_LONGEST_LINE: Final = 1024 * 1024
_CTRL_C: Final = 3
_CTRL_D: Final = 4
_CTRL_U: Final = 21
_ERASE: Final = (8, 127)


class Terminal:
    """A PTY was asked for. `flags` (`ct200w` of `admin+ct200w`): with `t` the console does not ask for the size."""

    def __init__(self, flags: str) -> None:
        self.asks_size: Final = "t" not in flags


class Shell:
    """Runs one shell channel. Until a terminal that is asked for its size has answered, nothing but the question is shown."""

    def __init__(
        self,
        router: Router,
        caller: Caller,
        channel: paramiko.Channel,
        terminal: Terminal | None,
        cut: Callable[[], None],
    ) -> None:
        self._router: Final = router
        self._caller: Final = caller
        self._channel: Final = channel
        self._terminal: Final = terminal
        self._line: Final = DelayedLine(channel.sendall, cut, router.faults)
        self._shown = terminal is None or not terminal.asks_size
        self._nagging = terminal is not None and not router.before_7 and router.password_of(caller.login) == ""
        self._typed = bytearray()
        self._rest = b""
        self._after_return = False
        self._out: list[str] = []
        self._console: Final = Console(router, caller, self._out.append, terminal=terminal is not None)

    def run(self) -> None:
        """Until the user or the connection ends. Raises `SessionCut` for a fault."""
        key = self._router.subscribe_echo(self._echo)
        try:
            if not self._shown:
                self._line.send(_ASK_SIZE.encode())
            self._greet()
            while data := self._channel.recv(65536):
                if not self._router.faults.stall:
                    self._take(data)
            self._line.finish()
        except Quit:
            self._line.finish()
        finally:
            self._router.unsubscribe_echo(key)
            self._line.close()

    def _greet(self) -> None:
        version = self._router.version
        self._out.append(f"\r\n\r\n  MikroTik RouterOS {version}       https://www.mikrotik.com/\r\n\r\n")
        self._out.append("Change your password\r\n\r\nnew password> " if self._nagging else self._prompt())
        self._flush()

    def _prompt(self) -> str:
        path = self._console.path
        shown = path if not self._router.before_7 else path[:1] + path[1:].replace("/", " ")
        return f"[{self._caller.login}@{self._router.name}] {shown}> "

    def _flush(self) -> None:
        data = "".join(self._out).encode("utf-8", "surrogateescape")
        self._out.clear()
        if data and self._shown:
            self._line.send(data)

    def _echo(self, text: str) -> None:
        """A log line the router writes by itself; called from other threads."""
        if self._shown:
            self._line.post(f"\r\n{text}\r\n{self._prompt()}".encode("utf-8", "surrogateescape"))

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = b""
        answer = _SIZE.search(data)
        if answer is not None:
            self._keys(data[: answer.start()])
            self._shown = True
            self._out.append(self._prompt())
            data = data[answer.end() :]
        if b"\x1b" in _ESCAPE.sub(b"", data):  # cut in the middle of a sequence
            start = data.rfind(b"\x1b")
            data, self._rest = data[:start], data[start : start + 32]
        self._keys(data)

    def _keys(self, data: bytes) -> None:
        """What was typed, escape sequences (cursor keys, other answers) left out."""
        for sign in _ESCAPE.sub(b"", data):
            self._key(sign)
        self._flush()

    def _key(self, sign: int) -> None:
        paired = self._after_return and sign == ord("\n")
        self._after_return = sign == ord("\r")
        if paired:
            return
        if sign in b"\r\n":
            self._enter()
        elif sign == _CTRL_C:
            self._nagging = False
            self._typed.clear()
            self._out.append("\r\n" + self._prompt())
        elif sign == _CTRL_D and not self._typed:
            raise Quit
        elif sign in _ERASE:
            if self._typed:
                del self._typed[-1]
                self._show("\b \b")
        elif sign == _CTRL_U:
            self._typed.clear()
        elif sign >= 32 or sign == ord("\t"):
            self._type(sign)

    def _type(self, sign: int) -> None:
        if len(self._typed) < _LONGEST_LINE and not self._nagging:
            self._typed.append(sign)
            self._show(bytes((sign,)).decode("utf-8", "surrogateescape"))

    def _show(self, text: str) -> None:
        if self._terminal is not None:
            self._out.append(text)

    def _enter(self) -> None:
        if self._nagging:
            self._out.append("\r\nnew password> ")
            return
        self._show("\r\n")
        self._flush()
        text = self._typed.decode("utf-8", "surrogateescape")
        self._typed.clear()
        if text.strip():
            self._console.run(text)
        self._out.append(self._prompt())
        if self._line.counts_commands:
            self._flush()
