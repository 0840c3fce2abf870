from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_simulator import Router
from nas_simulator.api_query import compile_query
from nas_simulator.catalogue import MENUS
from nas_simulator.conditions import Any, Equals

PATH = "/ip/firewall/address-list"


@pytest.fixture
def filled(router: Router) -> Router:
    for number in range(6):
        comment = {"comment": f"c{number}"} if number < 4 else {}
        router.add(PATH, list="even" if number % 2 == 0 else "odd", address=f"10.0.0.{number}", bytes=str(number), **comment)
    return router


def numbers(router: Router, *words: str) -> str:
    table = router.table(MENUS[PATH])
    return "".join(row["bytes"] for row in table.matching(compile_query(words)))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["list=even"], "024"),
        (["=list=even"], "024"),
        (["comment"], "0123"),
        (["-comment"], "45"),
        ([">bytes=3"], "45"),
        (["<bytes=2"], "01"),
        (["list=even", "comment"], "02"),
        (["comment=c1", "comment=c4", "#|"], "1"),
        (["comment=c1", "comment=c2", "#|", "list=odd"], "1"),
        (["comment=c3", "comment=c1", "comment=c2", "#||"], "123"),
        (["list=even", "#!"], "135"),
        (["list=even", "comment", "#&!"], "1345"),
        (["list=even", "comment", "#0"], "0123"),
        (["list=even", "comment", "#1"], "024"),
        (["list=even", "#.!|"], "012345"),
        (["list=even", "#!!"], "024"),
        (["list=even", "comment", "#1.&"], "02"),
        (["#|"], "012345"),
        ([], "012345"),
    ],
)
def test_queries(filled: Router, words: list[str], found: str) -> None:
    assert numbers(filled, *words) == found


@given(st.lists(st.integers(0, 9), max_size=12), st.sets(st.integers(0, 9)))
def test_indexed_and_scanned_answers_agree(comments: list[int], wanted: set[int]) -> None:
    router = Router()
    for number, comment in enumerate(comments):
        router.add(PATH, list="l", address=f"10.0.0.{number}", comment=str(comment))
    condition = Any([Equals("comment", str(one)) for one in wanted])
    table = router.table(MENUS[PATH])
    scanned = [row for row in table.rows.values() if condition.matches(row)]
    assert table.matching(condition) == scanned


def test_a_thousand_or_ed_words(filled: Router) -> None:
    words = [f"comment=c{number}" for number in range(1000)]
    assert numbers(filled, *words, "#" + "|" * 999) == "0123"
    assert numbers(filled, words[0], *[part for word in words[1:] for part in (word, "#|")]) == "0123"


def test_the_index_follows_changes(filled: Router) -> None:
    table = filled.table(MENUS[PATH])
    assert numbers(filled, "comment=c1") == "1"
    table.replace(table.rows["*2"] | {"comment": "new"})
    table.delete("*1")
    assert (numbers(filled, "comment=c1"), numbers(filled, "comment=new"), numbers(filled, "comment=c0")) == ("", "1", "")
