"""Folding RouterOS commands onto an empty device."""

from __future__ import annotations

from ebs_core.domain.records import DeviceModel
from ebs_core.domain.text import SLOT, Secret
from nas_backends.dialects.routeros import RouterosDialect

DIALECT = RouterosDialect()
LIST = "ip firewall address-list"


def fold(model: DeviceModel, skeleton: str, *values: str) -> DeviceModel:
    rest = list(values)
    for statement in DIALECT.parse(skeleton, "ssh"):
        mine, rest = tuple(rest[: statement.slots]), rest[statement.slots :]
        statement.fold(mine, model)
    assert not rest
    return model


def test_the_life_of_a_record() -> None:
    model = fold(DeviceModel(), f'/{LIST} add list=l address="{SLOT}" comment="{SLOT}" disabled=true', "10.0.0.1", "ebs:1")
    fold(model, f'/{LIST} add list=l address="{SLOT}" comment="{SLOT}"', "10.0.0.2", "ebs:10")
    assert model.tables[LIST] == [
        {"disabled": "yes", "list": "l", "address": "10.0.0.1", "comment": "ebs:1"},
        {"disabled": "no", "list": "l", "address": "10.0.0.2", "comment": "ebs:10"},
    ]
    fold(model, f'/{LIST}\nenable [find comment="{SLOT}"]; set [find list=l !disabled] note=1d', "ebs:1")
    assert [record["note"] for record in model.tables[LIST]] == ["1d", "1d"]
    fold(model, f'/{LIST}\ndisable [find comment~"^{SLOT}\\$"]\nunset [find comment!="ebs:1"] value-name=note', "ebs:1")
    assert [(record["disabled"], record.get("note")) for record in model.tables[LIST]] == [("yes", "1d"), ("no", None)]
    fold(model, f'/{LIST} remove [find comment="{SLOT}"]', "ebs:1")
    assert [record["comment"] for record in model.tables[LIST]] == ["ebs:10"]
    fold(model, f"/{LIST} remove [find]")
    assert model.tables[LIST] == []


def test_items_by_name() -> None:
    model = fold(DeviceModel(), "/queue simple add name=a; /queue simple add name=b")
    fold(model, f"/queue simple\nset {SLOT} max-limit=1/2\nremove b", "a")
    assert model.tables["queue simple"] == [{"disabled": "no", "name": "a", "max-limit": "1/2"}]
    model.add("queue simple", {".id": "*1F", "name": "read"})
    fold(model, "/queue simple remove *1F")
    assert [record["name"] for record in model.tables["queue simple"]] == ["a"]


def test_a_value_is_compared_exactly_and_a_literal_truth_value_by_meaning() -> None:
    model = DeviceModel()
    model.add("ip arp", {"comment": "true", "disabled": "true"})
    fold(model, f'/ip arp remove [find comment="{SLOT}"]', "yes")
    assert len(model.tables["ip arp"]) == 1
    fold(model, "/ip arp remove [find disabled=yes]")
    assert model.tables["ip arp"] == []


def test_secrets_stay_secret_and_scripts_and_reads_change_nothing() -> None:
    model = fold(DeviceModel(), f'/ppp secret add name=u password="{SLOT}"', Secret("s"))
    assert isinstance(model.tables["ppp secret"][0]["password"], Secret)
    fold(
        model,
        "/ppp secret print\n:foreach i in=[/ppp secret find] do={ /ppp secret remove $i }\n/ppp active remove [find name=u]",
    )
    assert len(model.tables["ppp secret"]) == 1
