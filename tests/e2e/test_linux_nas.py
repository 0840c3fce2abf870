"""The proof with nothing simulated: a Linux NAS with its own sshd, nftables and tc, two subscribers and an upstream, each a
network namespace of its own. ``ebs`` runs as a command, beside the NAS's sshd, and speaks SSH to it over loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import namespaces
from tests.fixtures.namespaces import link, namespace, within
from tests.fixtures.sshd import SSHD, running_sshd

pytestmark = pytest.mark.xdist_group("heavy")

EBS = "from ebs_server.cli.main import main; main()"
UPSTREAM, GATEWAY = "192.0.2.2", "10.77.0.1"
SUBSCRIBERS = {"one": ("10.77.0.2", "02:00:00:00:00:02"), "two": ("10.77.0.3", "02:00:00:00:00:03")}

SITE = """
nases:
  - {{name: nas1, profile: linux, address: 127.0.0.1, port: {port}, login: root, key_file: id, host_key: "{host_key}",
     options: {{subscriber_interface: sub0, uplink_interface: up0}}}}
tariffs:
  - {{name: Home 20, access_type: ipoe, nas_actions: true, speed: {{download: 20M, upload: 10M}}}}
accounts:
  - username: a-0001
    full_name: "Квартира 1, ул. Лесная"
    balance: "10.00"
    tariff: Home 20
    subaccounts:
      - {{username: a-0001-1, nas: nas1, ipn_ip_address: 10.77.0.2, ipn_mac_address: "02:00:00:00:00:02"}}
  - username: a-0002
    full_name: "Квартира 2; $(reboot)"
    balance: "-5.00"
    tariff: Home 20
    subaccounts:
      - {{username: a-0002-1, nas: nas1, ipn_ip_address: 10.77.0.3, ipn_mac_address: "02:00:00:00:00:03"}}
"""

SEND = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
end = time.monotonic() + float(sys.argv[3])
block = bytes(65536)
while time.monotonic() < end:
    peer.sendall(block)
"""
RECEIVE = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
listener.settimeout(15)
peer, _ = listener.accept()
warm, total, started = time.monotonic() + 1.0, 0, None
while data := peer.recv(1 << 20):
    now = time.monotonic()
    if now >= warm:
        if started is None:
            started = now
        else:
            total += len(data)
            last = now
print(total * 8 / (last - started))
"""


@dataclass
class Lab:
    nas: str
    upstream: str
    hosts: dict[str, str]
    folder: Path

    def run(self, where: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(within(where, *command), check=check, capture_output=True, text=True)

    def ebs(self, *arguments: str, status: int = 0) -> str:
        """Run the command line beside the NAS; its standard output."""
        environment = {
            **os.environ,
            "EBS_DATABASE_URL": f"sqlite:///{self.folder}/ebs.sqlite3",
            "EBS_KEY_FILE": str(self.folder / "ebs.key"),
        }
        done = subprocess.run(
            within(self.nas, sys.executable, "-c", EBS, *arguments),
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def pings(self, host: str) -> bool:
        done = self.run(self.hosts[host], "ping", "-c", "1", "-i", "0.2", "-W", "1", UPSTREAM, check=False)
        return done.returncode == 0

    def rate(self, host: str, *, download: bool) -> float:
        """bit/s of a TCP transfer, its first second left out."""
        subscriber = (self.hosts[host], SUBSCRIBERS[host][0])
        receiver, sender = (subscriber, (self.upstream, UPSTREAM)) if download else ((self.upstream, UPSTREAM), subscriber)
        listening = subprocess.Popen(
            within(receiver[0], sys.executable, "-c", RECEIVE, receiver[1]), stdout=subprocess.PIPE, text=True
        )
        assert listening.stdout is not None
        with listening.stdout as out:
            port = out.readline().strip()
            self.run(sender[0], sys.executable, "-c", SEND, receiver[1], port, "4")
            rate = float(out.readline())
        assert listening.wait(20) == 0
        return rate

    def state(self) -> str:
        """Everything on the NAS that could be somebody's record."""
        return "\n".join(
            self.run(self.nas, *command.split()).stdout
            for command in (
                "nft list table inet ebs",
                "tc class show dev sub0",
                "tc class show dev up0",
                "ip neigh show nud permanent",
            )
        )


