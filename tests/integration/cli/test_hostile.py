"""Values that would like to be commands: each arrives as exactly those characters, and nothing else happens."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from nas_simulator import SimulatedNas
from tests.integration.cli.conftest import LISTED, SECRETS, Ebs, nas_row, person, site, state_of

HOSTILE = [
    "a;b",
    'a"b',
    "a'b",
    "$(reboot)",
    "`reboot`",
    "[find]",
    "a\\",
    "\\",
    '\\"',
    "a\\nb",
    "$x",
    "$",
    "{{ tag }}",
    "{% if 1 %}",
    "{# x #}",
    'x="y',
    '"; /system/identity/set name=owned; "',
    '" disabled=no list=everybody comment="',
    "=disabled=no",
    "/quit",
    "!done",
    ".tag=7",
    "#comment",
    "a b  c",
    "эмодзи 🙂 ё 漢字",
    "x" * 512,
    "🙂" * 512,
    '"\\$;[]{}' * 64,
    "%s %d %(x)s",
    "-rf",
    "--help",
    "@file",
    "e\u0301 \u202e \ufeff \u00a0x",
    "none",
    "yes",
    "0",
]
TEMPLATES = {
    "subaccount_add": '/ip firewall address-list remove [find comment="{{ acc_comment }} {{ subacc_username }}"]\n'
    '/ip firewall address-list add list=people address="{{ ipn_ip_address }}" comment="{{ acc_comment }} {{ subacc_username }}"\n'
    '/ppp secret remove [find comment="{{ tag }}"]\n'
    '/ppp secret add name="{{ subacc_username }}" password="{{ subacc_password }}" comment="{{ tag }}"',
    "subaccount_enable": '/ppp secret set [find comment="{{ tag }}"] caller-id="{{ acc_full_name }}"',
    "subaccount_speed": "",
    "subaccount_delete": '/ip firewall address-list remove [find comment="{{ acc_comment }} {{ subacc_username }}"]\n'
    '/ppp secret remove [find comment="{{ tag }}"]',
}
DOLLAR = {
    "subaccount_add": '/ip firewall address-list remove [find comment="$acc_comment $subacc_username"]\n'
    '/ip firewall address-list add list=people address=$ipn_ip_address comment="$acc_comment $subacc_username"\n'
    '/ppp secret remove [find comment="$tag"]\n'
    "/ppp secret add name=$username password=$subacc_password comment=$tag",
    "subaccount_enable": '/ppp secret set [find comment="$tag"] caller-id=$acc_full_name',
    "subaccount_speed": "",
    "subaccount_delete": '/ip firewall address-list remove [find comment="$acc_comment $subacc_username"]\n'
    '/ppp secret remove [find comment="$tag"]',
}
READING = ("print", "find", "get")
VERBS = {(menu, verb) for menu in (LISTED, SECRETS) for verb in ("add", "remove", "set", *READING)} | {
    ("/system/resource", "print"),
    ("/system/resource", "get"),
}


def people() -> list[dict[str, Any]]:
    return [
        person(
            number,
            full_name=text,
            comment=text,
            own={"username": text.strip() or "empty", "password": text, "comment": text},
        )
        for number, text in enumerate(HOSTILE, 1)
    ]


@pytest.mark.parametrize("templates", [TEMPLATES, DOLLAR], ids=["jinja", "dollar"])
def test_hostile_values_arrive_as_typed(ebs: Ebs, router: SimulatedNas, transport: str, templates: dict[str, str]) -> None:
    ebs.load(site([nas_row(router, transport=transport, templates=templates)], *people()))
    untouched = {menu: items for menu, items in state_of(router).items() if menu not in (LISTED, SECRETS)}
    result = ebs.run("apply", "--json")
    assert result.status == 0, result.json["nases"][0]["failed"]
    listed = {item["address"]: item["comment"] for item in router.router.items(LISTED)}
    secrets = {item["name"]: (item["password"], item["caller-id"]) for item in router.router.items(SECRETS)}
    assert listed == {f"10.7.0.{number}": f"{text} {text.strip()}" for number, text in enumerate(HOSTILE, 1)}
    assert secrets == {text.strip(): (text, text) for text in HOSTILE}
    assert {menu: items for menu, items in state_of(router).items() if menu in untouched} == untouched
    assert {(one.path, one.verb) for one in router.router.journal.executed()} <= VERBS
    assert router.router.journal.refused() == []
    count = router.router.journal.count
    assert ebs.json("apply")["nases"][0]["commands"] == 0
    assert router.router.journal.count == count
    for number in range(1, len(HOSTILE) + 1):
        ebs.ok("account", "delete", f"a-{number}")
    ebs.ok("hold", "release", "nas1")
    ebs.ok("apply")
    assert router.router.items(LISTED) == router.router.items(SECRETS) == []
    assert {(one.path, one.verb) for one in router.router.journal.executed()} <= VERBS
    assert router.router.journal.refused() == []


@pytest.mark.parametrize("part", range(4))
def test_hostile_values_by_account_set(ebs: Ebs, router: SimulatedNas, part: int) -> None:
    ebs.load(site([nas_row(router, templates=TEMPLATES)], person(1)))
    name = "a-1"
    sub = "a-1-1"
    for text in HOSTILE[part::4]:
        new = text.strip()
        ebs.ok("account", "set", f"--database={ebs.url}", "--", name, f"comment={text}", f"full_name={text}", f"username={new}")
        ebs.ok("subaccount", "set", "--", sub, f"password={text}", f"username={new}")
        name = sub = new
        card = ebs.json("account", "show", "--", name)
        assert (card["comment"], card["full_name"]) == (text, text)
        ebs.ok("apply")
        (item,) = router.router.items(LISTED)
        assert item["comment"] == f"{text} {new}"
        (secret,) = router.router.items(SECRETS)
        assert (secret["name"], secret["password"], secret["caller-id"]) == (new, text, text)
    ebs.ok("account", "list", "--", name)
    ebs.ok("log", f"--account={name}")
    ebs.ok("account", "delete", "--", name)


def test_hostile_nas_and_tariff_names(ebs: Ebs, router: SimulatedNas, transport: str) -> None:
    name = 'nas "1"; [find] $(x) \\'
    template = {
        "subaccount_enable": '/ip firewall address-list set [find comment="{{ tag }}"] list="{{ nas_name }} {{ acc_tariff_name }}"'  # noqa: E501
    }
    row = nas_row(router, name, transport, templates=template)
    tariff = {"name": name, "speed": {"download": "1M", "upload": "1M"}}
    ebs.load(site([row], person(1, nas=name, tariff=name), tariffs=(tariff,)))
    ebs.ok("apply", f"--nas={name}")
    (item,) = router.router.items(LISTED)
    assert item["list"] == f"{name} {name}"


# -- secrets

PASSWORDS = {
    "nas": "Nas-pw-Ключ7",
    "account": 'Acc"pw$7',
    "subaccount": "Sub\\pw;7 [x]",
    "radius": "Radius-pw-7",
    "new": "New pw'7",
}
SHOWING = {
    "subaccount_add": '/ip firewall address-list add list=x address="{{ ipn_ip_address }}" comment="{{ tag }}"\n'
    '/ppp secret remove [find comment="{{ tag }}"]\n'
    '/ppp secret add name="{{ subacc_username }}" password="{{ subacc_password }}" caller-id="{{ nas_secret }}" comment="{{ tag }}"',  # noqa: E501
}


def test_passwords_are_nowhere_in_sight(any_ebs: Ebs, transport: str, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    ebs, seen = any_ebs, []
    with SimulatedNas("nas1", "ebs", PASSWORDS["nas"]).start() as router:
        row = nas_row(router, transport=transport, templates=SHOWING, secret=PASSWORDS["radius"])
        row["password"] = PASSWORDS["nas"]
        own = {"password": PASSWORDS["subaccount"]}
        path = ebs.write(json.dumps(site([row], person(1, own=own, password=PASSWORDS["account"]))), "site.yaml")
        sub = ("--nas", "nas1", "--action", "subaccount_add", "--subaccount", "a-1-1")
        for words in (
            ("import", path), ("plan",), ("plan", "--json"), ("template", "render", *sub), ("template", "render", *sub, "--json"),
            ("apply", "--json"), ("subaccount", "set", "a-1-1", f"password={PASSWORDS['new']}"), ("plan",), ("apply",), ("log",),
            ("log", "--json"), ("status", "--json"), ("nas", "show", "nas1"), ("nas", "show", "nas1", "--json"), ("nas", "list", "--json"),  # noqa: E501
            ("nas", "test", "nas1", "--json"), ("account", "show", "a-1"), ("account", "show", "a-1", "--json"),
            ("template", "list", "--json"), ("account", "list", "--json"),
        ):  # fmt: skip
            result = ebs.run(*words)
            assert result.status == 0, result
            seen.append(result.text)
        (secret,) = router.router.items(SECRETS)
        assert (secret["password"], secret["caller-id"]) == (PASSWORDS["new"], PASSWORDS["radius"])
        router.faults.fail = lambda one: (
            f"failure: cannot use {one.attributes}" if one.path == SECRETS and one.verb == "add" else None
        )
        ebs.ok("subaccount", "set", "a-1-1", f"password={PASSWORDS['subaccount']}")
        failed = ebs.run("apply", "--json")
        assert failed.status == 1
        seen += [
            failed.text,
            ebs.ok("log", "--json").text,
            ebs.ok("status").text,
            ebs.ok("account", "show", "a-1", "--json").text,
        ]
        router.faults.fail = None
        router.faults.refuse_login = True
        seen += [ebs.run("apply").text, ebs.run("nas", "test", "nas1").text]
        ebs.ok("account", "delete", "a-1")
    seen += [record.getMessage() + str(record.args) for record in caplog.records]
    seen.append(str(ebs.dump()))
    seen += [file.read_bytes().decode("utf-8", "replace") for file in ebs.folder.iterdir() if file.name.startswith("ebs.")]
    for kind, plain in PASSWORDS.items():
        for form in {plain, plain.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$"), json.dumps(plain)[1:-1]}:
            assert not any(form in text for text in seen), (
                f"the {kind} password is shown: {next(t for t in seen if form in t)[:600]}"
            )


def test_a_password_that_the_router_echoes_as_it_was_quoted_is_masked(ebs: Ebs, router: SimulatedNas) -> None:
    ebs.load(site([nas_row(router, transport="ssh", templates=SHOWING)], person(1, own={"password": 'echo"pw$7'})))
    router.faults.fail = lambda one: (
        'failure: bad password="echo\\"pw\\$7"' if one.path == SECRETS and one.verb == "add" else None
    )
    shown = ebs.run("apply").out + ebs.ok("log").out
    assert "failure: bad password" in shown
    assert "pw\\$7" not in shown


@pytest.mark.parametrize("variable", ["acc_password", "acc_password }}{{ subacc_password", "nas_password", "acc_password|upper"])
def test_any_password_can_be_printed_by_a_template(ebs: Ebs, router: SimulatedNas, variable: str) -> None:
    template = (
        '/ppp secret remove [find comment="{{ tag }}"]\n/ppp secret add name=x password="{{ '
        + variable
        + ' }}" comment="{{ tag }}"'
    )
    row = nas_row(router, templates={"subaccount_add": template, "subaccount_enable": "", "subaccount_speed": ""})
    ebs.load(site([row], person(1, own={"password": "sub-pw"}, password="acc-pw")))
    shown = ebs.ok("plan").out + ebs.ok("apply").out + ebs.ok("log").out
    (secret,) = router.router.items(SECRETS)
    assert secret["password"] in {"acc-pw", "acc-pwsub-pw", "nas-password", "ACC-PW"}
    assert secret["password"] not in shown and "acc-pw" not in shown
    ebs.ok("account", "set", "a-1", "password=changed")
    assert (ebs.json("plan")["nases"][0]["items"] != []) is ("acc_" in variable)
    ebs.ok("apply")


def test_refusals_never_repeat_a_password(ebs: Ebs) -> None:
    for text in ('accounts: [{username: x, password: "topsecret\\n"}]', "accounts: [{username: x, pasword: topsecret}]",
                 "accounts: [{username: x, password: [topsecret]}]", "accounts: [{username: x, password: {topsecret: y}}]",
                 "nases: [{name: x, profile: mikrotik, password: topsecret}]"):  # fmt: skip
        assert "topsecret" not in ebs.load_refused(text), text
    ebs.load(site([], person(1, nas=None)))
    for word in ("password=topsecret\n", "pasword=topsecret"):
        assert "topsecret" not in ebs.refused("account", "set", "a-1", word)
