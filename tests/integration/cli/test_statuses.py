"""Exit statuses, help texts, and `--json`: one document on standard output and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from ebs_core import config
from ebs_core.storage.tables import Nas
from ebs_server.bootstrap import Site
from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import Ebs, Stock, dead_nas, nas_row, person, site

COMMANDS = [
    *"init import plan apply status log resync drift serve worker simulator demo".split(),
    *(f"nas {verb}" for verb in "list show test trust bootstrap adopt maintenance refill".split()),
    *(f"template {verb}" for verb in "list show check set render".split()),
    *(f"account {verb}" for verb in "list show set delete".split()),
    "subaccount set",
    "tariff list",
    "tariff set",
    *(f"rollout {verb}" for verb in "list show continue withdraw".split()),
    "hold list",
    "hold release",
    "key rotate",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(ebs: Ebs, command: str) -> None:
    result = ebs.ok(*command.split(), "--help")
    assert result.err == ""
    assert f"Usage: ebs {command} " in result.out
    summary = result.out.splitlines()[2].strip()
    assert summary.endswith(".") or len(summary) > 30, "says what it does"
    for line in result.out.splitlines():
        if line.strip().startswith("--"):
            assert len(line.split(None, 1)) == 2


def test_the_overview_lists_every_command(ebs: Ebs) -> None:
    listed = ebs.ok("--help").out
    for command in {command.split()[0] for command in COMMANDS}:
        assert f"\n  {command} " in listed
    assert ebs.ok("--version").out.startswith("ebs")


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "plan --nonsense",
        "nas",
        "nas show",
        "nas show nas9",
        "nas test nas9",
        "nas trust nas9 --yes",
        "nas bootstrap nas9",
        "nas bootstrap nas9 --apply --json",
        "account show nobody",
        "account show nobody --json",
        "account set nobody balance=1",
        "account delete nobody",
        "subaccount set nobody vlan=1",
        "tariff set nothing cost=1",
        "plan --nas nas9 --json",
        "apply --nas nas9 --json",
        "apply --nas nas1 --nas nas9",
        "hold release nas9",
        "template list --nas nas9",
        "template show --nas nas1",
        "template show --nas nas9 --action subaccount_add",
        "template show --nas nas1 --action subaccount_ad",
        "template render --nas nas1 --action subaccount_add",
        "template render --nas nas1 --action subaccount_add --subaccount nobody",
        "template render --nas nas1 --action subaccount_add --account a-1",
        "template render --nas nas1 --action account_add --subaccount a-1-1",
        "template set --nas nas1 --action subaccount_add",
        "template set --nas nas1 --action subaccount_add nofile",
        "template check --nas nas1 --action subaccount_add nofile",
        "import",
        "import nofile",
        "import .",
        "account set a-1",
        "account set a-1 balance",
        "account set a-1 =1",
        "account set a-1 balance=1 balance=2",
        "log --limit many",
    ],
)
def test_bad_words_are_status_2_and_change_nothing(stock: Stock, words: str) -> None:
    ebs = stock("one", site([dead_nas()], person(1)))
    before = ebs.dump()
    result = ebs.run(*words.split())
    assert result.status == 2
    assert ebs.dump() == before
    if words != "nas":  # click prints the group's help
        assert result.out == ""
        assert result.err.strip()


@pytest.mark.parametrize("limit", ["-1", "0", "99999999999999999999"])
def test_odd_limits_never_break(any_ebs: Ebs, limit: str) -> None:
    any_ebs.load(site([dead_nas()], person(1)))
    for words in (("log",), ("account", "list")):
        result = any_ebs.run(*words, "--limit", limit, "--json")
        assert result.status in (0, 2)
        assert result.status == 2 or isinstance(result.json, list)


def test_every_json_is_one_document(any_ebs: Ebs, router: SimulatedNas) -> None:
    ebs = any_ebs
    imported = ebs.run("import", "--json", ebs.write("nases: []\n")).json
    assert imported == {"new": {}, "changed": {}}
    ebs.load(site([nas_row(router)], person(1, full_name="Квартира «17» [b]bold[/b]")))
    plan = ebs.json("plan")
    assert plan["nases"][0]["items"][0]["full_name"] == "Квартира «17» [b]bold[/b]"
    assert ebs.json("apply")["ok"] is True
    assert ebs.json("status")["nases"][0]["in_sync"] == 1
    assert {row["outcome"] for row in ebs.json("log")} == {"ok"}
    assert ebs.json("nas", "list")[0]["name"] == "nas1"
    assert ebs.json("nas", "show", "nas1")["transport"] == "routeros_api"
    assert ebs.json("nas", "test", "nas1")["ok"] is True
    marker = ebs.json("nas", "bootstrap", "nas1")
    assert (marker["nas"], len(marker["commands"])) == ("nas1", 2)
    assert ebs.json("nas", "bootstrap", "nas1", "--apply")["ok"] is True
    assert len(ebs.json("template", "list")) == 12
    rendered = ebs.json("template", "render", "--nas", "nas1", "--action", "subaccount_enable", "--subaccount", "a-1-1")
    assert len(rendered["commands"]) == 1
    assert ebs.json("account", "list")[0]["balance"] == "10.00"
    assert ebs.json("account", "show", "a-1")["subaccounts"][0]["nas"] == "nas1"
    assert ebs.json("tariff", "list")[0]["download"] == 50_000_000
    assert ebs.json("hold", "list") == []


@pytest.mark.parametrize(
    "words",
    ["apply --json", "nas test nas1 --json", "nas bootstrap nas1 --apply --json"],
)
def test_a_nas_that_fails_is_status_1_and_still_one_document(ebs: Ebs, words: str) -> None:
    ebs.load(site([dead_nas(options={"subscriber_interface": "bridge1"})], person(1)))
    result = ebs.run(*words.split())
    assert result.status == 1
    assert result.json["ok"] is False
    assert "nas1" in result.out


def test_a_refused_command_with_json_prints_no_half_document(ebs: Ebs) -> None:
    for words in (
        ("import", ebs.write("nonsense: []"), "--json"),
        ("plan", "--json", "--nas", "x"),
        ("nas", "show", "x", "--json"),
    ):
        ebs.refused(*words)


def test_a_list_for_people_has_a_heading_and_a_line_each(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()], person(1, full_name="[red]Иванов[/red]"), person(2)))
    lines = ebs.ok("account", "list").out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:3] == ["USERNAME", "NAME", "TARIFF"]
    assert "[red]Иванов[/red]" in lines[1]


def test_search_finds_name_address_and_mac_in_any_case(any_ebs: Ebs) -> None:
    any_ebs.load(
        site(
            [dead_nas()],
            person(1, full_name="Квартира 17", own={"ipn_mac_address": "02:00:00:00:AA:01"}),
            person(2, contract="100%_5"),
        )
    )
    found: Callable[[str], list[str]] = lambda text: [row["username"] for row in any_ebs.json("account", "list", text)]  # noqa: E731
    assert found("10.7.0.2") == ["a-2"]
    assert found("aa:01") == ["a-1"]
    assert found("100%_5") == ["a-2"]
    assert found("%") == ["a-2"], "a per cent sign is no wildcard"
    assert found("'; DROP TABLE account; --") == []
    assert found("Квартира") == ["a-1"]
    assert found("квартира") == ["a-1"], "any case, Cyrillic too"


def test_one_broken_nas_does_not_hide_the_others(ebs: Ebs) -> None:
    ebs.load(site([dead_nas("nas1"), dead_nas("nas2")], person(1, nas="nas1")))
    with Site(config.load()).database.write() as session:
        session.execute(update(Nas).where(Nas.name == "nas2").values(profile="gone"))
    for words in (("plan",), ("status",), ("hold", "list")):
        result = ebs.run(*words)
        assert result.status == 1 and "nas2" in result.err and "gone" in result.err, words
    assert [one["nas"] for one in ebs.run("status", "--json").json["nases"]] == ["nas1"]
    assert ebs.run("plan", "--json").json["broken"].keys() == {"nas2"}
