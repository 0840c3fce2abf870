"""Reading a real Linux NAS back, locally and over SSH: nothing but what differs shows, and it can be removed or adopted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Command, Job, Outcome
from ebs_core.domain.errors import NasError
from ebs_core.domain.nas import Endpoint
from ebs_core.domain.records import DeviceModel, Reading, Record
from ebs_core.domain.text import Rendered
from nas_backends.backends import DeviceBackends, batchers, observers
from nas_backends.contract import Answer, Executor, Request
from nas_backends.transports.local import LocalExecutor
from nas_backends.transports.ssh import SshExecutor
from nas_backends.transports.text_session import TextSession
from tests.fixtures.namespaces import link, namespace, why_not, within
from tests.fixtures.sshd import Sshd

BACKENDS = DeviceBackends()
RENDERER = TemplateRenderer(load_profiles(), BACKENDS.parse)
LINUX = RENDERER.profiles()["linux"]
OPTIONS = {"subscriber_interface": "sub0", "uplink_interface": "up0"}
SUBSCRIBERS = 50
TAGS = [
    "a, } : {b",
    "elements = { x }",
    "$(reboot) `id` ; nft flush ruleset",
    "\\ \\n '\u2028' кириллица 🙂",
    "timeout 5s expires 3s",
]
"""Whole tags of the first subscribers: nft takes everything but control characters and double quotes."""


class Within:
    """Runs requests of another executor inside a namespace."""

    def __init__(self, executor: Executor, name: str) -> None:
        self._executor = executor
        self._name = name

    def run(self, request: Request, timeout: float) -> Answer:
        return self._executor.run(Request(f"ip netns exec {self._name} {request.command}", request.stdin), timeout)

    @property
    def alive(self) -> bool:
        return self._executor.alive

    def close(self) -> None:
        self._executor.close()


@dataclass
class Nas:
    """A NAS with its subscribers, and what folding predicts of it."""

    name: str
    session: TextSession
    model: DeviceModel = field(default_factory=DeviceModel)

    def apply(self) -> None:
        """Everything, as if for the first time. In turns: a subscriber's later actions build on the earlier ones."""
        self.send(BACKENDS.parse(LINUX, "ssh", RENDERER.bootstrap(LINUX, {"options": OPTIONS})))
        self.model = DeviceModel()
        for action in ("add", "enable", "speed"):
            jobs = []
            for slot in range(1, SUBSCRIBERS + 1):
                rendered = RENDERER.templates(LINUX, {}).render(Action(f"subaccount_{action}"), values(slot))
                jobs.append(Job(slot, BACKENDS.parse(LINUX, "ssh", rendered)))
                BACKENDS.fold(LINUX, jobs[-1].commands, self.model)
            self.run(*jobs)

    def run(self, *jobs: Job) -> None:
        failed = [reply for job in self.session.run(jobs) for reply in job if reply.outcome is not Outcome.OK]
        assert not failed, failed[:3]

    def send(self, commands: tuple[Command, ...]) -> None:
        assert commands
        self.run(Job(0, commands))

    def by_hand(self, command: str) -> None:
        subprocess.run(within(self.name, "sh", "-ec", command), check=True, capture_output=True)

    def read(self) -> Reading:
        wanted: dict[str, set[str]] = {}
        for table, record in self.model:
            wanted.setdefault(table, set()).update(record)
        return self.session.observe(wanted)

    def differences(self, reading: Reading | None = None) -> tuple[list[tuple[str, Record]], list[tuple[str, Record]]]:
        """What is missing, and what is there instead: property by property, only those that are expected."""
        reading = reading or self.read()
        seen = [(table, reading.parse(table, line)) for table, lines in reading.lines.items() for line in lines]
        left = list(seen)
        missing = []
        for table, record in self.model:
            alike = next((one for one in left if one[0] == table and one[1] | record == one[1]), None)
            if alike is None:
                missing.append((table, record))
            else:
                left.remove(alike)
        return missing, left


