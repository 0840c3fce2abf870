"""The shipped profile: the same templates over both transports, twice each, leave the same records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from actions.variables import SAMPLES
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome, Reply
from ebs_core.domain.nas import Profile
from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import Rendered
from nas_backends.contract import Line
from nas_backends.dialects.routeros import RouterosDialect
from nas_backends.dialects.routeros_batch import RouterosBatcher
from nas_backends.transports.routeros_api import open_session
from nas_simulator import SimulatedNas
from tests.integration.routeros.conftest import endpoint

PROFILE = load_profiles()["mikrotik"]
DIALECT = RouterosDialect()
OPTIONS = {name: option.default or "" for name, option in PROFILE.options.items()}
MENUS = ["/ip/firewall/address-list", "/ip/dhcp-server/lease", "/ip/arp", "/ppp/secret", "/queue/simple"]
IPOE = {
    "access_type": "IPN",
    "options": {**OPTIONS, "subscriber_interface": "ether2", "dhcp_server": "all", "arp_interface": "ether2"},
}
PPPOE = {"access_type": "PPPoE", "subacc_ipn_ip_address": "", "subacc_ipn_mac_address": "", "options": OPTIONS}


def parse(profile: Profile, transport: str, rendered: Rendered) -> tuple[Command, ...]:
    out = []
    rest = rendered.values
    for statement in DIALECT.parse(rendered.skeleton, transport):
        out.append(Command(statement, rest[: statement.slots]))
        rest = rest[statement.slots :]
    assert not rest
    return tuple(out)


RENDERER = TemplateRenderer({"mikrotik": PROFILE}, parse)
TEMPLATES = RENDERER.templates(PROFILE, {})


def rendered(action: Action, transport: str, values: dict[str, Any]) -> tuple[Command, ...]:
    return parse(PROFILE, transport, TEMPLATES.render(action, {**SAMPLES, "tag": "ebs:1", **values}))


Do = Callable[[tuple[Command, ...]], list[Reply]]


@pytest.fixture(params=["routeros_api", "ssh"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def do(nas: SimulatedNas, transport: str, request: pytest.FixtureRequest) -> Iterator[Do]:
    if transport == "routeros_api":
        session = open_session(endpoint(nas.api_port))
        yield lambda commands: list(session.run([Job(1, commands)])[0])
        session.close()
        return
    execute = request.getfixturevalue("run")
    batcher = RouterosBatcher(PROFILE.error_patterns)

    def batch(commands: tuple[Command, ...]) -> list[Reply]:
        lines = [Line(index, 1, command) for index, command in enumerate(commands)]
        replies, again = batcher.read(lines, execute(batcher.request(lines)))
        assert not again
        return [replies[line.index] for line in lines]

    yield batch


@pytest.mark.parametrize("values", [IPOE, PPPOE], ids=["ipoe", "pppoe"])
def test_the_life_of_a_subscriber(nas: SimulatedNas, do: Do, transport: str, values: dict[str, Any]) -> None:
    model = DeviceModel()

    def act(step: str) -> None:
        for _ in range(2):
            commands = rendered(Action(f"subaccount_{step}"), transport, values)
            assert [(reply.outcome, reply.output) for reply in do(commands) if reply.outcome is not Outcome.OK] == []
        for command in commands:
            command.statement.fold(command.values, model)

    def check() -> None:
        """Every record that the fold predicts is there once, as predicted, and no other of ours."""
        for menu in MENUS:
            real = [row for row in nas.router.items(menu) if row.get("comment") == "ebs:1"]
            wanted = model.tables.get(menu[1:].replace("/", " "), [])
            assert len(real) == len(wanted), menu
            for row, want in zip(real, wanted, strict=True):
                assert (row["disabled"] == "true") == (want["disabled"] == "yes")
                assert row.get("address", "") == want.get("address", "")
                assert row.get("name", "") == want.get("name", "")

    for step in ("add", "enable", "speed", "disable", "add", "enable", "delete"):
        act(step)
        check()
        if step == "speed":
            (queue,) = nas.router.items("/queue/simple")
            address = "10.77.0.2" if values is IPOE else "10.88.0.2"
            assert (queue["target"], queue["max-limit"], queue["priority"]) == (f"{address}/32", "10000000/20000000", "8/8")
    assert not [row for menu in MENUS for row in nas.router.items(menu) if row.get("comment") == "ebs:1"]


def test_access_follows_enable_and_disable(nas: SimulatedNas, do: Do, transport: str) -> None:
    nas.router.add("/ip/firewall/address-list", list="ebs_active", address="10.77.0.3", comment="ebs:10")
    seen = []
    for step in ("add", "enable", "disable"):
        do(rendered(Action(f"subaccount_{step}"), transport, IPOE))
        rows = nas.router.items("/ip/firewall/address-list")
        seen.append([(row["comment"], row["disabled"]) for row in rows])
    assert seen == [[("ebs:10", "false"), ("ebs:1", state)] for state in ("true", "false", "true")]


def test_no_queue_without_a_limit(nas: SimulatedNas, do: Do, transport: str) -> None:
    do(rendered(Action.SUBACCOUNT_SPEED, transport, IPOE))
    do(rendered(Action.SUBACCOUNT_SPEED, transport, {**IPOE, "max_limit_tx": 0, "max_limit_rx": 0}))
    assert nas.router.items("/queue/simple") == []


def test_sessions(nas: SimulatedNas, do: Do, transport: str) -> None:
    nas.router.add("/ppp/active", name="a-0017-1", service="pppoe", address="10.88.0.2")
    nas.router.add("/ppp/active", name="a-0017-10", service="pppoe", address="10.88.0.3")
    for action in (Action.SESSION_SPEED, Action.SESSION_RESET):
        assert {reply.outcome for reply in do(rendered(action, transport, PPPOE))} == {Outcome.OK}
    assert [row["name"] for row in nas.router.items("/ppp/active")] == ["a-0017-10"]
    assert [row["target"] for row in nas.router.items("/queue/simple")] == ["10.88.0.2/32"]


def test_bootstrap_twice(nas: SimulatedNas, do: Do, transport: str) -> None:
    values = {name: value for name, value in SAMPLES.items() if name.startswith("nas_")}
    before = len(nas.router.items("/ip/firewall/filter"))
    for _ in range(2):
        commands = parse(PROFILE, transport, RENDERER.bootstrap(PROFILE, {**values, "options": IPOE["options"]}))
        assert {reply.outcome for reply in do(commands)} == {Outcome.OK}
    rules = nas.router.items("/ip/firewall/filter")[before:]
    assert [(row["action"], row["in-interface"], row.get("src-address-list", "")) for row in rules] == [
        ("accept", "ether2", "ebs_active"),
        ("drop", "ether2", ""),
    ]
    assert [row["comment"] for row in nas.router.items("/ip/firewall/address-list")] == ["ebs-bootstrap"]  # the marker, once
    without = parse(PROFILE, transport, RENDERER.bootstrap(PROFILE, {**values, "options": OPTIONS}))
    assert [command.statement.path for command in without] == [("ip", "firewall", "address-list")] * 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(PROFILE.templates))
def test_every_template_can_be_saved(name: str, transport: str) -> None:
    assert RENDERER.check(PROFILE, transport, name, PROFILE.templates[name], f"{name}.j2") == []
