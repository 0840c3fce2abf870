"""`ebs account set`, `subaccount set`, `tariff set`, `account delete`: what is accepted, what is refused, what stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import QUEUES, Ebs, Stock, active, dead_nas, nas_row, person, site

FAST = {"name": "Fast", "speed": {"download": "100M", "upload": "100M"}}


@pytest.fixture
def stocked(stock: Stock) -> Ebs:
    first = person(1, full_name="Y", own={"vpn_ip_address": "10.8.0.1"})
    return stock("edit", site([dead_nas(), dead_nas("nas2")], first, person(2)), {"tariffs": [FAST]})


@pytest.mark.parametrize(
    ("assignment", "field", "shown"),
    [
        ("balance=-12.3456", "balance", "-12.3456"),
        ("balance= 7 ", "balance", "7.00"),
        ("credit=5", "credit", "5.00"),
        ("bonus_balance=1.5", "bonus_balance", "1.50"),
        ("status=user_blocked", "status", "user_blocked"),
        ("status=3", "status", "suspended"),
        ("status=SUSPENDED", "status", "suspended"),
        ("tariff=Fast", "tariff", "Fast"),
        ("tariff=", "tariff", None),
        ("nas=nas2", "nas", "nas2"),
        ("full_name=Сокол Анна = она; 'x' \"y\"", "full_name", "Сокол Анна = она; 'x' \"y\""),
        ("full_name=", "full_name", ""),
        ("disabled_by_limit=yes", "disabled_by_limit", True),
        ("allow_ipn_with_minus=да", "allow_ipn_with_minus", True),
        ("password=x", "password", True),
        ("comment=🙂" + "я" * 511, "comment", "🙂" + "я" * 511),
        ("username=новый", "username", "новый"),
    ],
)
def test_any_editable_field_of_an_account(stocked: Ebs, assignment: str, field: str, shown: object) -> None:
    assert field in stocked.ok("account", "set", "a-1", assignment).out
    name = str(shown) if field == "username" else "a-1"
    assert stocked.card(name)[field] == shown
    assert "nothing changed" in stocked.ok("account", "set", name, assignment).out


def test_several_fields_at_once_or_none(stocked: Ebs) -> None:
    stocked.ok("account", "set", "a-1", "balance=1", "full_name=X", "tariff=Fast")
    card = stocked.card("a-1")
    assert (card["balance"], card["full_name"], card["tariff"]) == ("1.00", "X", "Fast")
    stocked.refused("account", "set", "a-1", "balance=2", "full_name=Y", "tariff=Nothing")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("account set a-1 balance=ten", "balance"),
        ("account set a-1 balance=1e400", "balance"),
        ("account set a-1 balance=", "balance"),
        ("account set a-1 balance=١٠", "balance"),
        ("account set a-1 balance=1_0", "balance"),
        ("account set a-1 status=blocked", "user_blocked"),
        ("account set a-1 status=0", "user_blocked"),
        ("account set a-1 tariff=Nothing", "Nothing"),
        ("account set a-1 nas=nas9", "nas9"),
        ("account set a-1 username=", "empty"),
        ("account set a-1 username=a-2", "taken"),
        ("account set a-1 colour=red", "colour"),
        ("account set a-1 id=7", "id"),
        ("account set a-1 deleted_at=now", "deleted_at"),
        ("account set a-1 vlan=7", "vlan"),
        ("account set a-1 full_name=a\nb", "newline"),
        ("account set a-1 full_name=a\x1bb", "escape"),
        ("account set a-1 full_name=a\x7fb", "U+007F"),
        ("account set a-1 full_name=a\x85b", "U+0085"),
        ("account set a-1 password=a\nb", "newline"),
        ("account set a-1 full_name=" + "x" * 513, "512"),
        ("account set a-1 disabled_by_limit=", "true"),
        ("account set a-1 ipn_speed=-1M", "negative"),
        ("account set a-1 ipn_speed=1M/2M/3M", "2M/3M"),
        ("subaccount set a-1-1 ipn_ip_address=10.7.0.2", "a-2-1"),
        ("subaccount set a-2-1 vpn_ip_address=10.8.0.1", "a-1-1"),
        ("subaccount set a-1-1 ipn_ip_address=10.7.0.0/24", "network"),
        ("subaccount set a-1-1 ipn_ip_address=0.0.0.0", "every"),
        ("subaccount set a-1-1 ipn_ip_address=10.7.0.1;reboot", "10.7.0.1;reboot"),
        ("subaccount set a-1-1 ipn_mac_address=00:00:00:00:00:00", "zero"),
        ("subaccount set a-1-1 ipn_mac_address=2:0:0:0:0:1", "MAC"),
        ("subaccount set a-1-1 vlan=0", "4094"),
        ("subaccount set a-1-1 vlan=4095", "4094"),
        ("subaccount set a-1-1 vlan=0x10", "whole number"),
        ("subaccount set a-1-1 vlan=1_0", "whole number"),
        ("subaccount set a-1-1 vlan=१००", "whole number"),
        ("subaccount set a-1-1 speed=-5M", "negative"),
        ("subaccount set a-1-1 speed=download=5M,upload=5M", "5M,upload"),
        ("subaccount set a-1-1 speed=colour=5M", "colour"),
        ("subaccount set a-1-1 speed=5M ipn_speed=6M", "speed"),
        ("subaccount set a-1-1 nas=nas9", "nas9"),
        ("subaccount set a-1-1 username=a-2-1", "taken"),
        ("subaccount set a-1-1 balance=5", "balance"),
        ("subaccount set a-1-1 account_id=2", "account_id"),
        ("tariff set Home speed=fast", "fast"),
        ("tariff set Home speed=-1", "negative"),
        ("tariff set Home speed=", "speed"),
        ("tariff set Home active=maybe", "maybe"),
        ("tariff set Home access_type=0", "ipoe"),
        ("tariff set Home cost=free", "free"),
        ("tariff set Home name=", "empty"),
        ("tariff set Home name=Fast", "taken"),
        ("tariff set Home download=5M", "speed"),
    ],
)
def test_a_bad_value_is_named_and_nothing_changes(stocked: Ebs, words: str, told: str) -> None:
    message = stocked.refused(*words.split(" "))
    assert told in message
    assert "invalid literal" not in message and "constraint" not in message, "our words, not a library's"


@pytest.mark.parametrize(
    "words", ["tariff set Home name=Fast", "subaccount set a-1-1 username=a-2-1", "account set a-1 username=a-2"]
)
def test_taken_names_on_both_databases(any_ebs: Ebs, words: str) -> None:
    any_ebs.load(site([dead_nas()], person(1), person(2)))
    any_ebs.load({"tariffs": [FAST]})
    assert "taken" in any_ebs.refused(*words.split(" "))


def test_access_and_speed_follow_every_edit(any_ebs: Ebs, routers: Callable[[str], SimulatedNas], transport: str) -> None:
    ebs, one, two = any_ebs, routers("nas1"), routers("nas2")
    ebs.load(site([nas_row(one, "nas1", transport), nas_row(two, "nas2", transport)], person(1), person(2)))
    ebs.load({"tariffs": [FAST]})

    def after(*words: str) -> tuple[dict[str, bool], dict[str, bool]]:
        if words:
            ebs.ok(*words)
        ebs.ok("apply")
        return active(one), active(two)

    both, first_off = {"10.7.0.1": True, "10.7.0.2": True}, {"10.7.0.1": False, "10.7.0.2": True}
    assert after() == (both, {})
    assert after("account", "set", "a-1", "balance=0") == (first_off, {})
    assert after("subaccount", "set", "a-1-1", "allow_ipn_with_null=yes") == (both, {})
    assert after("account", "set", "a-1", "balance=-1") == (first_off, {})
    assert after("account", "set", "a-1", "credit=1.01") == (both, {})
    assert after("account", "set", "a-1", "status=suspended") == (first_off, {})
    assert after("account", "set", "a-1", "status=active", "balance_blocked=yes") == (first_off, {})
    assert after("account", "set", "a-1", "balance_blocked=no", "tariff=Fast") == (both, {})
    assert {q["target"]: q["max-limit"] for q in one.router.items(QUEUES)}["10.7.0.1/32"] == "100000000/100000000"
    after("subaccount", "set", "a-1-1", "speed=7M/3M")
    assert {q["target"]: q["max-limit"] for q in one.router.items(QUEUES)}["10.7.0.1/32"] == "3000000/7000000"
    after("tariff", "set", "Home", "speed=download=11M upload=12M")
    assert {q["target"]: q["max-limit"] for q in one.router.items(QUEUES)}["10.7.0.2/32"] == "12000000/11000000"
    assert after("subaccount", "set", "a-1-1", "nas=nas2") == ({"10.7.0.2": True}, {"10.7.0.1": True})
    assert len(one.router.items(QUEUES)) == len(two.router.items(QUEUES)) == 1
    assert after("subaccount", "set", "a-1-1", "ipn_ip_address=10.7.9.9") == ({"10.7.0.2": True}, {"10.7.9.9": True})
    assert after("account", "set", "a-1", "tariff=") == ({"10.7.0.2": True}, {})
    assert after("account", "delete", "a-2") == ({}, {})
    assert one.router.items(QUEUES) == two.router.items(QUEUES) == []


def test_delete_before_anything_was_sent(stocked: Ebs) -> None:
    stocked.ok("account", "delete", "a-1")
    assert [row["username"] for row in stocked.json("account", "list")] == ["a-2"]
    for words in (("account", "show", "a-1"), ("account", "delete", "a-1"), ("account", "set", "a-1", "balance=1"),
                  ("subaccount", "set", "a-1-1", "vlan=1")):  # fmt: skip
        assert "a-1" in stocked.refused(*words)
    assert stocked.json("status")["nases"][0]["placements"] == 1


def test_names_and_addresses_of_a_deleted_account_are_free_again(any_ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    any_ebs.load(site([nas_row(router, transport=transport)], person(1), person(2)))
    any_ebs.ok("apply")
    any_ebs.ok("account", "delete", "a-1")
    any_ebs.load({"accounts": [person(1, full_name="another")]})
    any_ebs.ok("account", "set", "a-2", "username=a-3")
    any_ebs.ok("subaccount", "set", "a-2-1", "username=a-3-1")
    any_ebs.load({"accounts": [person(2, own={"ipn_ip_address": "10.7.0.9"})]})
    any_ebs.ok("apply")
    assert active(router) == {"10.7.0.1": True, "10.7.0.2": True, "10.7.0.9": True}
    assert any_ebs.card("a-1")["full_name"] == "another"
    assert [row["username"] for row in any_ebs.json("account", "list")] == ["a-1", "a-2", "a-3"]
    assert any_ebs.json("status")["nases"][0]["in_sync"] == 3


def test_deleted_and_made_again_before_the_next_apply(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    """The old records have to go and the new ones to come, in this order, in one run."""
    ebs.load(site([nas_row(router, transport=transport)], person(1)))
    ebs.ok("apply")
    for _ in range(3):
        ebs.ok("account", "delete", "a-1")
        ebs.load({"accounts": [person(1)]})
    ebs.ok("apply")
    assert active(router) == {"10.7.0.1": True}
    assert len(router.router.items(QUEUES)) == 1
    assert ebs.json("apply")["nases"][0]["commands"] == 0


def test_the_history_of_tariffs_is_kept(stocked: Ebs) -> None:
    stocked.ok("account", "set", "a-1", "tariff=Fast")
    stocked.ok("account", "set", "a-1", "tariff=")
    assert [entry["tariff"] for entry in stocked.card("a-1")["tariff_history"]] == ["Home", "Fast", None]
