"""One spelling for what templates write and routers show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, Secret
from nas_backends.dialects.routeros_canonical import canonical, canonical_record, seconds
from tests.unit.routeros.test_fold import fold

QUEUE, LIST = "queue simple", "ip firewall address-list"


@pytest.mark.parametrize(
    ("table", "name", "spellings", "meant"),
    [
        (QUEUE, "max-limit", ["5M/10M", "5000k/10000k", "5000000/10000000"], "5000000/10000000"),
        (QUEUE, "max-limit", ["64k", "64000/64k", "64000"], "64000/64000"),
        (QUEUE, "limit-at", ["1.5M/0", "1500k/0"], "1500000/0"),
        ("queue tree", "max-limit", ["64k", "64000"], "64000"),
        (QUEUE, "burst-time", ["12s/1m", "00:00:12/00:01:00", "12/60"], "12/60"),
        (QUEUE, "burst-time", ["0s", "0s/0s", "0"], "0/0"),
        (QUEUE, "priority", ["8", "8/8", "08/8"], "8/8"),
        ("queue tree", "priority", ["8"], "8"),
        (QUEUE, "target", ["10.0.0.1", "10.0.0.1/32"], "10.0.0.1"),
        (QUEUE, "target", ["10.0.0.1/32,10.1.2.3/24,ether1", "10.0.0.1;10.1.2.0/24;ether1"], "10.0.0.1,10.1.2.0/24,ether1"),
        (QUEUE, "target", ["2001:DB8::1/128", "2001:db8:0::1"], "2001:db8::1"),
        (LIST, "address", ["10.0.0.1/32", "10.0.0.1"], "10.0.0.1"),
        (LIST, "address", ["10.0.0.77/24", "10.0.0.0/24"], "10.0.0.0/24"),
        (LIST, "address", ["10.0.0.1-10.0.0.9"], "10.0.0.1-10.0.0.9"),
        (LIST, "address", ["host.example"], "host.example"),
        ("ip address", "address", ["10.0.0.77/24"], "10.0.0.77/24"),
        ("ppp secret", "remote-address", ["10.0.0.1", "10.0.0.1/32"], "10.0.0.1"),
        ("ppp secret", "remote-address", ["pool:1"], "pool:1"),
        ("ip arp", "mac-address", ["aa-bb-cc-00-11-22", "AA:BB:CC:00:11:22"], "AA:BB:CC:00:11:22"),
        ("ip arp", "disabled", ["true", "yes"], "yes"),
        ("ip hotspot user", "limit-uptime", ["1h", "01:00:00", "3600"], "3600"),
        (LIST, "timeout", ["none-static"], "none-static"),
        ("ppp secret", "name", ["true"], "true"),
        (LIST, "comment", ["a\r\nb", "a\nb", "a\rb"], "a\nb"),
    ],
)
def test_spellings(table: str, name: str, spellings: list[str], meant: str) -> None:
    assert {canonical(table, name, spelling) for spelling in spellings} == {meant}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1w2d03:04:05", 788645),
        ("1w2d3h4m5s", 788645),
        ("5m3s", 303),
        ("1d 02:00:00", 93600),
        ("00:00:00.100", 0.1),
        ("100ms", 0.1),
        ("", None),
        ("x", None),
    ],
)
def test_times(text: str, wanted: float | None) -> None:
    assert seconds(text) == (None if wanted is None else pytest.approx(wanted))


@given(
    st.sampled_from([QUEUE, LIST, "ip arp", "ppp secret", "other"]),
    st.sampled_from(["max-limit", "burst-time", "priority", "address", "target", "mac-address", "disabled", "comment", "queue"]),
    st.one_of(st.text(), st.from_regex(r"[0-9./:kMsm;,-]{0,20}", fullmatch=True)),
)
def test_any_value_is_taken_and_spelt_once(table: str, name: str, value: str) -> None:
    once = canonical(table, name, value)
    assert canonical(table, name, once) == once


def test_a_secret_stays_one() -> None:
    assert isinstance(canonical("ppp secret", "password", Secret("a\r\nb")), Secret)
    assert isinstance(canonical("ip arp", "mac-address", Secret("aa:bb:cc:00:11:22")), Secret)
    assert isinstance(canonical_record("ppp secret", [("password", "p")])["password"], Secret)


def test_a_record_has_the_defaults_and_only_secrets_that_are_shown() -> None:
    record = canonical_record(QUEUE, [("name", "q"), ("limit-at", "")])
    assert (record["limit-at"], record["priority"], record["disabled"]) == ("0/0", "8/8", "no")
    assert canonical_record("ppp secret", [("password", "")])["password"] == ""
    assert "password" not in canonical_record("ppp secret", [("password", "*****")])


def test_folding_speaks_it_and_finds_by_it() -> None:
    model = fold(DeviceModel(), f"/{QUEUE} add name=q target={SLOT} max-limit={SLOT} priority=8", "10.0.0.1/32", "5M")
    assert model.tables[QUEUE] == [
        {"disabled": "no", "name": "q", "target": "10.0.0.1", "max-limit": "5000000/5000000", "priority": "8/8"}
    ]
    fold(model, f"/{QUEUE} set [find target={SLOT}] max-limit=64k/1M", "10.0.0.1")
    assert model.tables[QUEUE][0]["max-limit"] == "64000/1000000"
    fold(model, f'/{QUEUE} remove [find max-limit="64k/1000k"]')
    assert model.tables[QUEUE] == []
    model.add("ip hotspot user", {"name": "u", "limit-uptime": "1d"})
    fold(model, "/ip hotspot user disable [find limit-uptime>2h]; /ip hotspot user remove [find limit-uptime<23h]")
    assert [record["disabled"] for record in model.tables["ip hotspot user"]] == ["yes"]


def test_what_is_no_configuration_is_not_predicted() -> None:
    model = fold(DeviceModel(), f"/{LIST} add list=l address=10.0.0.1 timeout=1h; /{LIST} add list=l address=10.0.0.2")
    fold(model, f"/{LIST} add list=l address=10.0.0.3 timeout=none-static; /ppp active add name=u")
    assert [record["address"] for _, record in model] == ["10.0.0.2", "10.0.0.3"]
    fold(model, f"/{LIST} set [find address=10.0.0.2] timeout=5m")
    assert [record["address"] for _, record in model] == ["10.0.0.3"]
