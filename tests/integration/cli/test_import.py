"""`ebs import` of good files: YAML and CSV, whole sites and subsets, new rows and changed ones."""

from __future__ import annotations

import json

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import HOME, Ebs, active, dead_nas, person, site

EXAMPLE = """\
nases:
  - {{name: nas1, profile: linux, address: 127.0.0.1, port: 2222, login: root, key_file: id_ed25519,
     host_key: "ssh-ed25519 AAAA…",
     options: {{subscriber_interface: sub0, uplink_interface: up0}}}}
  - {{name: nas2, profile: mikrotik, transport: routeros_api, address: 127.0.0.1, port: {port},
     login: ebs, password: nas-password}}
tariffs:
  - {{name: Home 50, access_type: ipoe, nas_actions: true, speed: {{download: 50M, upload: 20M}}}}
accounts:
  - username: a-0017
    full_name: "Квартира 17, ул. Лесная"
    balance: "10.00"
    credit: "0"
    status: active            # active | suspended_charged | suspended | user_blocked
    tariff: Home 50
    subaccounts:
      - {{username: a-0017-1, password: secret, nas: nas1, ipn_ip_address: 10.77.0.2,
         ipn_mac_address: "02:00:00:00:00:02", vlan: 100, allow_ipn_with_null: false}}
      - {{username: a-0017-2, password: secret, nas: nas2, ipn_ip_address: 10.77.0.2,
         ipn_mac_address: 02-00-00-00-00-03, vlan: 100}}
"""


def test_the_example_of_the_documentation(any_ebs: Ebs, router: SimulatedNas) -> None:
    ebs = any_ebs
    ebs.ok("import", ebs.write(EXAMPLE.format(port=router.api_port)))
    card = ebs.card("a-0017")
    assert (card["full_name"], card["balance"], card["status"], card["tariff"]) == (
        "Квартира 17, ул. Лесная", "10.00", "active", "Home 50",
    )  # fmt: skip
    one, two = card["subaccounts"]
    assert (one["nas"], one["ipn_ip_address"], one["ipn_mac_address"], one["vlan"]) == (
        "nas1",
        "10.77.0.2",
        "02:00:00:00:00:02",
        100,
    )
    assert (two["nas"], two["ipn_mac_address"]) == ("nas2", "02:00:00:00:00:03")
    plan = {nas["nas"]: nas["items"] for nas in ebs.json("plan")["nases"]}
    assert len(plan["nas1"]) == len(plan["nas2"]) == 1
    result = ebs.run("apply", "--json")
    assert result.status == 1, "nas1 is not there; its key is the documentation's"
    assert {nas["nas"]: nas["ok"] for nas in result.json["nases"]} == {"nas1": False, "nas2": True}
    assert active(router) == {"10.77.0.2": True}


def test_key_files_are_looked_for_beside_the_site_file(ebs: Ebs) -> None:
    ebs.ok("import", ebs.write(EXAMPLE.format(port=1)))
    assert ebs.json("nas", "show", "nas1")["key_file"] == str(ebs.folder / "id_ed25519")


def test_the_same_file_again_changes_nothing(any_ebs: Ebs) -> None:
    document = site([dead_nas(password="one")], person(1, own={"password": "two"}), person(2))
    path = any_ebs.write(json.dumps(document))
    new = {"NASes": 1, "tariffs": 1, "accounts": 2, "subaccounts": 2}
    assert any_ebs.json("import", path) == {"new": new, "changed": {}}
    before = any_ebs.dump()
    assert any_ebs.json("import", path) == {"new": {}, "changed": {}}
    after = any_ebs.dump()
    marks = [[(row[0], *row[2:4]) for row in dump["placement"]] for dump in (before, after)]
    assert marks[0] == marks[1]
    for table in ("nas", "tariff", "account", "account_tariff", "subaccount", "nas_template"):
        assert after[table] == before[table]


