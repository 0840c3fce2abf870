"""Whatever is typed: status 0 or 2, a message for people, and after a 2 nothing has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebs_core.services.fields import ACCOUNT, NAS, SUBACCOUNT, TARIFF
from tests.integration.cli.conftest import Ebs, dead_nas, person, site

FUZZ = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TEXTS = st.one_of(
    st.sampled_from(
        "0 1 -1 4095 1e5 nan inf -0 10.7.0.1 10.7.0.2 0.0.0.0 ::1 02:00:00:00:00:02 yes no ~ null Home nas1 a-1 a-1-1 5M 5M/ /5M = download= "  # noqa: E501
        "50M/20M 1 active ipoe [ { } ] : & * ! | > % @ ` \" ' # - ? <<".split()
    ),
    st.text(max_size=12),
    st.text(st.characters(categories=["Nd", "Zs", "Cf", "Sc", "No"]), max_size=6),
)
FIELDS = st.sampled_from([*ACCOUNT, *SUBACCOUNT, *TARIFF, *NAS, "speed", "options", "templates", "subaccounts", "x", ""])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | TEXTS, inner, max_size=4),
    max_leaves=8,
)


def rows(fields: Any, name: str, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Rows that have a name and mostly sensible fields, so that they get past the first check."""
    return st.fixed_dictionaries({name: st.sampled_from(["a-1", "a-2", "новый", "Home", "nas1"]) | TEXTS}, optional={
        **{field: VALUES | TEXTS for field in fields if field != name}, **more})  # fmt: skip


SUBACCOUNTS = st.lists(rows(SUBACCOUNT, "username"), max_size=3)
DOCUMENTS = st.fixed_dictionaries({}, optional={
    "nases": st.lists(rows(["profile", "address", "port", "transport", "options", "templates"], "name"), max_size=2),
    "tariffs": st.lists(rows([*TARIFF, "speed"], "name"), max_size=2),
    "accounts": st.lists(rows(["balance", "status", "tariff", "nas"], "username", subaccounts=SUBACCOUNTS), max_size=3),
})  # fmt: skip


@pytest.fixture
def stocked(ebs: Ebs) -> Iterator[Ebs]:
    ebs.load(site([dead_nas()], person(1, own={"vlan": 5})))
    yield ebs


def check(ebs: Ebs, *words: str, stdin: bytes = b"") -> None:
    before = ebs.dump()
    result = ebs.run(*words, stdin=stdin)
    assert result.status in (0, 2), result
    if result.status == 2:
        assert ebs.dump() == before
        assert result.err.startswith(("ebs: ", "Usage: "))
        assert result.out == ""


@FUZZ
@given(document=DOCUMENTS)
def test_documents(stocked: Ebs, document: dict[str, Any]) -> None:
    check(stocked, "import", stocked.write(json.dumps(document, ensure_ascii=True), "fuzz.yaml"))


@FUZZ
@given(document=VALUES)
def test_anything_that_is_yaml(stocked: Ebs, document: Any) -> None:
    check(stocked, "import", stocked.write(json.dumps({"accounts": document}), "fuzz.yaml"))


@FUZZ
@given(raw=st.binary(max_size=60) | st.text("accounts:username-[]{}&*!|>'\"%@`,#?\n\t <", max_size=60).map(str.encode))
def test_any_bytes(stocked: Ebs, raw: bytes) -> None:
    for name in ("fuzz.yaml", "fuzz.csv"):
        check(stocked, "import", stocked.write(raw, name))


@FUZZ
@given(
    header=st.lists(FIELDS | FIELDS.map("subaccount_{}".format), min_size=1, max_size=4),
    cells=st.lists(st.lists(TEXTS, max_size=5), max_size=4),
)
def test_any_csv(stocked: Ebs, header: list[str], cells: list[list[str]]) -> None:
    lines = [";".join(header), *(";".join(row) for row in cells)]
    check(stocked, "import", stocked.write("\n".join(lines).encode("utf-8", "surrogatepass"), "fuzz.csv"))


@FUZZ
@given(what=st.sampled_from(["account a-1", "subaccount a-1-1", "tariff Home"]), field=FIELDS, value=TEXTS)
def test_any_assignment(stocked: Ebs, what: str, field: str, value: str) -> None:
    kind, name = what.split()
    if field in ("username", "name"):
        return  # the next example needs the name
    check(stocked, kind, "set", name, "--", f"{field}={value}")


@FUZZ
@given(kind=st.sampled_from(["subaccount_add", "account_add", "session_speed"]), text=st.one_of(
    st.text("{}%#$[]\"'\\ ;:/=\n-abipvlan", max_size=40), st.text(max_size=30),
    st.lists(st.sampled_from(["{{ ", " }}", "{% ", " %}", "if ", "endif", "for ", "vlan", "$vlan", "|bps", "/ip arp add ", "[find ", "]", '"', "\n",  # noqa: E501
                              "address=", "~", "*9", "set x=", "tag", ".x", "[0]", "()", "macro m()", "options.", "{#", "#}"]), max_size=14).map("".join),  # noqa: E501
))  # fmt: skip
def test_any_template(stocked: Ebs, kind: str, text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    check(stocked, "template", "check", "--nas", "nas1", "--action", kind, stdin=raw)
    check(stocked, "template", "set", "--nas", "nas1", "--action", kind, "-", stdin=raw)
    whom = ("--account", "a-1") if kind == "account_add" else ("--subaccount", "a-1-1")
    check(stocked, "template", "render", "--nas", "nas1", "--action", kind, *whom)


@FUZZ
@given(
    words=st.lists(
        st.sampled_from(
            "plan apply account subaccount nas template set show list delete --json --nas nas1 a-1 --help balance=1 -- --limit 1 log hold".split()  # noqa: E501
        )
        | TEXTS,
        max_size=5,
    )
)
def test_any_words(stocked: Ebs, words: list[str]) -> None:
    result = stocked.run(*words)
    assert result.status in (0, 1, 2)
    assert "Traceback" not in result.text
    assert not (Path("ebs.toml")).exists() or "init" in words
