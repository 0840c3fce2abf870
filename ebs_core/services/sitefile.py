"""Reading site files: YAML or CSV into plain text values that know their line. Nothing is interpreted here: ``02:00:00:00:00:02``
and ``no`` stay the texts they are, whatever YAML would make of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ebs_core.domain.errors import BadFile, Problem

KINDS = ("nases", "tariffs", "accounts")
SUBACCOUNT_PREFIX = "subaccount_"
MAX_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Row:
    """One object of a file. ``line`` counts from 1; ``lines`` has the line of each field."""

    line: int
    fields: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    """Fields that are mappings of texts (options, templates, speed)."""
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Fields that are lists of objects (subaccounts)."""

    def line_of(self, name: str) -> int:
        return self.lines.get(name, self.line)


@dataclass(slots=True)
class SiteFile:
    path: str
    rows: dict[str, list[Row]]
    problems: list[Problem] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    """The header of a CSV file: cells may be empty, so the rows do not tell which fields there are."""


def read(path: Path) -> SiteFile:
    """Read a ``.csv`` as accounts, anything else as YAML. Raises BadFile if it cannot be read as such at all."""
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadFile(f"{name} cannot be read: {error.strerror}", ()) from error
    if len(raw) > MAX_BYTES:
        raise BadFile(f"{name} is larger than {MAX_BYTES // 2**20} MiB", (), remedy="split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BadFile(
            f"{name} is not UTF-8 text",
            [Problem(f"byte {raw[error.start]:#04x} is no UTF-8", line, file=name)],
            remedy="save it as UTF-8; nothing was imported",
        ) from error
    if not text.strip():
        raise BadFile(f"{name} is empty", (), remedy="see 'ebs import --help' for an example")
    return _read_csv(name, text) if path.suffix.lower() == ".csv" else _read_yaml(name, text)


