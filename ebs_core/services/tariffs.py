"""What planning needs of every tariff, with the speeds that are being rolled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ebs_core.domain.speed import Speed
from ebs_core.services.canary import is_everywhere, live, pilots
from ebs_core.storage.tables import Tariff, tariff_speed_columns


class TariffFacts(NamedTuple):
    active: bool
    nas_actions: bool
    speed: str
    """``Speed.encode``."""


NO_TARIFF = TariffFacts(active=False, nas_actions=False, speed=Speed().encode())


class Tariffs:
    """All tariffs, as one transaction sees them."""

    def __init__(self, session: Session) -> None:
        rows = session.execute(select(Tariff.id, Tariff.active, Tariff.nas_actions, *tariff_speed_columns()))
        self._ordinary = {row[0]: TariffFacts(row[1], row[2], Speed(*row[3:]).encode()) for row in rows}
        self._new = [
            (rollout, rollout.tariff_id, self._ordinary[rollout.tariff_id]._replace(speed=rollout.speed))
            for rollout in live(session)
            if rollout.tariff_id is not None and rollout.speed is not None
        ]

    def on(self, nas_id: int) -> tuple[Mapping[int, TariffFacts], Mapping[tuple[int, int], TariffFacts]]:
        """Those in force on a NAS by tariff id; and for whom others are, by ``(placement id, tariff id)``: mostly nobody."""
        if not self._new:
            return self._ordinary, {}
        everybody = {id_: facts for rollout, id_, facts in self._new if is_everywhere(rollout, nas_id)}
        some = {(placement, id_): facts for rollout, id_, facts in self._new for placement in pilots(rollout)}
        return {**self._ordinary, **everybody}, some

    def of(self, tariff_id: int, nas_id: int, placement_id: int) -> TariffFacts:
        """What is in force for one placement."""
        for rollout, id_, facts in self._new:
            if id_ == tariff_id and (is_everywhere(rollout, nas_id) or placement_id in pilots(rollout)):
                return facts
        return self._ordinary.get(tariff_id, NO_TARIFF)
