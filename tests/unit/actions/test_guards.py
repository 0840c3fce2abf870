"""What is computed from a secret is a secret; an empty address reaches no command."""

from __future__ import annotations

import pytest

from ebs_core.domain.errors import EbsError, UnsafeAddress
from ebs_core.domain.text import Secret
from tests.unit.actions import RENDERER, render

PASSWORD = "hunter2-Δ"


@pytest.mark.parametrize(
    "source",
    [
        "{{ password }}",
        "$password",
        "{{ acc_password }}",
        "{{ nas_password }}",
        "$nas_secret",
        "{{ password | upper }}",
        "{{ 'x' ~ password }}",
        "{{ password[2:] }}",
        "{{ 'a' if password == 'b' else 'c' }}",
        "{{ '%s' | format(password) }}",
        "{{ '{}'.format(password) }}",
        "{{ password.split('-')[0] }}",
        "{{ [password] | join }}",
        "{{ {'a': password}.a }}",
        "{% set x = password %}{{ x }}",
        "{% set x = password %}{% set y = 'a' ~ x %}{% set z = y | upper %}{{ z }}",
        "{% set x, y = 1, password %}{{ y }}",
        "{% set x %}{{ password }}{% endset %}{{ x }}",
        "{% set ns = namespace(p='') %}{% set ns.p = password %}{{ ns.p }}",
        "{% set ns = namespace(p=password) %}{{ ns.p }}",
        "{% with x = password %}{{ x }}{% endwith %}",
        "{% for x in [password] %}{{ x }}{% endfor %}",
        "{% for x in [1, password] %}{% if loop.first %}{{ loop.nextitem }}{% endif %}{% endfor %}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(password) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(x=password) }}",
        "{% macro m(x=password) %}{{ x }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ varargs[0] }}{% endmacro %}{{ m(password) }}",
        "{% macro m() %}{{ kwargs.a }}{% endmacro %}{{ m(a=password) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(*[password]) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{% set f = m %}{{ f(password) }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(password) }}{% macro m(y) %}{% endmacro %}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{% macro n(m2) %}{{ m2(password) }}{% endmacro %}{{ n(m) }}",
        "{% macro m() %}{{ password }}{% endmacro %}{{ m() }}",
        "{{ joiner(password)() }}{{ cycler(password).next() }}",
    ],
)
def test_secrets_stay_secret(source: str) -> None:
    rendered = render(source, subacc_password=PASSWORD, acc_password=PASSWORD, nas_password=PASSWORD, nas_secret=PASSWORD)
    assert rendered.values
    assert all(type(value) is Secret for value in rendered.values)
    assert "hunter" not in rendered.plain().lower()
    assert "hunter" not in repr(rendered).lower()


def test_others_are_no_secrets() -> None:
    rendered = render(
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ username }} {{ m(vlan) }} {% if password %}{{ vlan }}{% endif %} $password"
    )
    assert [type(value) is Secret for value in rendered.values] == [False, False, False, True]


@pytest.mark.parametrize(
    "source", ["{{ password | ip }}", "{{ password | upper | ip }}", "{{ options[password] }}", "{{ password + 1 }}"]
)
def test_errors_do_not_tell_secrets(source: str) -> None:
    with pytest.raises(EbsError) as caught:
        render(f"a\n{source}", subacc_password=PASSWORD)
    assert "hunter" not in str(caught.value).lower()
    assert ":2:" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


EMPTY = [None, "", "0.0.0.0", "0.0.0.0/0", "::", "::/0", "10.0.0.1/0", "0.0.0.0/32"]


@pytest.mark.parametrize("address", EMPTY)
@pytest.mark.parametrize(
    "source",
    [
        "a {{ ipn_ip_address }}",
        "a $subacc_ipn_ip_address",
        "{{ ipn_ip_address }}/32",
        "{{ ipn_ip_address ~ '/32' }}",
        "{{ 'src=' ~ ipn_ip_address }}",
        "{{ 'src=%s' | format(ipn_ip_address) }}",
        "{{ 'src={}'.format(ipn_ip_address) }}",
        "{{ ipn_ip_address | trim }}",
        "{{ ipn_ip_address or '' }}",
        "{{ ipn_ip_address if not vlan }}",
        "{{ ipn_ip_address | default('', true) }}",
        "{% set x = ipn_ip_address %}{{ x }}",
        "{% set x = ipn_ip_address %}{{ 'src=' ~ x }}",
        "{% for x in [ipn_ip_address] %}{{ x }}{% endfor %}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(ipn_ip_address) }}",
        "{% set x %}{{ ipn_ip_address }}{% endset %}{{ x }}",
    ],
)
def test_empty_addresses_are_refused(source: str, address: str | None) -> None:
    with pytest.raises(UnsafeAddress, match="refused before rendering: subacc_ipn_ip_address is "):
        render(source, subacc_ipn_ip_address=address)


@pytest.mark.parametrize("name", ["subacc_vpn_ip_address", "subacc_vpn_ipv6_ip_address", "framed_ip_address"])
def test_every_address_is_guarded(name: str) -> None:
    with pytest.raises(UnsafeAddress, match=f"{name} is empty"):
        render(f"x {{{{ {name} }}}}", "session_speed", **{name: ""})


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("{% if ipn_ip_address %}{{ ipn_ip_address }}{% else %}none{% endif %}", ()),
        ("{{ ipn_ip_address or vpn_ip_address }}", ("10.88.0.2",)),
        ("{{ ipn_ip_address | default(vpn_ip_address, true) }}", ("10.88.0.2",)),
        ("{{ ipn_ip_address if ipn_ip_address else vpn_ip_address }}", ("10.88.0.2",)),
        ("{{ 'with' if ipn_ip_address else '' }}", ("",)),
        ("{{ ipn_ip_address | yesno }}", ("no",)),
        ("{{ ipn_ip_address == '' }}", ("True",)),
        ("{% macro m(x) %}{% if x %}{{ x }}{% endif %}{% endmacro %}{{ m(ipn_ip_address) }}", ()),
        ("{% set x = ipn_ip_address or vpn_ip_address %}{{ x }}", ("10.88.0.2",)),
    ],
)
def test_asking_first_is_fine(source: str, values: tuple[str, ...]) -> None:
    assert render(source, subacc_ipn_ip_address="").values == values


def test_good_addresses_pass() -> None:
    assert render("{{ ipn_ip_address | net(32) }} $vpn_ipv6_ip_address").values == ("10.77.0.2/32", "2001:db8::2")


def test_internal_filters_cannot_be_reached() -> None:
    for name in (" text", " slot", " decide"):
        with pytest.raises(EbsError):
            render(f"{{{{ [username] | map('{name}', 1) | list }}}}")
    assert RENDERER.check(RENDERER.profiles()["test"], "ssh", "subaccount_add", "{{ [username] | map(' text', 1) | first }}", "f")
