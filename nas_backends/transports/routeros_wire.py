"""Bytes and sentences of the RouterOS API: a socket that is written and read at once, and a parser for what arrives.

``librouteros`` connects and logs in; this is the hot path after that, where it would cost a system call per byte group and forbid
tags (its parser reads one reply at a time, and drops undecodable bytes).
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator

CHUNK = 256 * 1024
LONGEST_SENTENCE = 16 * 1024 * 1024
"""Bytes of one reply sentence; more is taken for a broken stream."""


class BrokenWire(Exception):
    """The connection ended, or what arrives is not the API's protocol. The text says which."""


class Wire:
    """A connected socket, TLS or plain. ``out`` holds what is still to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.out = bytearray()
        self._unwritable = False
        sock.setblocking(False)

    def exchange(self, timeout: float) -> bytes:
        """Send what is queued as far as the peer takes it and return what arrives; waits up to ``timeout`` seconds for something.

        Raises BrokenWire when the connection ends or nothing moves in time. What arrived before the end is returned first.
        """
        while True:
            sent = self.flush()
            if data := self.receive():
                return data
            if not sent:
                self._wait(timeout)

    def receive(self) -> bytes:
        """What is there already; b"" if nothing. Raises BrokenWire at the end of the stream."""
        try:
            data = self._sock.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError as error:
            raise BrokenWire(_reason(error)) from error
        if not data:
            raise BrokenWire("the router closed the connection")
        return data

    def close(self) -> None:
        self._sock.close()

    def flush(self) -> int:
        """Send of what is queued as much as the peer takes at once; the number of bytes. Never raises: reading tells why."""
        if not self.out or self._unwritable:
            return 0
        try:
            sent = self._sock.send(memoryview(self.out)[:CHUNK])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            self._unwritable = True  # replies may still be there to be read; reading then tells why it ended
            return 0
        del self.out[:sent]
        return sent

    def _wait(self, timeout: float) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | (select.POLLOUT if self.out and not self._unwritable else 0))
        if not poll.poll(timeout * 1000):
            raise BrokenWire(f"the router did not answer for {timeout:g} s")


def _reason(error: OSError) -> str:
    return f"the connection broke: {error.strerror or error}"


class Sentences:
    """Cuts received bytes into sentences (lists of words)."""

    def __init__(self) -> None:
        self._rest = b""
        self._words: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Every sentence that ``data`` completes. Raises BrokenWire for a length that the protocol does not have."""
        data = self._rest + data if self._rest else data
        at, end, words = 0, len(data), self._words
        while at < end:
            length = data[at]
            start = at + 1
            if length >= 0x80:
                extra = 1 if length < 0xC0 else 2 if length < 0xE0 else 3
                start += extra
                if length >= 0xF0:
                    raise BrokenWire("the router sent what is not the RouterOS API")
                if start > end:
                    break
                length = int.from_bytes(data[at:start], "big") & (0x3FFF, 0x1FFFFF, 0xFFFFFFF)[extra - 1]
            stop = start + length
            if self._size + length > LONGEST_SENTENCE:
                raise BrokenWire("the router sent a sentence that does not end")
            if stop > end:
                break
            at = stop
            if length:
                words.append(data[start:stop])
                self._size += length
            elif words:
                yield words
                words = self._words = []
                self._size = 0
        self._rest = data[at:]