def test_a_second_import_changes_only_the_given_fields(any_ebs: Ebs) -> None:
    ebs = any_ebs
    ebs.load(site([dead_nas(comment="old")], person(1, full_name="Анна", contract="7", own={"vlan": 7, "password": "p"})))
    before = ebs.card("a-1")
    done = ebs.json("import", ebs.write('accounts: [{username: a-1, balance: "-3.5"}]'))
    assert done == {"new": {}, "changed": {"accounts": 1}}
    assert ebs.card("a-1") == {**before, "balance": "-3.50", "subaccounts": ebs.card("a-1")["subaccounts"]}
    ebs.ok("import", ebs.write("accounts: [{username: a-1, subaccounts: [{username: a-1-1, vlan: 8}]}]"))
    (sub,) = ebs.card("a-1")["subaccounts"]
    assert (sub["vlan"], sub["ipn_ip_address"], sub["password"], sub["nas"]) == (8, "10.7.0.1", True, "nas1")
    ebs.ok("import", ebs.write("nases: [{name: nas1, login: other}]"))
    nas = ebs.json("nas", "show", "nas1")
    assert (nas["login"], nas["comment"], nas["port"]) == ("other", "old", 1)
    ebs.ok("import", ebs.write("tariffs: [{name: Home, cost: 5}]"))
    (tariff,) = ebs.json("tariff", "list")
    assert (tariff["cost"], tariff["download"]) == ("5.00", 50_000_000)


@pytest.mark.parametrize(
    "section",
    [
        "nases: [{name: n, profile: mikrotik, address: 10.0.0.1}]",
        "tariffs: [{name: T}]",
        "accounts: [{username: u}]",
        "nases:\ntariffs:\naccounts:",
    ],
)
def test_any_subset_of_sections(ebs: Ebs, section: str) -> None:
    ebs.ok("import", ebs.write(section))


def test_names_refer_to_what_the_database_has_already(any_ebs: Ebs) -> None:
    any_ebs.load(site([dead_nas()]))
    any_ebs.load({"accounts": [person(1)]})
    assert any_ebs.json("status")["nases"][0]["pending"] == 1
    any_ebs.load(
        {"accounts": [{"username": "a-1", "subaccounts": [{"username": "a-1-2", "nas": "nas1", "ipn_ip_address": "10.9.0.1"}]}]}
    )
    assert [sub["username"] for sub in any_ebs.card("a-1")["subaccounts"]] == ["a-1-1", "a-1-2"]


def test_order_in_the_file_does_not_matter(ebs: Ebs) -> None:
    document = site([dead_nas()], person(1))
    ebs.load({name: document[name] for name in ("accounts", "tariffs", "nases")})
    assert ebs.card("a-1")["tariff"] == "Home"


def test_two_subscribers_swap_addresses_in_one_file(any_ebs: Ebs) -> None:
    any_ebs.load(site([dead_nas()], person(1), person(2), person(3)))
    swap = [("a-1", "10.7.0.2"), ("a-2", "10.7.0.3"), ("a-3", "10.7.0.1")]
    any_ebs.load(
        {"accounts": [{"username": name, "subaccounts": [{"username": f"{name}-1", "ipn_ip_address": ip}]} for name, ip in swap]}
    )
    assert [(name, any_ebs.card(name)["subaccounts"][0]["ipn_ip_address"]) for name, _ in swap] == swap


def test_fields_can_be_emptied(ebs: Ebs) -> None:
    ebs.load(
        site([dead_nas()], person(1, full_name="x", own={"vlan": 5, "ipn_mac_address": "02:00:00:00:00:01", "password": "p"}))
    )
    ebs.ok("import", ebs.write(
        "accounts: [{username: a-1, full_name: '', tariff: null,"
        " subaccounts: [{username: a-1-1, vlan: ~, ipn_mac_address: '', password: '', nas: }]}]"
    ))  # fmt: skip
    card = ebs.card("a-1")
    (sub,) = card["subaccounts"]
    assert (card["full_name"], card["tariff"]) == ("", None)
    assert (sub["vlan"], sub["ipn_mac_address"], sub["password"], sub["nas"]) == (None, "", False, None)


def test_what_yaml_would_reinterpret_stays_what_was_typed(ebs: Ebs) -> None:
    ebs.ok("import", ebs.write(
        "nases: [{name: no, profile: mikrotik, address: 10.0.0.1}]\n"
        "tariffs: [{name: 010}, {name: 1e3}, {name: 2024-01-01}]\n"
        "accounts:\n"
        "  - {username: 007, full_name: yes, contract: 1_000, comment: 0x1F, tariff: 010, balance: 010, phone: 12:30:45,\n"
        "     subaccounts: [{username: off, nas: no, ipn_mac_address: 02:00:00:00:00:02, ipn_ip_address: 10.0.0.1, vlan: 010}]}\n"
    ))  # fmt: skip
    card = ebs.card("007")
    assert (card["full_name"], card["contract"], card["comment"], card["phone"]) == ("yes", "1_000", "0x1F", "12:30:45")
    assert (card["tariff"], card["balance"]) == ("010", "10.00")
    (sub,) = card["subaccounts"]
    assert (sub["username"], sub["nas"], sub["ipn_mac_address"], sub["vlan"]) == ("off", "no", "02:00:00:00:00:02", 10)


