"""Reads what nft, tc and ip commands left on a Linux machine, all tables in one go.

The tools print text, not JSON: it is shorter, can be cut into records without being parsed, and ``tc -j`` prints text for HTB
anyway (iproute2 6.1). Two lanes run side by side on the device, no more: it has packets to forward.

There is no shorter way for a few expected records (``near``): ``nft get element`` does not see our tag on another element (and
takes longer than listing the set: 30 and 17 ms for 5,000), and the kernel lists whole tables whatever is asked of tc and ip.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from ebs_core.domain.records import Record, TableKind, Vitals
from ebs_core.domain.text import Rendered, visible
from nas_backends.contract import Request
from nas_backends.dialects.linux_observe_iproute import iproute_table
from nas_backends.dialects.linux_observe_nft import nft_table
from nas_backends.dialects.linux_observe_table import Table

_MARK = re.compile(r"^(ebs-[0-9a-f]{16})$", re.MULTILINE)
_VITALS = "cat /proc/sys/kernel/random/boot_id /proc/uptime"
_SCRIPT = """LC_ALL=C; export LC_ALL
end() {{ status=$?; printf '\\n{mark} %s %s\\n' "$1" "$status"; }}
printf '{mark}\\n'
{{
{lanes}
}} </dev/null 2>&1
"""
_LANE = """seen=$(
{}
)
printf '%s\\n' "$seen"
"""
"""The tools print in small pieces, tc each record by itself: sent on as they come they would cost more than all the rest."""
_NOT_RUN = (126, 127)
"""What a shell gives for a program that it cannot run, or that is not there."""
_ABSENT = re.compile(
    r"Error: (?:Could not process rule: )?No such file or directory|Cannot find device|Device \S+ does not exist"
    r"|FIB table does not exist"
)
_WORDS = 300


@lru_cache(maxsize=1024)
def table_named(name: str) -> Table | None:
    """The table of a model by its name; None: not of this family, or a name that cannot be one."""
    return nft_table(name) or iproute_table(name)


class LinuxObserver:
    """See ``nas_backends.contract.Observer``."""

    def kind(self, table: str) -> TableKind | None:
        found = table_named(table)
        return None if found is None else found.kind

    def request(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None) -> Request:
        """One script for ``sh``; each read ends with a line that nobody can foresee, its number and its status."""
        mark = f"ebs-{secrets.token_hex(8)}"
        reads = [f"{_VITALS} 2>&1; end 0"]
        for number, (name, properties) in enumerate(sorted(wanted.items(), key=_nft_first), 1):
            reads.append(f"{_table(name).reading(properties)}; end {number}")
        ahead, behind = (_LANE.format("\n".join(lane)) for lane in (reads[0::2], reads[1::2]))
        lanes = f"{{ {behind}}} | {{ {ahead}cat\n}}" if wanted else reads[0]
        return Request("sh", _SCRIPT.format(mark=mark, lanes=lanes).encode("utf-8", "surrogateescape"))

    def lines(self, wanted: Mapping[str, Collection[str]], output: str) -> tuple[dict[str, list[str]], Vitals]:
        """Raises ValueError for an answer with holes, and for a read that failed otherwise than for want of its table."""
        sections = _sections(output)
        names = [name for name, _ in sorted(wanted.items(), key=_nft_first)]
        if missing := [number for number in range(len(names) + 1) if number not in sections]:
            what = names[missing[0] - 1] if missing[0] else "the time since its start"
            raise ValueError(f"no answer about {what}: {_words(output)}")
        return {name: _lines(name, *sections[number]) for number, name in enumerate(names, 1)}, _vitals(*sections[0])

    def parse(self, table: str, line: str) -> Record:
        return _table(table).parse(line)

    def secret(self, table: str, properties: Collection[str]) -> bool:
        """No table of a Linux machine carries passwords."""
        return False

    def removal(self, table: str, record: Record) -> Rendered | None:
        return _table(table).removal(record)

    def adoption(self, table: str, record: Record, tag: str) -> Rendered | None:
        return _table(table).adoption(record, tag)


def _table(name: str) -> Table:
    found = table_named(name)
    if found is None:
        raise ValueError(f"{name!r} is no table of nft, tc or ip")
    return found


def _nft_first(item: tuple[str, Collection[str]]) -> tuple[bool, str]:
    """Reads of a kind next to each other, so that the two lanes, which take turns, get about the same."""
    return item[0].startswith(("class ", "qdisc ", "neigh ", "route ")), item[0]


def _sections(output: str) -> dict[int, tuple[str, int]]:
    """Text and status by the number of the read."""
    mark = _MARK.search(output)
    if mark is None:
        raise ValueError(f"the device did not run the script: {_words(output)}")
    text, *rest = output[mark.end() :].split(f"\n{mark[1]} ")
    found: dict[int, tuple[str, int]] = {}
    for piece in rest:
        head, _, following = piece.partition("\n")
        number, status = map(int, head.split())
        found[number], text = (text, status), following
    return found


def _lines(name: str, text: str, status: int) -> list[str]:
    if status == 0:
        return _table(name).lines(text)
    if status not in _NOT_RUN and _ABSENT.search(text):
        return []
    raise ValueError(f"{name}: {_words(text) or f'it ended with status {status}'}")


def _vitals(text: str, status: int) -> Vitals:
    words = text.split()
    return Vitals(words[0], float(words[1])) if status == 0 and len(words) > 2 else Vitals()


def _words(text: str) -> str:
    return visible(" ".join(text[-_WORDS:].split()))