def values(slot: int) -> dict[str, object]:
    return {
        "slot": slot,
        "tag": TAGS[slot - 1] if slot <= len(TAGS) else f"ebs:{slot}",
        "options": OPTIONS,
        "subacc_ipn_ip_address": f"10.77.0.{slot}",
        "subacc_ipn_mac_address": f"02:00:00:00:AB:{slot:02X}" if slot % 3 else "",
        "max_limit_rx": 20_000_001 * slot if slot % 5 else 0,
        "max_limit_tx": 1_000_000 + slot,
    }


@pytest.fixture(params=["local", "ssh"])
def nas(request: pytest.FixtureRequest) -> Iterator[Nas]:
    if why_not():
        pytest.skip(f"reading back is tried in a network namespace: {why_not()}")
    with ExitStack() as stack:
        name = stack.enter_context(namespace())
        link(name, "sub0", name, "sub0-peer")
        link(name, "up0", name, "up0-peer")
        executor: Executor = LocalExecutor()
        if request.param == "ssh":
            server: Sshd = request.getfixturevalue("sshd")
            executor = SshExecutor(server.endpoint)
        session = TextSession(Within(executor, name), batchers(LINUX), Endpoint("nas", LINUX, "ssh"), observers(LINUX))
        stack.callback(session.close)
        made = Nas(name, session)
        made.apply()
        yield made


def test_what_was_applied_is_found_and_a_second_look_is_the_same(nas: Nas) -> None:
    first = nas.read()
    assert nas.differences(first) == ([], [])
    assert {table: len(lines) for table, lines in first.lines.items()} == {
        "inet ebs enabled": 50, "inet ebs binding": 34, "inet ebs unbound": 16, "inet ebs class": 50,
        "neigh dev sub0": 34, "class dev sub0": 40, "class dev up0": 50,
    }  # fmt: skip
    again = nas.read()
    assert {table: set(lines) for table, lines in again.lines.items()} == {t: set(lines) for t, lines in first.lines.items()}
    assert again.vitals.boot == first.vitals.boot == nas.session.vitals().boot != ""
    assert again.vitals.uptime is not None and first.vitals.uptime is not None and again.vitals.uptime >= first.vitals.uptime
    assert not first.secret


CHANGES: dict[str, tuple[str, str, Record | None, Record | None]] = {
    "element lost": ("nft delete element inet ebs enabled '{ 10.77.0.9 }'", "inet ebs enabled", {"key": "10.77.0.9"}, None),
    "stranger": ("nft add element inet ebs enabled '{ 10.77.0.99 }'", "inet ebs enabled", None, {"key": "10.77.0.99"}),
    "comment": (
        "nft delete element inet ebs enabled '{ 10.77.0.9 }'; nft add element inet ebs enabled '{ 10.77.0.9 comment \"me\" }'",
        "inet ebs enabled", {"comment": "ebs:9"}, {"comment": "me"},
    ),
    "datum": (
        "nft delete element inet ebs class '{ 10.77.0.9 }'; nft add element inet ebs class '{ 10.77.0.9 : 1:1 }'",
        "inet ebs class", {"value": "1:9"}, {"value": "1:1"},
    ),
    "rate": (
        "tc class change dev up0 parent 1: classid 1:9 htb rate 5mbit ceil 6mbit",
        "class dev up0", {"rate": "1000000", "ceil": "1000000"}, {"rate": "5000000", "ceil": "6000000"},
    ),
    "class lost": ("tc class del dev up0 classid 1:9", "class dev up0", {"classid": "1:9"}, None),
    "class of a stranger": (
        "tc class add dev up0 parent 1: classid 1:fff htb rate 1mbit", "class dev up0", None, {"classid": "1:fff"},
    ),
    "MAC": (
        "ip neigh replace 10.77.0.8 lladdr 02:00:00:00:00:99 dev sub0 nud permanent",
        "neigh dev sub0", {"lladdr": "02:00:00:00:ab:08"}, {"lladdr": "02:00:00:00:00:99"},
    ),
    "neighbour no longer permanent": (
        "ip neigh replace 10.77.0.8 lladdr 02:00:00:00:ab:08 dev sub0 nud stale", "neigh dev sub0", {"dst": "10.77.0.8"}, None,
    ),
}  # fmt: skip