def _connect(lab: Lab) -> None:
    """sub0 is a bridge that both subscribers are on, up0 the uplink."""
    nas = lab.nas
    lab.run(nas, "ip", "link", "add", "sub0", "type", "bridge")
    lab.run(nas, "ip", "link", "set", "sub0", "up")
    lab.run(nas, "ip", "address", "add", f"{GATEWAY}/24", "dev", "sub0")
    link(nas, "up0", lab.upstream, "eth0")
    lab.run(nas, "ip", "address", "add", "192.0.2.1/24", "dev", "up0")
    lab.run(lab.upstream, "ip", "address", "add", f"{UPSTREAM}/24", "dev", "eth0")
    lab.run(lab.upstream, "ip", "route", "add", "10.77.0.0/24", "via", "192.0.2.1")
    for name, host in lab.hosts.items():
        address, mac = SUBSCRIBERS[name]
        link(nas, f"port-{name}", host, "eth0")
        lab.run(nas, "ip", "link", "set", f"port-{name}", "master", "sub0")
        lab.run(host, "ip", "link", "set", "eth0", "address", mac)
        lab.run(host, "ip", "address", "add", f"{address}/24", "dev", "eth0")
        lab.run(host, "ip", "route", "add", "default", "via", GATEWAY)
    lab.run(nas, "sysctl", "-qw", "net.ipv4.ip_forward=1")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if reason := namespaces.why_not():
        pytest.skip(f"the end-to-end proof was skipped: {reason}")
    if SSHD is None:
        pytest.skip("the end-to-end proof was skipped: there is no sshd (Debian: openssh-server)")
    with namespace() as nas, namespace() as upstream, namespace() as one, namespace() as two:
        lab = Lab(nas, upstream, {"one": one, "two": two}, tmp_path)
        _connect(lab)
        with running_sshd(tmp_path, within=within(nas)) as server:
            endpoint = server.endpoint
            (tmp_path / "site.yaml").write_text(SITE.format(port=endpoint.port, host_key=endpoint.host_key), encoding="utf-8")
            yield lab


def test_paid_passes_unpaid_does_not_and_nothing_is_left_at_the_end(lab: Lab) -> None:
    assert lab.pings("one"), "the lab itself forwards"
    lab.ebs("init")
    lab.ebs("import", "site.yaml")
    lab.ebs("nas", "test", "nas1")
    lab.ebs("nas", "bootstrap", "--apply", "nas1")
    assert not lab.pings("one"), "bootstrap closes access for everybody who is not enabled"

    lab.ebs("apply")
    assert lab.pings("one")
    assert not lab.pings("two"), "who has not paid does not pass"

    spoof_another_address(lab)
    spoof_another_mac(lab)

    lab.ebs("account", "set", "a-0001", "balance=-0.01")
    lab.ebs("account", "set", "a-0002", "balance=0.01")
    plan = json.loads(lab.ebs("plan", "--json"))
    assert reasons(plan) == {
        ("a-0001", "subaccount_disable"): "may not have access: funds are -0.01",
        ("a-0002", "subaccount_enable"): "may have access",
    }
    assert lab.pings("one"), "a plan changes nothing"
    lab.ebs("apply")
    assert not lab.pings("one")
    assert lab.pings("two")

    lab.ebs("nas", "bootstrap", "--apply", "nas1")
    assert lab.pings("two"), "bootstrap again does not cut anybody off"
    assert not lab.pings("one")

    lab.ebs("account", "delete", "a-0001")
    lab.ebs("account", "delete", "a-0002")
    lab.ebs("apply")
    assert not lab.pings("two")
    left = lab.state()
    for trace in ("10.77.0.2", "10.77.0.3", "02:00:00:00:00:0", "ebs:", "class htb"):
        assert trace not in left, left
    assert json.loads(lab.ebs("apply", "--json"))["nases"][0]["commands"] == 0


def spoof_another_address(lab: Lab) -> None:
    """Subscriber two takes one's address with his own MAC."""
    host = lab.hosts["two"]
    lab.run(host, "ip", "address", "add", f"{SUBSCRIBERS['one'][0]}/32", "dev", "eth0")
    done = lab.run(host, "ping", "-c", "1", "-W", "1", "-I", SUBSCRIBERS["one"][0], UPSTREAM, check=False)
    assert done.returncode != 0, "a paid address with another MAC does not pass"
    lab.run(host, "ip", "address", "del", f"{SUBSCRIBERS['one'][0]}/32", "dev", "eth0")


