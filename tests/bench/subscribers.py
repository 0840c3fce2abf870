"""Made-up subscribers, rendered: what a session is given to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Job, Outcome, Reply
from ebs_core.domain.nas import Profile
from nas_backends.backends import DeviceBackends

SUBSCRIBERS = 1000
ACTIONS = (Action.SUBACCOUNT_ADD, Action.SUBACCOUNT_ENABLE, Action.SUBACCOUNT_SPEED)
OPTIONS = {"linux": {"subscriber_interface": "sub0", "uplink_interface": "up0"}, "mikrotik": {"active_list": "ebs_active"}}

backends = DeviceBackends()


@cache
def renderer() -> TemplateRenderer:
    return TemplateRenderer(load_profiles(), backends.parse)


def profile(name: str) -> Profile:
    return renderer().profiles()[name]


def address(number: int) -> str:
    return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def mac(number: int) -> str:
    return f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def values(number: int, kind: Profile) -> Mapping[str, object]:
    """Every variable of subscriber ``number`` (from 1) on a NAS of that kind, by canonical name."""
    return {
        **SAMPLES,
        "subacc_username": f"a-{number:06d}-1",
        "subacc_ipn_ip_address": address(number),
        "subacc_ipn_mac_address": mac(number),
        "max_limit_rx": 20_000_000 + number,
        "max_limit_tx": 10_000_000 + number,
        "slot": number,
        "placement_id": number,
        "tag": kind.tag.format(placement=number),
        "options": OPTIONS[kind.name],
    }


def jobs(kind: Profile, transport: str, action: Action, count: int = SUBSCRIBERS) -> list[Job]:
    """One job per subscriber."""
    templates = renderer().templates(kind, {})
    return [
        Job(number, backends.parse(kind, transport, templates.render(action, values(number, kind))))
        for number in range(1, count + 1)
    ]


def batch(kind: Profile, transport: str, count: int = SUBSCRIBERS) -> list[Job]:
    """One job per subscriber with all of a new one's actions, as an apply hands them to the session."""
    each = zip(*(jobs(kind, transport, action, count) for action in ACTIONS), strict=True)
    return [Job(parts[0].subject, tuple(command for part in parts for command in part.commands)) for parts in each]


def all_ok(replies: Sequence[Sequence[Reply]]) -> None:
    """A figure of what failed would say nothing."""
    assert {reply.outcome for each in replies for reply in each} == {Outcome.OK}, replies[:3]
