"""The ``linux`` profile against the real nftables and tc of a network namespace: access, speed, repetition, removal."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from actions.catalogue import load_profiles
from actions.renderer import TemplateRenderer
from ebs_core.domain.actions import Action
from ebs_core.domain.commands import Job, Outcome
from ebs_core.domain.nas import Endpoint
from nas_backends.backends import DeviceBackends, batchers
from nas_backends.contract import Answer, Request
from nas_backends.transports.local import LocalExecutor
from nas_backends.transports.text_session import TextSession
from tests.fixtures.namespaces import link, namespace, why_not, within

BACKENDS = DeviceBackends()
RENDERER = TemplateRenderer(load_profiles(), BACKENDS.parse)
LINUX = RENDERER.profiles()["linux"]
OPTIONS = {"subscriber_interface": "sub0", "uplink_interface": "up0"}
MAC = "02:00:00:00:00:02"


class WithinExecutor(LocalExecutor):
    """Runs requests inside a namespace."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def run(self, request: Request, timeout: float) -> Answer:
        return super().run(Request(f"ip netns exec {self._name} {request.command}", request.stdin), timeout)


@dataclass
class Site:
    """A subscriber, a NAS and a host upstream, each in its namespace."""

    nas: str
    subscriber: str
    upstream: str

    def __post_init__(self) -> None:
        self.session = TextSession(WithinExecutor(self.nas), batchers(LINUX), Endpoint("nas", LINUX, "local"))

    def apply(self, *actions: str, slots: range = range(2, 3), **changes: object) -> list[list[Outcome]]:
        jobs = []
        for slot in slots:
            values = {
                "slot": slot,
                "tag": f"ebs:{slot}",
                "options": OPTIONS,
                "subacc_ipn_ip_address": f"10.77.{slot >> 8}.{slot & 255}",
                "subacc_ipn_mac_address": MAC,
                "max_limit_rx": 20_000_000,
                "max_limit_tx": 8_000_000,
                **changes,
            }
            for action in actions:
                rendered = RENDERER.templates(LINUX, {}).render(Action(f"subaccount_{action}"), values)
                jobs.append(Job(slot, BACKENDS.parse(LINUX, "local", rendered)))
        replies = self.session.run(jobs)
        failed = [reply for job in replies for reply in job if reply.outcome is not Outcome.OK]
        assert not failed, failed[:3]
        return [[reply.outcome for reply in job] for job in replies]

    def bootstrap(self) -> None:
        commands = BACKENDS.parse(LINUX, "local", RENDERER.bootstrap(LINUX, {"options": OPTIONS}))
        (replies,) = self.session.run([Job(0, commands)])
        assert {reply.outcome for reply in replies} == {Outcome.OK}, replies

    def shell(self, namespace_name: str, command: str) -> str:
        return subprocess.run(within(namespace_name, "sh", "-c", command), capture_output=True, text=True, check=True).stdout

    def pings(self) -> bool:
        command = within(self.subscriber, "ping", "-c1", "-W1", "10.88.0.2")
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def records(self) -> str:
        return self.shell(
            self.nas,
            "nft list sets; nft list map inet ebs class; tc class show dev sub0; tc class show dev up0; "
            "ip neigh show nud permanent",
        )

    def rate(self, *, download: bool) -> float:
        """Bit/s of one TCP transfer, as its receiver saw them."""
        server = subprocess.Popen(within(self.upstream, "iperf3", "-s", "-1", "-B", "10.88.0.2"), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 5
        while ":5201" not in self.shell(self.upstream, "ss -ltn"):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # polling with a deadline
        client = self.shell(self.subscriber, f"iperf3 -J -t 3 -O 1 -c 10.88.0.2 {'-R' if download else ''}")
        server.wait(10)
        return float(json.loads(client)["end"]["sum_received"]["bits_per_second"])


@pytest.fixture
def site() -> Iterator[Site]:
    if why_not():
        pytest.skip(f"the linux profile is tried in network namespaces: {why_not()}")
    with namespace() as nas, namespace() as subscriber, namespace() as upstream:
        link(nas, "sub0", subscriber, "eth0")
        link(nas, "up0", upstream, "eth0")
        for name, command in (
            (nas, "ip addr add 10.77.0.1/16 dev sub0; ip addr add 10.88.0.1/24 dev up0"),
            (
                subscriber,
                f"ip link set eth0 address {MAC}; ip addr add 10.77.0.2/16 dev eth0; ip route add default via 10.77.0.1",
            ),
            (upstream, "ip addr add 10.88.0.2/24 dev eth0; ip route add default via 10.88.0.1"),
        ):
            subprocess.run(within(name, "sh", "-ec", command), check=True)
        made = Site(nas, subscriber, upstream)
        made.bootstrap()
        yield made
        made.session.close()


def test_access_follows_the_actions(site: Site) -> None:
    assert not site.pings()
    site.apply("add")
    assert not site.pings()
    site.apply("enable")
    assert site.pings()
    before = site.records()
    site.bootstrap()
    site.apply("add", "enable")
    assert site.records() == before and site.pings()
    site.shell(site.subscriber, "ip link set eth0 address 02:00:00:00:00:99")
    assert not site.pings()
    site.shell(site.subscriber, f"ip link set eth0 address {MAC}")
    site.apply("disable")
    site.apply("disable")
    assert not site.pings()


def test_without_a_mac(site: Site) -> None:
    site.apply("add", "enable", subacc_ipn_mac_address="")
    assert site.pings()
    site.apply("delete", subacc_ipn_mac_address="")
    assert not site.pings()


def test_delete_leaves_nothing_and_can_be_repeated(site: Site) -> None:
    empty = site.records()
    everybody = range(2, 302)
    site.apply("add", "enable", "speed", slots=everybody)
    assert site.records().count("ebs:") == 900
    site.apply("speed", slots=everybody, max_limit_rx=0, max_limit_tx=0)
    assert "class htb" not in site.records()
    site.apply("delete", slots=everybody)
    site.apply("delete", slots=everybody)
    assert site.records() == empty


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3 is not installed")
@pytest.mark.parametrize("rate", [1_000_000, 50_000_000, 1_000_000_000])
def test_measured_rate(site: Site, rate: int) -> None:
    site.apply("add", "enable", "speed", max_limit_rx=rate, max_limit_tx=rate)
    for download in (True, False):
        measured = site.rate(download=download)
        assert abs(measured - rate) < 0.15 * rate, (download, measured)