def test_anchors_and_aliases_of_plain_rows_work(ebs: Ebs) -> None:
    ebs.ok("import", ebs.write(
        "tariffs: [{name: A, speed: &s {download: 1M, upload: 1M}}, {name: B, speed: *s}]\naccounts: [{username: &n x, full_name: *n}]"  # noqa: E501
    ))  # fmt: skip
    assert [tariff["download"] for tariff in ebs.json("tariff", "list")] == [1_000_000, 1_000_000]
    assert ebs.card("x")["full_name"] == "x"


def test_windows_files(ebs: Ebs) -> None:
    """A byte order mark and CR LF, as editors there write them."""
    ebs.ok("import", ebs.write("\ufefftariffs:\r\n  - {name: Дом}\r\n"))
    assert [row["name"] for row in ebs.json("tariff", "list")] == ["Дом"]


# -- CSV


def csv_file(ebs: Ebs, *lines: str, delimiter: str = ",", newline: str = "\r\n", bom: bool = False) -> str:
    text = newline.join(line.replace("|", delimiter) for line in lines) + newline
    return ebs.write(("\ufeff" if bom else "") + text, f"people-{len(list(ebs.folder.iterdir()))}.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [False, True])
def test_csv_from_any_spreadsheet(ebs: Ebs, delimiter: str, bom: bool) -> None:
    ebs.load(site([dead_nas()]))
    ebs.ok("import", csv_file(
        ebs,
        "username|full_name|balance|tariff|subaccount_username|subaccount_nas|subaccount_ipn_ip_address|subaccount_ipn_mac_address",
        'a-1|"Квартира 1, ул. ""Лесная""; дом 2"|10.50|Home|a-1-1|nas1|10.7.0.1|02:00:00:00:00:01',
        "||||||| ",
        "a-2|Борис|-1|Home||||",
        delimiter=delimiter, bom=bom,
    ))  # fmt: skip
    card = ebs.card("a-1")
    assert (card["full_name"], card["balance"]) == ('Квартира 1, ул. "Лесная"; дом 2', "10.50")
    assert card["subaccounts"][0]["ipn_mac_address"] == "02:00:00:00:00:01"
    assert ebs.card("a-2")["subaccounts"] == []


def test_csv_with_several_subaccounts_per_account(any_ebs: Ebs) -> None:
    any_ebs.load(site([dead_nas()]))
    any_ebs.ok("import", csv_file(
        any_ebs,
        "username|tariff|subaccount_username|subaccount_nas|subaccount_ipn_ip_address",
        "a-1|Home|a-1-1|nas1|10.7.0.1", "a-1|Home|a-1-2|nas1|10.7.0.2", "a-2|Home|a-2-1|nas1|10.7.0.4", "a-1||a-1-3|nas1|10.7.0.3",  # noqa: E501
    ))  # fmt: skip
    assert [sub["username"] for sub in any_ebs.card("a-1")["subaccounts"]] == ["a-1-1", "a-1-2", "a-1-3"]


def test_empty_csv_cells_change_nothing(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()], person(1, full_name="Анна")))
    ebs.ok("import", csv_file(ebs, "username|full_name|balance|subaccount_username|subaccount_vlan", "a-1||3||"))
    assert (ebs.card("a-1")["full_name"], ebs.card("a-1")["balance"]) == ("Анна", "3.00")


def test_csv_suffix_in_capitals(ebs: Ebs) -> None:
    ebs.ok("import", ebs.write("username\nx\n", "PEOPLE.CSV"))
    assert ebs.card("x")["balance"] == "0.00"


def test_a_thousand_accounts_in_one_file(ebs: Ebs) -> None:
    ebs.load(site([dead_nas()], *(person(number) for number in range(1, 1001)), tariffs=(HOME,)))
    (status,) = ebs.json("status")["nases"]
    assert (status["placements"], status["pending"]) == (1000, 1000)


def test_a_relative_path_and_cyrillic_file_name(ebs: Ebs) -> None:
    ebs.write("tariffs: [{name: T}]", "сайт абонентов.yml")
    assert "tariffs" in ebs.ok("import", "сайт абонентов.yml").out