def test_a_change_by_hand_is_all_that_differs(nas: Nas) -> None:
    for what, (command, table, missing, instead) in CHANGES.items():
        before = nas.read()
        nas.by_hand(command)
        lost, found = nas.differences()
        assert [name for name, _ in lost + found] == [table] * ((missing is not None) + (instead is not None)), what
        assert missing is None or missing.items() <= lost[0][1].items(), what
        assert instead is None or instead.items() <= found[0][1].items(), what
        _restore(nas, table, before)


def _restore(nas: Nas, table: str, before: Reading) -> None:
    """Remove what should not be there as the repair does, and send everything again."""
    now = nas.read()
    for line in set(now.lines[table]) - set(before.lines[table]):
        nas.send(BACKENDS.removal(LINUX, "ssh", table, now.parse(table, line)))
    nas.apply()
    assert nas.differences() == ([], [])


def test_tables_that_are_not_there_have_no_lines(nas: Nas) -> None:
    nas.by_hand("nft flush ruleset; ip link del sub0; tc qdisc del dev up0 root")
    reading = nas.read()
    assert reading.lines == {table: [] for table in nas.model.tables if nas.model.tables[table]}
    nas.by_hand("nft add table inet ebs")
    assert nas.read().lines == reading.lines


def test_strangers_become_ours_without_a_gap(nas: Nas) -> None:
    nas.by_hand(
        "nft add element inet ebs enabled '{ 10.77.0.99 }'; nft add element inet ebs class '{ 10.77.0.99 : 1:63 }';"
        "nft add element inet ebs binding '{ 10.77.0.99 . 02:00:00:00:00:63 }'"
    )
    _, strangers = nas.differences()
    assert len(strangers) == 3
    for table, record in strangers:
        nas.send(BACKENDS.adoption(LINUX, "ssh", table, record, "ebs:99"))
        nas.model.add(table, record | {"comment": "ebs:99"})
    assert nas.differences() == ([], [])


def test_an_adoption_happens_whole_or_not_at_all(nas: Nas) -> None:
    nas.by_hand("nft add element inet ebs class '{ 10.77.0.99 : 1:63 }'")
    stale = {"key": "10.77.0.99", "value": "accept"}
    other = BACKENDS.adoption(LINUX, "ssh", "inet ebs enabled", {"key": "10.77.0.1"}, "ebs:1")
    (wrong,), (right,) = nas.session.run(
        [Job(1, BACKENDS.adoption(LINUX, "ssh", "inet ebs class", stale, "ebs:99")), Job(2, other)]
    )
    assert (wrong.outcome, right.outcome) == (Outcome.FAILED, Outcome.OK)
    assert {"key": "10.77.0.99", "value": "1:63"} in [record for _, record in nas.differences()[1]]


