"""Rendering one template for one subscriber, on any NAS: for people who write templates."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ebs_core.crypto import SecretBox
from ebs_core.domain.actions import Action, Level
from ebs_core.domain.commands import Command
from ebs_core.domain.speed import Speed
from ebs_core.ports import Backends
from ebs_core.services.edit import find_account, find_subaccount
from ebs_core.services.nases import NasContext
from ebs_core.services.planner import current_tariffs
from ebs_core.services.tariffs import Tariffs
from ebs_core.services.variables import Facts, collect
from ebs_core.storage.tables import Account, Placement, Subaccount, Tariff


def preview(
    session: Session,
    context: NasContext,
    backends: Backends,
    secrets: SecretBox,
    action: Action,
    *,
    subaccount: str | None = None,
    account: str | None = None,
) -> tuple[Command, ...]:
    """The commands, with today's values. Raises NotFound, TemplateError, UnquotableValue."""
    sub = find_subaccount(session, subaccount) if subaccount else None
    owner = session.get_one(Account, sub.account_id) if sub else find_account(session, account or "")
    placement = _placement(session, context, owner, sub)
    context = context.of(placement.id)
    facts = Facts(context.facts, secrets, placement, owner, sub)
    facts.tariff = session.get(Tariff, owner.tariff_id) if owner.tariff_id else None
    facts.account_tariff = current_tariffs(session, [owner.id]).get(owner.id)
    facts.speed = _speed(session, facts, action)
    rendered = context.templates.render(action, collect(context.templates.variables(action), facts))
    commands = backends.parse(context.profile, context.transport, rendered)
    backends.check_values(context.transport, commands)
    return commands


def _placement(session: Session, context: NasContext, account: Account, sub: Subaccount | None) -> Placement:
    """The subscriber's placement on that NAS, or one as it would be."""
    found = session.scalar(
        select(Placement).where(
            Placement.nas_id == context.id,
            Placement.account_id == account.id,
            Placement.subaccount_id == (sub.id if sub else None),
        )
    )
    if found is not None:
        return found
    imagined = Placement(nas_id=context.id, account_id=account.id, slot=1, subaccount_id=sub.id if sub else None)
    imagined.id = 0
    return imagined


def _speed(session: Session, facts: Facts, action: Action) -> Speed:
    owner = facts.subaccount or facts.account
    assert owner is not None  # noqa: S101
    own = owner.vpn_speed if action.level is Level.SESSION else owner.ipn_speed
    if own:
        return Speed.decode(own)
    if facts.tariff is None:
        return Speed()
    assert facts.placement is not None  # noqa: S101
    return Speed.decode(Tariffs(session).of(facts.tariff.id, facts.placement.nas_id, facts.placement.id).speed)
