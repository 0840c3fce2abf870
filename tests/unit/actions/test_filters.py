from __future__ import annotations

from decimal import Decimal

import pytest

from actions.filters import BadValue, bps, hexadecimal, ip, kbit, mac, net, yesno
from ebs_core.domain.errors import UnquotableValue
from tests.unit.actions import problems, render


@pytest.mark.parametrize(
    ("value", "expected"),
    [(10_000_000, 10_000_000), ("10M", 10_000_000), ("512k", 512_000), ("1.5M", 1_500_000), ("1G", 10**9), ("2Mbit", 2_000_000),
     (Decimal("64000"), 64_000), (None, 0), ("", 0), (0, 0)],
)  # fmt: skip
def test_bps(value: object, expected: int) -> None:
    assert bps(value) == expected


def test_good_values() -> None:
    assert (kbit("50M"), kbit(1), kbit(0)) == ("50000kbit", "1kbit", "0kbit")
    assert (ip(" 10.0.0.1 "), ip("2001:DB8:0::1")) == ("10.0.0.1", "2001:db8::1")
    assert (net("10.0.0.5", 32), net("10.0.0.5", 24), net("10.0.0.8/29", 32)) == ("10.0.0.5/32", "10.0.0.0/24", "10.0.0.8/29")
    assert (net("10.0.0.5"), net("2001:db8::1"), net("2001:db8::1", 64)) == ("10.0.0.5/32", "2001:db8::1/128", "2001:db8::/64")
    styles = [mac(form, "plain") for form in ("02:0a:00:00:00:FE", "02-0A-00-00-00-fe", "020a.0000.00fe", "020A000000FE")]
    assert styles == ["020a000000fe"] * 4
    assert [mac("020a000000fe", style) for style in ("colon", "dash", "cisco")] == [
        "02:0a:00:00:00:fe",
        "02-0a-00-00-00-fe",
        "020a.0000.00fe",
    ]
    assert (yesno(True), yesno(0), hexadecimal(258), hexadecimal("258", 4)) == ("yes", "no", "102", "0102")


@pytest.mark.parametrize(
    ("call", "value"),
    [(bps, "-1"), (bps, "10 apples"), (bps, "1e9"), (bps, "١٢"), (ip, "10.0.0"),
     (ip, ""), (ip, "10.0.0.1; reboot"),
     (net, "10.0.0.1/33"), (net, "all"), (mac, "02:00:00:00:00"), (mac, "02:00-00:00:00:00"), (mac, "zz:00:00:00:00:00"),
     (hexadecimal, "x"), (hexadecimal, True), (hexadecimal, -1)],
)  # fmt: skip
def test_bad_values_are_refused(call: object, value: object) -> None:
    with pytest.raises(BadValue, match=" is not "):
        call(value)  # type: ignore[operator]


def test_in_templates() -> None:
    rendered = render("{{ ipn_ip_address | net(32) }} {{ ipn_mac_address | mac('cisco') }} {{ slot | hex(4) }} {{ '%x' % slot }}")
    assert rendered.values == ("10.77.0.2/32", "0200.0000.0002", "0102", "102")


def test_a_refusal_names_place_and_value() -> None:
    with pytest.raises(UnquotableValue, match=r"own\):2:15: '10\.0\.0' is not an IP address"):
        render("a\n{{ username | ip }}", subacc_username="10.0.0")


def test_html_filters_and_random_are_gone() -> None:
    for name in ("escape", "e", "safe", "random"):
        assert problems(f"{{{{ vlan | {name} }}}}")[0].startswith(f"t.j2:1:11: unknown filter '{name}'")
