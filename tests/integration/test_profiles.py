"""Every shipped profile: its templates pass the checker on each transport, and it has its README of ten lines."""

from __future__ import annotations

from pathlib import Path

import pytest

import action_templates
from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from nas_backends.backends import DeviceBackends

PROFILES = load_profiles()
FOLDER = Path(next(iter(action_templates.__path__)))
RENDERER = TemplateRenderer(PROFILES, DeviceBackends().parse)
CASES = [
    (name, transport, action)
    for name, profile in PROFILES.items()
    for transport in profile.transports
    for action in profile.templates
]


def test_the_four_kinds_of_the_first_release() -> None:
    assert set(PROFILES) >= {"mikrotik", "linux", "generic_ssh", "localhost"}


@pytest.mark.parametrize(("name", "transport", "action"), CASES)
def test_templates_pass_the_checker(name: str, transport: str, action: str) -> None:
    profile = PROFILES[name]
    assert RENDERER.check(profile, transport, action, profile.templates[action], f"{name}/{action}.j2") == []


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_each_has_the_actions_that_make_records_a_bootstrap_and_a_page(name: str) -> None:
    templates = PROFILES[name].templates
    assert {"bootstrap", *(f"subaccount_{step}" for step in ("add", "enable", "disable", "delete", "speed"))} <= set(templates)
    page = (FOLDER / name / "README.md").read_text(encoding="utf-8").splitlines()
    assert len([line for line in page if line.strip()]) == 11, "a title and ten lines"
