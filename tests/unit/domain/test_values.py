"""What people type, and what of it is refused."""

from __future__ import annotations

import ipaddress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain import values


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("10.0.0.0/24", "is a network"),
        ("10.0.0.2/32", "is a network"),
        ("0.0.0.0", "means every address"),
        ("255.255.255.255", "multicast or broadcast"),
        ("224.0.0.5", "multicast or broadcast"),
        ("10.0.0.256", "not an IPv4 address"),
        ("10.0.0", "not an IPv4 address"),
        ("2001:db8::1", "is an IPv6 address"),
        ("host.example", "not an IPv4 address"),
        ("", "not an IPv4 address"),
    ],
)
def test_bad_addresses(typed: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        values.ipv4(typed)


@given(st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_good_addresses_are_canonical(address: ipaddress.IPv4Address) -> None:
    assert values.ipv4(f" {address} ") == str(address)


@pytest.mark.parametrize("typed", ["0200.0000.0001", "02-00-00-00-00-01", "02:00:00:00:00:01", "020000000001", "020000-000001"])
def test_mac_notations(typed: str) -> None:
    assert values.mac(typed) == "02:00:00:00:00:01"


@pytest.mark.parametrize(
    "typed",
    ["02:00:00:00:00", "02:00:00:00:00:0g", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "0:2:0:0:0:1", "0.2"],
)
def test_bad_macs(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is not"):
        values.mac(typed)


@pytest.mark.parametrize("typed", ["0", "4095", "-1", "x", "", "1.5"])
def test_bad_vlans(typed: str) -> None:
    with pytest.raises(ValueError, match=r"between 1 and 4094|not a whole number"):
        values.vlan(typed)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=512))
def test_any_printable_text_is_kept_as_it_is(typed: str) -> None:
    assert values.text(typed) == typed


@pytest.mark.parametrize("bad", ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
def test_control_characters_are_refused_with_their_place(bad: str) -> None:
    with pytest.raises(ValueError, match="character 3 is"):
        values.text("ab" + bad)


def test_length() -> None:
    assert values.text("я" * 512)
    with pytest.raises(ValueError, match="513 characters"):
        values.text("x" * 513)


@pytest.mark.parametrize(("typed", "amount"), [("10.00", "10"), ("-0.0001", "-0.0001"), ("1e3", "1000")])
def test_money(typed: str, amount: str) -> None:
    assert values.money(typed) == Decimal(amount)


@pytest.mark.parametrize("typed", ["", "ten", "NaN", "Infinity", "0.00001", "1e12"])
def test_bad_money(typed: str) -> None:
    with pytest.raises(ValueError, match=r"amount of money|decimals"):
        values.money(typed)


@pytest.mark.parametrize("typed", ["", " ", " a", "a "])
def test_bad_names(typed: str) -> None:
    with pytest.raises(ValueError, match=r"is empty|white space"):
        values.name(typed)


def test_booleans() -> None:
    assert [values.boolean(word) for word in ("true", "YES", "1", "on")] == [True] * 4
    assert [values.boolean(word) for word in ("false", "No", "0", "off")] == [False] * 4
    with pytest.raises(ValueError, match="neither true nor false"):
        values.boolean("maybe")


@pytest.mark.parametrize(("typed", "kept"), [("2001:DB8::1", "2001:db8::1"), ("2001:db8:1::/56", "2001:db8:1::/56")])
def test_ipv6(typed: str, kept: str) -> None:
    assert values.ipv6(typed) == kept


@pytest.mark.parametrize("typed", ["::", "::/0", "10.0.0.1", "2001:db8::1/56", "x"])
def test_bad_ipv6(typed: str) -> None:
    with pytest.raises(ValueError, match=r"IPv6|every address"):
        values.ipv6(typed)
