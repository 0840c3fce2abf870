"""What a request printed, bounded in memory."""

from __future__ import annotations

OUTPUT_LIMIT = 16 * 1024 * 1024
_TAIL = 64 * 1024


class Output:
    """Keeps the first ``limit`` bytes and the last 64 kB; what is between is counted and dropped, so that the program goes on."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room < len(data) else b""
        if len(self._tail) > 2 * _TAIL:
            self._dropped += len(self._tail) - _TAIL
            del self._tail[:-_TAIL]

    @property
    def whole(self) -> bool:
        """Nothing was dropped."""
        return not self._dropped

    def text(self) -> str:
        """As UTF-8; other bytes as replacement characters."""
        note = f"\n… {self._dropped} bytes left out …\n".encode() if self._dropped else b""
        return (bytes(self._head) + note + bytes(self._tail)).decode("utf-8", "replace")
