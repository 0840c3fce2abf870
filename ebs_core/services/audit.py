"""The audit log: who did what, and what was refused. Lines are added in the transaction of the act; nothing changes one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from ebs_core.storage.tables import Audit

MASK: Final = "***"


class Actor(NamedTuple):
    """Who acts. ``address``: an IP address, or ``local`` for the command line."""

    name: str
    address: str = "local"


SYSTEM: Final = Actor("system")
"""EBS itself, at its moments."""


def note(
    session: Session,
    actor: Actor,
    act: str,
    kind: str,
    name: str,
    detail: Mapping[str, Any] | None = None,
    *,
    refused: str = "",
) -> None:
    """``act``: object and verb, as ``account.set``; ``kind`` and ``name`` are the object's. ``detail`` must hold no secret and be
    plain JSON: what changed as ``{field: [before, after]}``, or what else there is to say. ``refused``: why it was not done."""
    session.add(
        Audit(
            at=datetime.now(UTC),
            operator=actor.name,
            address=actor.address,
            act=act,
            kind=kind,
            name=name,
            detail=dict(detail or {}),
            refused=refused,
        )
    )
