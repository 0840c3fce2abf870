"""A client of the API that shows every word; its encoding is written apart from the simulator's."""

from __future__ import annotations

import socket


def encode(*words: str | bytes) -> bytes:
    parts = []
    for word in words:
        data = word if isinstance(word, bytes) else word.encode()
        size = len(data)
        if size < 0x80:
            head = bytes([size])
        elif size < 0x4000:
            head = bytes([size >> 8 | 0x80, size & 0xFF])
        else:
            head = bytes([size >> 16 | 0xC0, size >> 8 & 0xFF, size & 0xFF])
        parts.append(head + data)
    return b"".join(parts) + b"\0"


class RawClient:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, *words: str | bytes) -> None:
        self.socket.sendall(encode(*words))

    def word(self) -> bytes:
        first = self._file.read(1)
        if not first:
            raise EOFError
        size = first[0]
        extra = 0 if size < 0x80 else 1 if size < 0xC0 else 2 if size < 0xE0 else 3
        size &= (0xFF, 0x3F, 0x1F, 0x0F)[extra]
        return self._file.read(int.from_bytes(bytes([size]) + self._file.read(extra), "big"))

    def sentence(self) -> list[str]:
        words = []
        while word := self.word():
            words.append(word.decode())
        return words

    def reply(self) -> list[list[str]]:
        """Sentences up to `!done` or `!fatal`."""
        sentences = [self.sentence()]
        while sentences[-1][0] not in ("!done", "!fatal"):
            sentences.append(self.sentence())
        return sentences

    def talk(self, *words: str | bytes) -> list[list[str]]:
        self.send(*words)
        return self.reply()

    def add(self, path: str, **values: str) -> str:
        """The new item's id."""
        words = [f"={name.replace('_', '-')}={value}" for name, value in values.items()]
        (done,) = self.talk(f"{path}/add", *words)
        return done[1].removeprefix("=ret=")

    def messages(self, *words: str | bytes) -> list[str]:
        """The texts of the traps, after checking that `!done` ends the reply."""
        *traps, done = self.talk(*words)
        assert done == ["!done"]
        assert all(trap[0] == "!trap" for trap in traps)
        return [word.removeprefix("=message=") for trap in traps for word in trap if word.startswith("=message=")]

    def login(self, name: str = "ebs", password: str = "secret") -> None:
        assert self.talk("/login", f"=name={name}", f"=password={password}") == [["!done"]]

    def ended(self) -> bool:
        """The router has closed the connection and nothing was left to read."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True
