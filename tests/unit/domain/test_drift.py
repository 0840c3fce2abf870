"""Comparing what should be on a device with what was read from it."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.drift import Found, Is, Tags, compare, describe, mended, unequal
from ebs_core.domain.records import DeviceModel, Record, TableKind
from ebs_core.domain.text import MASK, Secret

TAGS = Tags("ebs:{placement}")
KINDS = {
    "list": TableKind(place=("list",), alike=(("address",),), tag="comment"),
    "set": TableKind(key=("key",), tag="comment"),
    "class": TableKind(key=("classid",)),
}


def look(
    expected: Mapping[int, list[tuple[str, Record]]], found: list[tuple[str, Record]], read: tuple[str, ...] = tuple(KINDS)
) -> tuple[dict[int, list[tuple[Is, str, str]]], list[Record]]:
    """Per subject the kind, table and property of each difference; and what is nobody's."""
    lines = [Found(table, str(number), record) for number, (table, record) in enumerate(found)]
    matched, left = compare(expected, lines, KINDS.get, read, TAGS)
    told = {subject: [(one.kind, one.table, one.property) for one in mine.differences] for subject, mine in matched.items()}
    return told, [one.record for one in left]


def entry(subject: int, address: str, **more: str) -> tuple[str, Record]:
    return "list", {"list": "on", "address": address, "comment": f"ebs:{subject}", "disabled": "no", **more}


subjects = st.dictionaries(st.integers(1, 50), st.integers(1, 3), max_size=8)


@given(subjects, st.randoms(use_true_random=False))
def test_what_is_as_expected_has_no_difference_in_any_order(sizes: dict[int, int], random: object) -> None:
    expected = {
        subject: [
            *[entry(subject, f"10.0.{n}.{subject}") for n in range(size)],
            ("set", {"key": f"10.0.0.{subject}", "comment": f"ebs:{subject}"}),
            ("class", {"classid": f"1:{subject:x}", "rate": "5"}),
        ]
        for subject, size in sizes.items()
    }
    found = [(table, {**record, "bytes": "17"}) for records in expected.values() for table, record in records]
    random.shuffle(found)  # type: ignore[attr-defined]
    told, left = look(expected, found)
    assert not any(told.values()) and left == []


@given(subjects, st.data())
def test_each_missing_record_is_named_once_and_nobody_else_is_blamed(sizes: dict[int, int], data: st.DataObject) -> None:
    expected = {subject: [entry(subject, f"10.0.{n}.{subject}") for n in range(size)] for subject, size in sizes.items()}
    found = [record for records in expected.values() for record in records]
    gone = [record for record in found if data.draw(st.booleans())]
    told, left = look(expected, [record for record in found if record not in gone])
    assert left == []
    for subject, records in expected.items():
        missing = [record for record in records if record in gone]
        assert sum(kind is Is.MISSING for kind, _, _ in told[subject]) == len(missing)
        assert (told[subject] == []) == (not missing)


def test_a_property_that_differs_is_named() -> None:
    told, _ = look({7: [entry(7, "10.0.0.7")]}, [entry(7, "10.0.0.7", disabled="yes")])
    assert told == {7: [(Is.DIFFERENT, "list", "disabled")]}


def test_by_key_a_record_of_others_in_his_place_is_foreign() -> None:
    told, left = look({7: [("set", {"key": "10.0.0.7", "comment": "ebs:7"})]}, [("set", {"key": "10.0.0.7"})])
    assert told == {7: [(Is.FOREIGN, "set", "comment")]} and left == []


def test_a_further_record_with_his_tag_is_surplus_and_others_are_left() -> None:
    found = [entry(7, "10.0.0.7"), entry(7, "10.9.9.9"), entry(8, "10.0.0.8"), ("set", {"key": "10.0.0.1", "comment": "boss"})]
    told, left = look({7: [entry(7, "10.0.0.7")]}, found)
    assert told == {7: [(Is.SURPLUS, "list", "")]}
    assert [record.get("address", record.get("key")) for record in left] == ["10.0.0.8", "10.0.0.1"]


def test_what_templates_only_change_is_not_surplus() -> None:
    lines = [Found("list", "1", entry(7, "10.0.0.7")[1])]
    matched, left = compare({7: []}, lines, KINDS.get, ["list"], TAGS, {7: {"list"}})
    assert matched[7].differences == [] and left == []


def test_a_table_that_could_not_be_read_is_not_judged() -> None:
    lines: list[Found] = []
    matched, _ = compare({7: [entry(7, "10.0.0.7")]}, lines, KINDS.get, ["set"], TAGS)
    assert not matched[7].readable and matched[7].differences == []


def test_a_tag_is_only_a_tag_where_the_table_carries_it() -> None:
    record = {"list": "on", "address": "ebs:5", "comment": "ebs:05"}
    assert TAGS.owner(record, KINDS["list"]) is None
    assert TAGS.owner({"comment": "ebs:5"}, KINDS["list"]) == 5
    assert TAGS.owner({"comment": "ebs:5x"}, KINDS["list"]) is None
    assert TAGS.owner({"comment": "ebs:5"}, KINDS["class"]) is None


def test_secrets_are_masked_and_not_judged_where_they_are_not_shown() -> None:
    expected = {7: [("list", {"name": "a", "password": Secret("one"), "comment": "ebs:7"})]}
    assert unequal(expected[7][0][1], {"name": "a", "comment": "ebs:7"}) == []
    lines = [Found("list", "1", {"name": "a", "password": "two", "comment": "ebs:7"})]
    matched, _ = compare(expected, lines, KINDS.get, ["list"], TAGS)
    (difference,) = matched[7].differences
    assert (difference.expected, difference.found) == (MASK, MASK) and "two" not in str(difference)


def test_mended_wants_exactly_the_expected_records() -> None:
    model = DeviceModel()
    expected = [entry(7, "10.0.0.7")]
    assert not mended(model, expected)
    model.add("list", {**expected[0][1], "bytes": "1"})
    assert mended(model, expected)
    model.add("list", entry(7, "10.0.0.8")[1])
    assert not mended(model, expected)


def test_people_know_a_record_by_its_key() -> None:
    assert describe({"key": "10.0.0.7", "comment": "x"}, KINDS["set"]) == "10.0.0.7"
    assert describe(entry(7, "10.0.0.7")[1], KINDS["list"]) == "list=on address=10.0.0.7"
    assert describe({".id": "*1", "a": "1", "b": "2", "c": "3", "d": "4"}, None) == "a=1 b=2 c=3"


def test_no_secret_is_in_a_records_name() -> None:
    assert describe({"password": Secret("hunter2")}, None) == MASK
    assert "hunter2" not in describe({"a": "1", "password": Secret("hunter2")}, None)
