"""Tests of the catalogue, the renderer and the checker."""

from __future__ import annotations

from typing import Any

from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.errors import SkeletonError
from ebs_core.domain.nas import Option, Profile
from ebs_core.domain.text import Rendered

PROFILE = Profile(
    "test", "Test", ("opaque",), ("ssh",), options={"uplink": Option("uplink"), "list": Option("list", default="active")}
)
VALUES: dict[str, object] = {**SAMPLES, "options": {"uplink": "eth1"}}


def parse(profile: Profile, transport: str, rendered: Rendered) -> list[str]:
    """A dialect that takes everything but the word BAD, and a slot after @."""
    for word, shift in (("BAD", 0), ("@\x00", 1)):
        if word in rendered.skeleton:
            raise SkeletonError(f"{word!r} is not understood", rendered.skeleton.index(word) + shift, remedy="write GOOD")
    return rendered.skeleton.split("\n")


RENDERER = TemplateRenderer({"test": PROFILE}, parse)


def render(source: str, action: str = "subaccount_add", **changed: Any) -> Rendered:
    return RENDERER.templates(PROFILE, {action: source}).render(Action(action), {**VALUES, **changed})


def problems(source: str, action: str = "subaccount_add") -> list[str]:
    return [str(problem) for problem in RENDERER.check(PROFILE, "ssh", action, source, "t.j2")]
