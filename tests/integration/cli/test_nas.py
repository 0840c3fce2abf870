"""`ebs nas …`: the way to a NAS, its key, its first set-up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import Ebs, active, dead_nas, nas_row, person, site

Start = Callable[[str], SimulatedNas]
FILTER = "/ip/firewall/filter"


def untrusted(router: SimulatedNas, name: str = "nas1", **more: Any) -> dict[str, Any]:
    row = nas_row(router, name, "ssh")
    del row["host_key"]
    return {**row, **more}


def test_test_walks_the_way(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs.load(site([nas_row(router, transport=transport)]))
    result = ebs.json("nas", "test", "nas1")
    assert result["ok"] is True
    assert [step["name"] for step in result["steps"]][-1] == "login"
    lines = ebs.ok("nas", "test", "nas1").out.splitlines()
    assert all(" ok " in line for line in lines)


def test_test_says_what_is_wrong_and_what_to_do(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    rows = [nas_row(router, "good", transport), {**nas_row(router, "password", transport), "password": "wrong"}]
    rows += [
        {**nas_row(router, "port", transport), "port": "1"},
        {**nas_row(router, "nowhere", transport), "address": "no.such.invalid"},
    ]
    ebs.load(site(rows))
    for name, word in (("password", "login"), ("port", "port"), ("nowhere", "address")):
        result = ebs.run("nas", "test", name)
        assert result.status == 1
        assert name in result.out and word in result.out.lower()
        assert "→" in result.out, "a remedy"
        assert result.err == ""


@pytest.mark.parametrize(
    "address", ["a..b", "x" * 300, "-oProxyCommand=x", "127.0.0.1; reboot", "я" * 64, ".", "[::1", "256.1.1.1"]
)
def test_odd_addresses_fail_as_a_nas_does(ebs: Ebs, transport: str, address: str) -> None:
    ebs.load(site([{**dead_nas(address=address), "transport": transport, "password": "x"}], person(1)))
    for words in (("nas", "test", "nas1"), ("apply",), ("nas", "bootstrap", "nas1", "--apply")):
        result = ebs.run(*words)
        assert result.status in (1, 0 if words[1:2] == ("bootstrap",) else 1)
        assert "nas1" in result.text


@pytest.mark.parametrize(
    "key", ["nonsense", "ssh-ed25519", "ssh-ed25519 AAAA…", "ssh-ed25519 !!!", "ssh-rsa AAAA", "foo bar", "ключ ключ"]
)
def test_a_host_key_that_is_no_key(ebs: Ebs, router: SimulatedNas, routers: Start, key: str) -> None:
    """Refused at import, or it stops that NAS alone, with the remedy."""
    path = ebs.write(
        json.dumps(site([untrusted(router, host_key=key), nas_row(routers("nas2"), "nas2")], person(1), person(2, "nas2")))
    )
    result = ebs.run("import", path)
    if result.status == 2:
        assert "host_key" in result.err
        return
    result = ebs.run("apply", "--json")
    assert result.status == 1
    assert {nas["nas"]: nas["ok"] for nas in result.json["nases"]} == {"nas1": False, "nas2": True}
    assert ebs.run("nas", "test", "nas1").status == 1
    ebs.ok("nas", "trust", "nas1", "--yes")
    ebs.ok("apply")


def test_first_contact_needs_trust(any_ebs: Ebs, router: SimulatedNas) -> None:
    ebs = any_ebs
    ebs.load(site([untrusted(router)], person(1)))
    result = ebs.run("apply")
    assert result.status == 1
    assert "ebs nas trust nas1" in result.out
    assert router.router.journal.count == 0
    assert "not trusted, nothing was changed" in ebs.run("nas", "trust", "nas1").err, "no answer is no"
    assert ebs.run("nas", "trust", "nas1", stdin=b"n\n").status == 2
    assert ebs.run("nas", "trust", "nas1", "--fingerprint", "SHA256:wrong").status == 2
    assert ebs.json("nas", "show", "nas1")["host_key"] is None
    asked = ebs.ok("nas", "trust", "nas1", stdin=b"y\n")
    assert "SHA256:" in asked.out
    assert ebs.json("nas", "show", "nas1")["host_key"] == " ".join(router.host_key.split()[:2])
    assert "already" in ebs.ok("nas", "trust", "nas1").out
    ebs.ok("apply")


def test_trust_by_a_known_fingerprint(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([untrusted(router)]))
    shown = next(word for word in ebs.run("nas", "trust", "nas1").out.split() if word.startswith("SHA256:"))
    ebs.ok("nas", "trust", "nas1", "--fingerprint", shown)


def test_trust_where_there_is_nothing_to_trust(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router), dead_nas("nas2", transport="ssh")]))
    ebs.refused("nas", "trust", "nas1", "--yes")
    result = ebs.run("nas", "trust", "nas2", "--yes")
    assert result.status == 1
    assert "nas2" in result.err


def test_a_changed_key_stops_that_nas_alone(any_ebs: Ebs, router: SimulatedNas, routers: Start) -> None:
    other, ebs = routers("nas2"), any_ebs
    stranger = {**nas_row(router, transport="ssh"), "host_key": other.host_key}
    ebs.load(site([stranger, nas_row(other, "nas2", "ssh")], person(1), person(2, "nas2")))
    result = ebs.run("apply")
    assert result.status == 1
    assert active(other) == {"10.7.0.2": True}
    assert router.router.journal.count == 0
    assert "nas1" in result.out and "ebs nas trust nas1" in result.out
    status = {row["nas"]: row for row in ebs.json("status")["nases"]}
    assert status["nas1"]["failure"] and status["nas1"]["pending"] == 1
    assert not status["nas2"]["failure"] and status["nas2"]["in_sync"] == 1
    warned = ebs.ok("nas", "trust", "nas1", "--yes")
    assert "WARNING" in warned.text
    ebs.ok("apply")
    assert active(router) == {"10.7.0.1": True}
    assert not {row["failure"] for row in ebs.json("status")["nases"]} - {None}


def test_bootstrap_prints_and_only_then_sends(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs = any_ebs
    ebs.load(site([nas_row(router, transport=transport, options={"subscriber_interface": "ether2"})]))
    printed = ebs.ok("nas", "bootstrap", "nas1").out
    assert "ebs-bootstrap" in printed
    assert router.router.journal.count == 0
    for _ in range(2):
        done = ebs.ok("nas", "bootstrap", "nas1", "--apply")
        assert "ready" in done.out
        assert len(router.router.items(FILTER)) == 2
    log = ebs.json("log", "--nas", "nas1")
    assert {row["action"] for row in log} == {"bootstrap"}
    assert {row["outcome"] for row in log} == {"ok"}


def test_bootstrap_that_the_nas_refuses(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    ebs.load(site([nas_row(router, transport=transport, options={"subscriber_interface": "ether2"})]))
    router.faults.fail = lambda one: "failure: not today" if one.verb == "add" else None
    result = ebs.run("nas", "bootstrap", "nas1", "--apply")
    assert result.status == 1
    assert "not today" in result.out and "NOT ready" in result.out
    assert ebs.run("nas", "bootstrap", "nas1", "--apply", "--json").json["ok"] is False


def test_bootstrap_with_nothing_to_do_says_so(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()]))
    assert ebs.ok("nas", "bootstrap", "nas1").out.strip()


def test_list_and_show(ebs: Ebs) -> None:
    ebs.load(site([dead_nas(password="topsecret", secret="radius7", comment="Крыша"), dead_nas("nas0")]))
    assert [row["name"] for row in ebs.json("nas", "list")] == ["nas0", "nas1"]
    shown = ebs.ok("nas", "show", "nas1")
    assert "Крыша" in shown.out and "topsecret" not in shown.out and "radius7" not in shown.out
    assert ebs.json("nas", "show", "nas1")["options"]["active_list"] == "ebs_active"


def test_a_login_by_key_file(ebs: Ebs, router: SimulatedNas) -> None:
    rows = [
        untrusted(router, name, key_file=file, host_key=router.host_key)
        for name, file in (("gone", "no-such-key"), ("text", "text"), ("folder", "."))
    ]
    Path("text").write_text("no key\n")
    ebs.load(site(rows))
    for row in rows:
        result = ebs.run("nas", "test", row["name"])
        assert result.status == 1
        assert "key file" in result.out