SHAPES: list[tuple[str, Callable[[int], str]]] = [
    ("{ type ipv4_addr; flags interval; }", lambda n: f"10.{n}.0.0/16"),
    ("{ type ipv4_addr; flags interval; }", lambda n: f"10.0.0.{4 * n + 1}-10.0.0.{4 * n + 3}"),
    ("{ type ipv4_addr . inet_service; flags interval; }", lambda n: f"10.{n}.0.0/24 . {80 + n}-{90 + n}"),
    ("{ type ipv6_addr; }", lambda n: f"2001:DB8:0:{n + 1}::1"),
    ("{ type mark; }", lambda n: f"0x{n + 16:x}"),
    ("{ type ether_addr; counter; }", lambda n: f"02:00:00:00:0A:{n:02X}"),
    ("{ type ifname; }", lambda n: f'"eth{n}.1"'),
    ("{ type ipv4_addr; flags timeout; timeout 1h; }", lambda n: f"10.0.0.{n}"),
]


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_other_sets_are_read_adopted_and_removed(shape: int) -> None:
    if why_not():
        pytest.skip(f"reading back is tried in a network namespace: {why_not()}")
    kind, element = SHAPES[shape]
    with namespace() as name:
        session = TextSession(Within(LocalExecutor(), name), batchers(LINUX), Endpoint("nas", LINUX, "ssh"), observers(LINUX))
        nas = Nas(name, session)
        text = f"nft add table ip t\nnft add set ip t s {kind}\n" + "".join(
            f'nft add element ip t s {{ {element(n)} comment "t, {n}", {element(n + 8)} }}\n' for n in range(8)
        )
        commands = BACKENDS.parse(LINUX, "ssh", Rendered(text, ()))
        BACKENDS.fold(LINUX, commands, nas.model)
        nas.send(commands)
        assert nas.differences() == ([], [])
        for record in nas.model.tables["ip t s"]:
            if "comment" not in record:
                nas.send(BACKENDS.adoption(LINUX, "ssh", "ip t s", record, "mine"))
                record["comment"] = "mine"
        assert nas.differences() == ([], [])
        for _, record in list(nas.model):
            nas.send(BACKENDS.removal(LINUX, "ssh", "ip t s", record))
        assert nas.read().lines == {"ip t s": []}
        session.close()


def test_routes_and_queues() -> None:
    if why_not():
        pytest.skip(f"reading back is tried in a network namespace: {why_not()}")
    with namespace() as name:
        link(name, "sub0", name, "sub0-peer")
        session = TextSession(Within(LocalExecutor(), name), batchers(LINUX), Endpoint("nas", LINUX, "ssh"), observers(LINUX))
        nas = Nas(name, session)
        text = """ip addr add 10.0.0.1/24 dev sub0
tc qdisc add dev sub0 root handle 1: htb
tc class add dev sub0 parent 1: classid 1:1 htb rate 1gbit
tc class add dev sub0 parent 1:1 classid 1:0A htb rate 1mbit ceil 1.5mbit
tc qdisc add dev sub0 parent 1:a handle 0a: pfifo limit 9
ip route add 10.9.0.0/16 via 10.0.0.2
ip route add blackhole 10.8.0.1/32 table 77 proto static
ip route append 2001:db8:1::/48 dev sub0 metric 5
ip route replace 0.0.0.0/0 via 10.0.0.3 dev sub0"""
        commands = BACKENDS.parse(LINUX, "ssh", Rendered(text, ()))
        BACKENDS.fold(LINUX, commands, nas.model)
        nas.send(commands)
        assert nas.differences() == ([], []) and len(list(nas.model)) == 8
        for table, record in reversed(list(nas.model)):
            if record.get("kind") != "htb" or record.get("parent") == "1:1":
                nas.send(BACKENDS.removal(LINUX, "ssh", table, record))
        gone, _ = nas.differences()
        assert [record["parent"] for table, record in nas.model if (table, record) not in gone] == ["root", "root"]
        session.close()


def test_a_login_without_rights_is_an_error() -> None:
    class Nobody(LocalExecutor):
        def run(self, request: Request, timeout: float) -> Answer:
            return super().run(Request(f"setpriv --reuid=65534 --clear-groups {request.command}", request.stdin), timeout)

    if why_not():
        pytest.skip(f"needs nft and root: {why_not()}")
    session = TextSession(Nobody(), batchers(LINUX), Endpoint("nas", LINUX, "local"), observers(LINUX))
    with pytest.raises(NasError, match="not permitted") as caught:
        session.observe({"inet ebs enabled": {"key"}})
    assert caught.value.remedy
    session.close()
