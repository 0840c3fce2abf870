"""The ``opaque`` dialect: one command per line for a command line that EBS does not know. Values are limited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import UnquotableValue
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, fill, mask
from nas_backends.dialects.shell import require_text_transport, show

_SAFE = re.compile(r"[A-Za-z0-9_.:/@+,=-]*")


@dataclass(frozen=True, slots=True)
class OpaqueStatement:
    """One line, sent as it is."""

    skeleton: str
    dialect: str = "opaque"

    @property
    def slots(self) -> int:
        return self.skeleton.count(SLOT)

    def emit(self, values: Sequence[str]) -> str:
        for value in values:
            if not _SAFE.fullmatch(value):
                raise UnquotableValue(
                    f"the value {mask(value)!r} cannot be sent: how this NAS quotes is not known",
                    remedy="only letters, digits and _ . : / @ + , = - are sent",
                )
        return fill(self.skeleton, values)

    def show(self, values: Sequence[str]) -> str:
        return show(self, values)

    def fold(self, values: Sequence[str], model: DeviceModel) -> None:
        """Nothing is known of the command's effect."""
        model.opaque = True


class OpaqueDialect:
    """See ``nas_backends.contract.Dialect``."""

    name = "opaque"

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """One statement per line that is not blank. Raises SkeletonError for a transport without command lines."""
        require_text_transport(self.name, transport)
        return tuple(OpaqueStatement(line.strip()) for line in skeleton.split("\n") if line.strip())
