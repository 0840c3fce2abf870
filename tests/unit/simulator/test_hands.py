"""What an engineer at the router does behind a client's back, and what a script sees of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nas_simulator import Faults, Router
from nas_simulator.refusals import Refusal
from tests.unit.simulator.conftest import console_of

Cli = Callable[[str], str]
LIST, QUEUE = "/ip/firewall/address-list", "/queue/simple"


def test_items_are_edited_and_removed_by_hand(router: Router) -> None:
    first = router.add(QUEUE, name="a", target="10.0.0.1/32")
    second = router.add(LIST, list="l", address="10.0.0.2", dynamic="true")
    router.edit(QUEUE, first, max_limit="5M/10M", comment="mine")
    router.remove(LIST, second)
    (queue,) = router.items(QUEUE)
    assert (queue["max-limit"], queue["comment"], queue["target"]) == ("5000000/10000000", "mine", "10.0.0.1/32")
    assert router.items(LIST) == []
    with pytest.raises(Refusal, match="no such item"):
        router.edit(QUEUE, "*99", comment="x")
    with pytest.raises(Refusal, match="unknown parameter"):
        router.edit(QUEUE, first, speed="1")


def test_scripts_see_typed_values(router: Router, cli: Cli) -> None:
    router.add(QUEUE, name="a", target="10.0.0.1/32,10.0.0.2/32", max_limit="5000000/10000000", comment='x"$;=')
    cli(f"{LIST} add list=l address=10.0.0.1 timeout=1w2d")
    script = ':foreach i in=[%s find] do={ :local r [%s get $i]; :put ("$i|" . ($r->"%s") . "|" . [:typeof ($r->"%s")]) }'
    for path, name, shown in [
        (QUEUE, "comment", 'x"$;=|str'),
        (QUEUE, "disabled", "false|bool"),
        (QUEUE, "target", "10.0.0.1/32;10.0.0.2/32|array"),
        (QUEUE, "max-limit", "5000000/10000000|str"),
        (QUEUE, "nonsense", "|nothing"),
    ]:
        assert cli(script % (path, path, name, name)) == f"*1|{shown}\r\n"
    assert cli(f":put [{LIST}/get *1 timeout]") == "1w2d00:00:00\r\n"
    assert "max-limit=5M/10M" in cli(f"{QUEUE} print detail")


def test_parse_makes_a_function_or_fails_before_anything_ran(cli: Cli) -> None:
    assert cli(':local f [:parse ":put one\\n:put two"]; :put [:typeof $f]; $f; $f') == "code\r\none\r\ntwo\r\none\r\ntwo\r\n"
    assert cli(':do { :local f [:parse ":put one\\n/ip none find"]; $f } on-error={ :put "no such menu" }') == "no such menu\r\n"
    assert cli(':local f [:parse ":put one; /ip arp remove *9"]; :do { $f } on-error={ :put "rescued" }') == "one\r\nrescued\r\n"


def test_uptime_as_each_side_spells_it() -> None:
    now = [0.0]
    router = Router("nas1", "ebs", "secret", clock=lambda: now[0])
    now[0] = 788_645.0
    assert router.items("/system/resource")[0]["uptime"] == "1w2d3h4m5s"
    assert console_of(router)(":put [/system resource get uptime]") == "1w2d03:04:05\r\n"
    router.add(LIST, list="l", address="10.0.0.1")
    router.reboot()
    assert (router.items("/system/resource")[0]["uptime"], len(router.items(LIST))) == ("0s", 1)
    now[0] += 5
    router.wipe()
    assert (router.items("/system/resource")[0]["uptime"], router.items(LIST)) == ("0s", [])


def test_passwords_are_hidden_from_a_login_without_the_policy() -> None:
    router = Router("nas1", "ebs", "secret", faults=Faults(hide_secrets=True))
    router.add("/ppp/secret", name="u", password="p")
    assert "password" not in router.items("/ppp/secret")[0]
    assert console_of(router)(':local r [/ppp secret get *1]; :put [:typeof ($r->"password")]') == "nothing\r\n"


@pytest.mark.parametrize(
    ("add", "shown"),
    [
        ("/queue tree add parent=global packet-mark=m max-limit=5M", {"max-limit": "5000000", "priority": "8", "name": "queue1"}),
        ("/interface vlan add name=v7 interface=ether1 vlan-id=7", {"name": "v7", "vlan-id": "7", "use-service-tag": "false"}),
    ],
)
def test_more_menus(router: Router, cli: Cli, add: str, shown: dict[str, str]) -> None:
    assert cli(add) == ""
    row = router.items("/" + "/".join(add[1:].split(" ")[:2]))[-1]
    assert shown.items() <= row.items()
    assert "failure: already have" in cli(f"{add} name={row['name']}" if "name=" not in add else add)
