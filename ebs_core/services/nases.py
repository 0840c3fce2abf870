"""A NAS as the use cases need it: its row, its profile, the templates in force, how to reach it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session, selectinload

from ebs_core.crypto import SecretBox
from ebs_core.domain.errors import EbsError, InputError, Misconfigured, NotFound, StorageError
from ebs_core.domain.nas import Endpoint, Profile
from ebs_core.ports import Renderer, Templates
from ebs_core.services.canary import is_everywhere, live, pilots, template_rollout
from ebs_core.services.edit import find_nas
from ebs_core.services.variables import NasFacts
from ebs_core.storage.tables import Nas, Rollout


@dataclass(frozen=True, slots=True)
class NasContext:
    """Everything about one NAS that planning and sending need."""

    facts: NasFacts
    templates: Templates
    transport: str
    canary: NasContext | None = None
    """The same NAS with the templates that are in force for the first few of a rollout only."""
    pilots: frozenset[int] = frozenset()
    """Who these are, by placement id."""

    def of(self, placement_id: int) -> NasContext:
        """With the templates that are in force for this placement."""
        return self.canary if self.canary is not None and placement_id in self.pilots else self

    def parts(self) -> tuple[NasPart, ...]:
        """One, except in the first stage of a rollout."""
        if self.canary is None or not self.pilots:
            return (NasPart(self),)
        return NasPart(self, without=self.pilots), NasPart(self.canary, only=self.pilots)

    @property
    def id(self) -> int:
        return self.facts.nas.id

    @property
    def name(self) -> str:
        return self.facts.nas.name

    @property
    def profile(self) -> Profile:
        return self.facts.profile


class NasPart(NamedTuple):
    """The placements of a NAS for which the same templates are in force: all, or ``only`` some, or all ``without`` some."""

    context: NasContext
    only: frozenset[int] = frozenset()
    without: frozenset[int] = frozenset()


def overrides(nas: Nas) -> dict[str, str]:
    """The operator's own templates in force, by action name: the highest version of each."""
    newest: dict[str, str | None] = {}
    for template in sorted(nas.templates, key=lambda template: template.version):
        newest[template.action] = template.source
    return {action: source for action, source in newest.items() if source is not None}


def profile_named(profiles: Mapping[str, Profile], name: str, of: str) -> Profile:
    profile = profiles.get(name)
    if profile is None:
        raise NotFound(f"NAS {of}: there is no profile {name!r}", remedy=f"profiles are {', '.join(sorted(profiles))}")
    return profile


def check_settings(name: str, profile: Profile, transport: str | None, options: Mapping[str, str]) -> dict[str, str]:
    """The options with the profile's defaults. Raises InputError for a transport or option that the profile cannot take."""
    if transport is not None and transport not in profile.transports:
        raise InputError(
            f"NAS {name}: profile {profile.name} does not work over transport {transport!r}",
            remedy=f"choose one of {', '.join(profile.transports)}",
        )
    for option, value in options.items():
        if option not in profile.options:
            known = ", ".join(sorted(profile.options)) or "none"
            raise InputError(f"NAS {name}: profile {profile.name} has no option {option!r}", remedy=f"its options: {known}")
        if value != profile.options[option].default and not re.fullmatch(profile.options[option].pattern, value):
            raise InputError(
                f"NAS {name}: option {option}: {value!r} is not valid",
                remedy=f"{profile.options[option].help or option}: it must match {profile.options[option].pattern}",
            )
    resolved = {option.name: options.get(option.name, option.default) for option in profile.options.values()}
    missing = [option for option, value in resolved.items() if value is None]
    if missing:
        raise InputError(
            f"NAS {name}: profile {profile.name} needs the option {missing[0]!r} ({profile.options[missing[0]].help})",
            remedy=f"add it to the NAS: options: {{{missing[0]}: …}}",
        )
    return {option: value for option, value in resolved.items() if value is not None}


class NasCatalogue:
    """Loads NASes with what belongs to them."""

    def __init__(self, renderer: Renderer, secrets: SecretBox) -> None:
        self.renderer = renderer
        self._secrets = secrets

    def context(self, nas: Nas, rollouts: Sequence[Rollout] | None = None) -> NasContext:
        """``rollouts``: those under way, where the caller has them already."""
        if rollouts is None:
            session = object_session(nas)
            rollouts = live(session) if session is not None else ()
        own = overrides(nas)
        rollout = template_rollout(nas, rollouts)
        if rollout is None:
            return self._with(nas, own)
        new = {name: source for name, source in {**own, str(rollout.action): rollout.source}.items() if source is not None}
        if is_everywhere(rollout, nas.id):
            return self._with(nas, new)
        if rollout.nas_id != nas.id:
            return self._with(nas, own)
        return replace(self._with(nas, own), canary=self._with(nas, new), pilots=pilots(rollout))

    def _with(self, nas: Nas, own: Mapping[str, str]) -> NasContext:
        profile = profile_named(self.renderer.profiles(), nas.profile, nas.name)
        facts = NasFacts(
            nas=nas,
            profile=profile,
            sources={**profile.templates, **own},
            options=check_settings(nas.name, profile, nas.transport, nas.options),
        )
        return NasContext(facts, self.renderer.templates(profile, own), nas.transport or profile.transports[0])

    def load(self, session: Session, name: str) -> NasContext:
        return self.context(find_nas(session, name))

    def load_all(self, session: Session, names: Collection[str] = (), broken: dict[str, str] | None = None) -> list[NasContext]:
        """All, or the named ones (all must exist), sorted by name. One whose settings make no sense goes to ``broken`` with the
        reason, if there is such a dictionary; otherwise the first raises."""
        query = select(Nas).order_by(Nas.name).options(selectinload(Nas.templates))
        rows = session.scalars(query.where(Nas.name.in_(names)) if names else query).all()
        if missing := set(names) - {nas.name for nas in rows}:
            raise NotFound(f"there is no NAS {min(missing)!r}", remedy="'ebs nas list' shows the names")
        rollouts = live(session)
        found = []
        for nas in rows:
            try:
                found.append(self.context(nas, rollouts))
            except EbsError as error:
                if broken is None:
                    raise
                broken[nas.name] = str(error)
        return found

    def endpoint(self, context: NasContext) -> Endpoint:
        """How to reach it, with its password opened. Raises Misconfigured."""
        nas = context.facts.nas
        return Endpoint(
            name=nas.name,
            profile=context.profile,
            transport=context.transport,
            address=nas.address,
            port=nas.port,
            login=nas.login,
            password=self._password(nas),
            key_file=nas.key_file,
            host_key=nas.host_key,
            options=context.facts.options,
        )

    def _password(self, nas: Nas) -> str:
        """Raises Misconfigured: a damaged secret stops this NAS, not the others."""
        try:
            return self._secrets.open(nas.password) if nas.password else ""
        except StorageError as error:
            raise Misconfigured(error.message, nas=nas.name, remedy=error.remedy) from error