def _read_yaml(name: str, text: str) -> SiteFile:
    try:
        root = _compose(yaml.parse(text, Loader=_LOADER), name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise BadFile(f"{name} is not valid YAML", [Problem(error.problem or str(error), *place, file=name)]) from error
    except yaml.YAMLError as error:
        raise BadFile(f"{name} is not valid YAML", [_reader_problem(error, text, name)]) from error
    return _YamlReader(name).site(root)


def _compose(events: Iterator[yaml.Event], name: str) -> yaml.Node | None:
    """Nodes of one document. Not recursive, and bounded in depth: PyYAML's own composer crashes on a file made for that."""
    root: yaml.Node | None = None
    open_: list[yaml.CollectionNode] = []
    anchors: dict[str, yaml.Node] = {}
    keys: list[yaml.Node | None] = []
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
            keys.pop()
            continue
        if isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise BadFile(f"{name} has several documents", [_place(event, "a second document begins", name)], remedy="join them")
        if not isinstance(event, yaml.NodeEvent):
            continue
        node = _node(event, anchors, name)
        if not open_:
            root = node
        elif isinstance(open_[-1], yaml.SequenceNode):
            open_[-1].value.append(node)
        elif keys[-1] is None:
            keys[-1] = node
        else:
            open_[-1].value.append((keys[-1], node))
            keys[-1] = None
        if isinstance(event, yaml.CollectionStartEvent):
            if len(open_) >= _DEPTH:
                raise BadFile(f"{name} is no site file", [_place(event, "nested too deep", name)])
            open_.append(node)  # type: ignore[arg-type]
            keys.append(None)
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            anchors[event.anchor] = node
    return root


def _node(event: yaml.NodeEvent, anchors: dict[str, yaml.Node], name: str) -> yaml.Node:
    marks: tuple[Any, Any] = (event.start_mark, event.end_mark)
    if isinstance(event, yaml.ScalarEvent):
        plain = event.style in (None, "") and event.tag is None
        tag = _NULL if plain and event.value in ("", "~", "null", "Null", "NULL") else "tag:yaml.org,2002:str"
        return yaml.ScalarNode(tag, event.value, *marks)
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise BadFile(f"{name} is not valid YAML", [_place(event, f"unknown alias *{event.anchor}", name)])
        return anchors[event.anchor]
    kind = yaml.MappingNode if isinstance(event, yaml.MappingStartEvent) else yaml.SequenceNode
    return kind("", [], *marks)


def _place(event: yaml.Event, message: str, name: str) -> Problem:
    mark: Any = event.start_mark
    return Problem(message, mark.line + 1, mark.column + 1, name)


_NULL = "tag:yaml.org,2002:null"
_DEPTH = 8
"""Root, section, account, subaccounts, subaccount and its fields need six."""
_MAX_ROWS = 5_000_000
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _reader_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """A character that YAML does not allow at all (a control character)."""
    position = getattr(error, "position", None)
    character = getattr(error, "character", None)
    line = text[:position].count("\n") + 1 if isinstance(position, int) else 0
    what = f"character U+{character:04X}" if isinstance(character, int) else str(error).splitlines()[0]
    return Problem(f"{what} is not allowed in a text file", line, file=name)


class _YamlReader:
    """Walks composed nodes; collects problems instead of stopping at the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []
        self._count = 0

    def site(self, root: yaml.Node | None) -> SiteFile:
        found: dict[str, list[Row]] = {}
        if not isinstance(root, yaml.MappingNode):
            raise BadFile(f"{self._name} is not a site file", (), remedy=f"it has the keys {', '.join(KINDS)}")
        for key, value in self._pairs(root):
            if key not in KINDS:
                self._problem(value, f"unknown section {key!r}; there are {', '.join(KINDS)}")
            else:
                found[key] = self._rows(value, key)
        return SiteFile(self._name, found, self._problems)

    def _problem(self, node: yaml.Node, message: str) -> None:
        self._problems.append(Problem(message, node.start_mark.line + 1, node.start_mark.column + 1, self._name))

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                self._problem(key, "only plain names are allowed as keys")
            elif key.value in seen:
                self._problem(key, f"{key.value!r} stands twice")
            else:
                seen.add(key.value)
                yield key.value, value

    def _rows(self, node: yaml.Node, what: str) -> list[Row]:
        if isinstance(node, yaml.ScalarNode) and node.tag == _NULL:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, f"{what} must be a list")
            return []
        return [row for item in node.value if (row := self._row(item, what)) is not None]

    def _row(self, node: yaml.Node, what: str) -> Row | None:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"each of {what} must be a mapping of fields")
            return None
        self._count += 1
        if self._count > _MAX_ROWS:
            raise BadFile(f"{self._name} has more than {_MAX_ROWS} rows", (), remedy="split it")
        row = Row(node.start_mark.line + 1)
        for name, value in self._pairs(node):
            row.lines[name] = value.start_mark.line + 1
            if isinstance(value, yaml.ScalarNode):
                row.fields[name] = _scalar(value)
            elif isinstance(value, yaml.MappingNode):
                row.maps[name] = self._map(value)
            elif name == "subaccounts" and what == "accounts":
                row.rows[name] = self._rows(value, name)
            else:
                self._problem(value, f"{name} must be a single value")
        return row

    def _map(self, node: yaml.MappingNode) -> dict[str, str]:
        texts = {}
        for name, value in self._pairs(node):
            if isinstance(value, yaml.ScalarNode):
                texts[name] = _scalar(value)
            else:
                self._problem(value, f"{name} must be a single value")
        return texts


def _scalar(node: yaml.ScalarNode) -> str:
    return "" if node.tag == _NULL else str(node.value)


def _read_csv(name: str, text: str) -> SiteFile:
    """One row per subaccount (columns ``subaccount_…``) or per account without one; rows of one username are one account."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_delimiter(text))
    problems: list[Problem] = []
    rows: list[Row] = []
    try:
        header = [column.strip() for column in next(reader)]
        line = reader.line_num + 1
        for values in reader:
            if any(value.strip() for value in values):
                if len(values) != len(header):
                    problems.append(Problem(f"has {len(values)} columns, the header has {len(header)}", line, file=name))
                else:
                    rows.append(_csv_row(line, dict(zip(header, values, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadFile(f"{name} is not valid CSV", [Problem(str(error), reader.line_num, file=name)]) from error
    if twice := {column for column in header if header.count(column) > 1}:
        problems.append(Problem(f"column {min(twice)!r} stands twice", 1, file=name))
    return SiteFile(name, {"accounts": _joined(rows)}, problems, tuple(header))


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _csv_row(line: int, values: dict[str, str]) -> Row:
    """Empty cells are fields that are not given."""
    row, subaccount = Row(line), Row(line)
    for column, value in values.items():
        if not value.strip():
            continue
        if column.startswith(SUBACCOUNT_PREFIX):
            subaccount.fields[column.removeprefix(SUBACCOUNT_PREFIX)] = value
        else:
            row.fields[column] = value
    if subaccount.fields:
        row.rows["subaccounts"] = [subaccount]
    return row


def _joined(rows: list[Row]) -> list[Row]:
    by_name: dict[str, Row] = {}
    joined = []
    for row in rows:
        first = by_name.get(row.fields.get("username", ""))
        if first is not None and row.rows and all(first.fields.get(name) == value for name, value in row.fields.items()):
            first.rows.setdefault("subaccounts", []).extend(row.rows["subaccounts"])
            continue
        by_name.setdefault(row.fields.get("username", ""), row)
        joined.append(row)
    return joined
