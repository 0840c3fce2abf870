"""What each kind of table of a Linux machine knows of itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ebs_core.domain.records import Record, TableKind
from ebs_core.domain.text import Rendered


class Table(Protocol):
    """One table, named as folding names it. See ``nas_backends.contract.Observer`` for what the methods owe."""

    @property
    def kind(self) -> TableKind: ...

    def reading(self, properties: Collection[str]) -> str:
        """The command for a POSIX shell that prints the table, errors among it, and fails where there is none."""

    def lines(self, text: str) -> list[str]:
        """What it printed, a line per record."""

    def parse(self, line: str) -> Record: ...

    def removal(self, record: Record) -> Rendered | None: ...

    def adoption(self, record: Record, tag: str) -> Rendered | None: ...
