"""An operator's own templates: checked when saved, kept in versions."""

from __future__ import annotations

from datetime import datetime

from ebs_core.domain.actions import Action
from ebs_core.domain.errors import TemplateError
from ebs_core.ports import Renderer
from ebs_core.services.canary import check_template_is_free
from ebs_core.services.nases import overrides, profile_named
from ebs_core.storage.tables import Nas, NasTemplate


def check_template(renderer: Renderer, nas: Nas, action: str, source: str, file: str) -> None:
    """Raises TemplateError with every problem of the template on that NAS."""
    profile = profile_named(renderer.profiles(), nas.profile, nas.name)
    transport = nas.transport or profile.transports[0]
    problems = renderer.check(profile, transport, action, source.replace("\r\n", "\n"), file)
    if problems:
        raise TemplateError(f"template {action} for NAS {nas.name} cannot be used:", problems)


def save_template(renderer: Renderer, nas: Nas, action: Action, source: str | None, file: str, now: datetime) -> bool:
    """Put a template into force on a NAS as its next version (None: the profile's own again); False if it is in force already.
    Raises TemplateError, and InputError while a rollout of it is under way."""
    if source is not None:
        source = source.replace("\r\n", "\n")
        check_template(renderer, nas, action.value, source, file)
    if overrides(nas).get(action.value) == source:
        return False
    check_template_is_free(nas, action.value)
    put_template(nas, action.value, source, now)
    return True


def put_template(nas: Nas, action: str, source: str | None, now: datetime) -> None:
    """The next version, as it is."""
    version = 1 + max((template.version for template in nas.templates if template.action == action), default=0)
    nas.templates.append(NasTemplate(action=action, version=version, source=source, created_at=now))