def spoof_another_mac(lab: Lab) -> None:
    """The paid subscriber with another network card does not pass, with his own again he does."""
    host = lab.hosts["one"]
    lab.run(host, "ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
    assert not lab.pings("one"), "a spoofed MAC does not pass"
    lab.run(host, "ip", "link", "set", "eth0", "address", SUBSCRIBERS["one"][1])
    lab.run(host, "ip", "route", "replace", "default", "via", GATEWAY)
    deadline = time.monotonic() + 10
    while not lab.pings("one"):
        assert time.monotonic() < deadline, "the right MAC passes again"


def reasons(plan: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (item["account"], step["action"]): step["reason"]
        for nas in plan["nases"]
        for item in nas["items"]
        for step in item["steps"]
    }


def test_the_tariffs_rate_is_what_passes_in_both_directions(lab: Lab) -> None:
    lab.ebs("init")
    lab.ebs("import", "site.yaml")
    lab.ebs("nas", "bootstrap", "--apply", "nas1")
    lab.ebs("apply")
    assert lab.rate("one", download=True) == pytest.approx(20e6, rel=0.15)
    assert lab.rate("one", download=False) == pytest.approx(10e6, rel=0.15)
    lab.ebs("tariff", "set", "Home 20", "speed=download=6M upload=30M")
    lab.ebs("apply")
    assert lab.rate("one", download=True) == pytest.approx(6e6, rel=0.15)
    assert lab.rate("one", download=False) == pytest.approx(30e6, rel=0.15)
    lab.ebs("subaccount", "set", "a-0001-1", "speed=2M/1M")
    lab.ebs("apply")
    assert lab.rate("one", download=True) == pytest.approx(2e6, rel=0.15)


def uncounted(state: str) -> str:
    """Without the packets that passed in the meantime."""
    return re.sub(r"packets \d+ bytes \d+", "", state)


def test_a_nas_that_lost_everything_and_one_that_was_edited_find_back(lab: Lab) -> None:
    for words in (("init",), ("import", "site.yaml"), ("nas", "bootstrap", "--apply", "nas1"), ("apply",)):
        lab.ebs(*words)
    status = json.loads(lab.ebs("status", "--json"))["nases"][0]["statuses"]
    assert status["in sync"] == 2, status
    before = lab.state()

    lab.run(lab.nas, "nft", "flush", "ruleset")
    for device in ("sub0", "up0"):
        lab.run(lab.nas, "tc", "qdisc", "del", "dev", device, "root")
    lab.run(lab.nas, "ip", "neigh", "flush", "nud", "permanent", "dev", "sub0")
    assert lab.pings("two"), "without its rules everybody passes"
    found = json.loads(lab.ebs("resync", "--json"))["nases"][0]
    assert found["lost_state"] and len(found["drifted"]) == 2
    assert lab.pings("one") and not lab.pings("two")
    assert uncounted(lab.state()) == uncounted(before)

    lab.run(lab.nas, "nft", "add", "element", "inet", "ebs", "enabled", "{ 10.77.0.77 }")
    lab.run(lab.nas, "nft", "add", "element", "inet", "ebs", "enabled", '{ 10.77.0.78 comment "ebs:4711" }')
    lab.run(lab.nas, "tc", "class", "change", "dev", "sub0", "parent", "1:", "classid", "1:1", "htb", "rate", "1mbit")
    lab.run(lab.nas, "nft", "add", "element", "inet", "ebs", "enabled", "{ 10.77.0.3 }")
    found = json.loads(lab.ebs("resync", "--dry-run", "--json"))["nases"][0]
    assert found["repairs"] == {"a-0001 / a-0001-1": ["speed"]}
    found = json.loads(lab.ebs("resync", "--json"))["nases"][0]
    assert found["orphans_removed"] == 1 and sorted(found["strangers"]) == [
        "inet ebs enabled: 10.77.0.3 (the address of a-0002)",
        "inet ebs enabled: 10.77.0.77",
    ]
    after = lab.state()
    assert "10.77.0.78" not in after and "10.77.0.77" in after and "rate 20Mbit" in after
    assert json.loads(lab.ebs("drift", "--json"))["nases"][0]["drifted"] == {}


def test_a_nas_that_was_run_by_hand_is_adopted_without_an_interruption(lab: Lab) -> None:
    for words in (("init",), ("import", "site.yaml"), ("nas", "bootstrap", "--apply", "nas1")):
        lab.ebs(*words)
    address, mac = SUBSCRIBERS["one"]
    lab.run(lab.nas, "nft", "add", "element", "inet", "ebs", "enabled", f"{{ {address} }}")
    lab.run(lab.nas, "nft", "add", "element", "inet", "ebs", "binding", f"{{ {address} . {mac} }}")
    assert lab.pings("one")
    with subprocess.Popen(
        within(lab.hosts["one"], "ping", "-i", "0.2", "-W", "1", UPSTREAM), stdout=subprocess.PIPE, text=True
    ) as ping:
        plan = json.loads(lab.ebs("nas", "adopt", "nas1", "--dry-run", "--json"))
        assert [one["account"] for one in plan["adopted"]] == ["a-0001"] and plan["not_found"] == ["a-0002 / a-0002-1"]
        done = json.loads(lab.ebs("nas", "adopt", "nas1", "--yes", "--json"))
        assert done["commands"] == 2
        lab.ebs("apply")
        ping.send_signal(signal.SIGINT)
        report = ping.stdout.read() if ping.stdout else ""
    sent, received = (int(number) for number in re.search(r"(\d+) packets transmitted, (\d+) received", report).groups())  # type: ignore[union-attr]
    assert sent - received <= 1, report  # one may be on its way at the end
    assert f'{address} comment "ebs:' in lab.state()
    assert json.loads(lab.ebs("resync", "--json"))["nases"][0]["drifted"] == {}
