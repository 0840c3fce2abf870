"""Rendering every action of edited subscribers at once, so that a value which a NAS cannot be given is refused at the edit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ebs_core.crypto import SecretBox
from ebs_core.domain.actions import Action, Level
from ebs_core.domain.errors import EbsError, InputError, UnsafeAddress
from ebs_core.domain.speed import Speed
from ebs_core.ports import Backends
from ebs_core.services.nases import NasCatalogue, NasContext
from ebs_core.services.placements import chunks
from ebs_core.services.planner import current_tariffs
from ebs_core.services.scan import record_actions
from ebs_core.services.tariffs import Tariffs
from ebs_core.services.variables import Facts, collect
from ebs_core.storage.tables import Account, Nas, Placement, Subaccount, Tariff


class Refusal(NamedTuple):
    account_id: int
    subaccount: str
    message: str


class Trial:
    """Renders without sending. Thread-safe."""

    def __init__(self, catalogue: NasCatalogue, backends: Backends, secrets: SecretBox) -> None:
        self._catalogue = catalogue
        self._backends = backends
        self._secrets = secrets

    def refusals(self, session: Session, account_ids: Collection[int]) -> Iterator[Refusal]:
        """The first refusal of each placement of these accounts that runs NAS actions, as the transaction sees them now."""
        contexts: dict[int, NasContext] = {}
        tariffs = Tariffs(session)
        for ids in chunks(account_ids):
            query = (
                select(Placement, Account, Subaccount, Tariff)
                .join(Account, Account.id == Placement.account_id)
                .join(Tariff, Tariff.id == Account.tariff_id)
                .outerjoin(Subaccount, Subaccount.id == Placement.subaccount_id)
                .where(Placement.account_id.in_(ids), Account.deleted_at.is_(None), Tariff.nas_actions)
            )
            rows = session.execute(query).all()
            history = current_tariffs(session, [row[1].id for row in rows])
            for placement, account, subaccount, tariff in rows:
                owner = subaccount or account
                if owner.nas_id != placement.nas_id:
                    continue
                figures = tariffs.of(tariff.id, placement.nas_id, placement.id).speed
                speed = Speed.decode(owner.ipn_speed or figures)
                context = contexts.get(placement.nas_id)
                if context is None:  # only the NASes concerned: a broken one elsewhere stops no edit
                    context = contexts[placement.nas_id] = self._catalogue.context(session.get_one(Nas, placement.nas_id))
                context = context.of(placement.id)
                facts = Facts(
                    context.facts, self._secrets, placement, account, subaccount, tariff, history.get(account.id), speed
                )
                if message := self._refusal(context, facts):
                    yield Refusal(account.id, subaccount.username if subaccount else "", message)

    def _refusal(self, context: NasContext, facts: Facts) -> str:
        level = Level.SUBACCOUNT if facts.subaccount else Level.ACCOUNT
        assert facts.account is not None  # noqa: S101
        who = f"subaccount {facts.subaccount.username}" if facts.subaccount else f"account {facts.account.username}"
        for action in record_actions(level):
            if context.templates.is_empty(action):
                continue
            try:
                self._try(context, action, facts)
            except UnsafeAddress:
                return ""  # an address may come later; the plan names the subscriber until then
            except EbsError as error:
                return f"{who}: NAS {context.name} cannot take it ({action}): {error.message}"
        return ""

    def _try(self, context: NasContext, action: Action, facts: Facts) -> None:
        rendered = context.templates.render(action, collect(context.templates.variables(action), facts))
        commands = self._backends.parse(context.profile, context.transport, rendered)
        self._backends.check_values(context.transport, commands)

    def check(self, session: Session, account_id: int) -> None:
        """Raises InputError for the first refusal."""
        session.flush()
        for refusal in self.refusals(session, [account_id]):
            raise InputError(refusal.message, remedy="change the value, or the template on that NAS; nothing was changed")
