"""How the console prints items: table, detail, terse, and the settings form of single menus."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from nas_simulator.schema import Menu, Row

NEWLINE: Final = "\r\n"
_QUOTED: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"}


def show_print(menu: Menu, rows: list[Row], styles: Collection[str], *, old: bool) -> str:
    """The text of `print`; `old` is the look before RouterOS 7."""
    if menu.single:
        return _settings(menu, rows)
    if "terse" in styles:
        return "".join([_terse(menu, number, row) + NEWLINE for number, row in enumerate(rows)])
    legend = _legend(menu, old=old)
    if "detail" in styles or not menu.columns:
        return legend + "".join([_detail(menu, number, row) + NEWLINE for number, row in enumerate(rows)])
    return legend + _table(menu, rows, old=old)


def _value(menu: Menu, name: str, value: str) -> str:
    prop = menu.by_name.get(name)
    if prop is None:
        return value
    if prop.kind.boolean:
        return "yes" if value == "true" else "no"
    return prop.kind.show(value)


def _flags(menu: Menu, row: Row) -> str:
    return "".join([letter for name, letter in menu.flags.items() if row.get(name) == "true"])


def _legend(menu: Menu, *, old: bool) -> str:
    if not menu.flags:
        return ""
    if old:
        return "Flags: " + ", ".join([f"{letter} - {name}" for name, letter in menu.flags.items()]) + " " + NEWLINE
    return "Flags: " + "; ".join([f"{letter} - {name.upper()}" for name, letter in menu.flags.items()]) + NEWLINE


def _pairs(menu: Menu, row: Row, *, quoted: bool) -> Iterable[str]:
    for name, value in row.items():
        if name in menu.flags or name in (".id", "comment"):
            continue
        text = _value(menu, name, value)
        prop = menu.by_name.get(name)
        if quoted and ((prop is not None and prop.kind.quoted) or not text or " " in text):
            text = quote(text)
        yield f"{name}={text}"


def quote(text: str) -> str:
    return '"' + "".join([_QUOTED.get(sign, sign) for sign in text]) + '"'


def _terse(menu: Menu, number: int, row: Row) -> str:
    comment = [f"comment={row['comment']}"] if row.get("comment") else []
    return f"{number:>2} {_flags(menu, row):<3} " + " ".join([*comment, *_pairs(menu, row, quoted=False)])


def _detail(menu: Menu, number: int, row: Row) -> str:
    head = f"{number:>2} {_flags(menu, row):<3} "
    pairs = " ".join(_pairs(menu, row, quoted=True))
    if row.get("comment"):
        return f"{head};;; {row['comment']}{NEWLINE}{'':7}{pairs}"
    return head + pairs


def _table(menu: Menu, rows: list[Row], *, old: bool) -> str:
    columns = [name for name in menu.columns if old or any(row.get(name) for row in rows)]
    texts = [[_value(menu, name, row.get(name, "")) for name in columns] for row in rows]
    widths = [max([len(name), *[len(line[place]) for line in texts]]) for place, name in enumerate(columns)]
    head = "  ".join([name.upper().ljust(width) for name, width in zip(columns, widths, strict=True)])
    listed = "" if old or not columns else f"Columns: {', '.join(name.upper() for name in columns)}{NEWLINE}"
    lines = [f"{listed}{'#':>2}     {head}".rstrip()]
    for number, (row, line) in enumerate(zip(rows, texts, strict=True)):
        if row.get("comment"):
            lines.append(f"{'':7};;; {row['comment']}")
        cells = "  ".join([text.ljust(width) for text, width in zip(line, widths, strict=True)])
        lines.append(f"{number:>2} {_flags(menu, row):<3} {cells}".rstrip())
    return NEWLINE.join(lines) + NEWLINE


def _settings(menu: Menu, rows: list[Row]) -> str:
    width = max((len(name) for row in rows for name in row), default=0)
    lines = [f"{name:>{width + 2}}: {_value(menu, name, value)}" for row in rows for name, value in row.items()]
    return "".join([line + NEWLINE for line in lines])
