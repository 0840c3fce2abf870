"""Reads back what ``[[read]]`` tables of ``profile.toml`` describe: a command prints records, a regular expression finds them.

A shell runs the command between two frames that begin with a random nonce; the second has its exit status, the boot id and the
uptime where Linux shows them (random(4), proc(5)). Another command line (``opaque``) gets the command as it is: ``complete`` and
the profile's error patterns tell whether the print is whole.

The line of a record is the JSON list of its properties, a group ``tag`` before the others (whoever looks for an owner's tag among
the values meets it before a login that looks like one). So what a pattern leaves outside its groups (a counter, an age) changes
nothing, and a value cannot be taken for another.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence

from ebs_core.domain.errors import EbsError, Misconfigured
from ebs_core.domain.nas import Form, Profile
from ebs_core.domain.records import Record, TableKind, Vitals
from ebs_core.domain.text import Rendered, visible
from nas_backends.contract import Request
from nas_backends.dialects.lines import LINE_DIALECTS
from nas_backends.dialects.opaque import OpaqueDialect
from nas_backends.dialects.shell import ShellDialect
from nas_backends.dialects.shell_batch import bounded

_SCRIPT = """\
exec 2>&1
echo {nonce}
(
exec </dev/null
{command}
)
ebs_status=$?
ebs_boot=; ebs_up=; ebs_idle=
{{ read -r ebs_boot < /proc/sys/kernel/random/boot_id; read -r ebs_up ebs_idle < /proc/uptime; }} 2>/dev/null
printf '\\n%s %d [%s] [%s]\\n' {nonce} "$ebs_status" "$ebs_boot" "$ebs_up"
"""
_SHOWN = 500


class PatternObserver:
    """See ``nas_backends.contract.Observer``. Reads the tables that one command prints."""

    def __init__(self, profile: Profile, command: Form, options: Mapping[str, str]) -> None:
        self._reads = {read.table: read for read in profile.reads if read.command == command}
        self._patterns = {table: re.compile(read.pattern, re.MULTILINE) for table, read in self._reads.items()}
        self._names = {table: sorted(found.groupindex, key="tag".__ne__) for table, found in self._patterns.items()}
        self._command = command
        self._options = {option.name: option.default or "" for option in profile.options.values()} | dict(options)
        self._shell = bool(LINE_DIALECTS.intersection(profile.dialects))
        self._errors = [] if self._shell else [re.compile(pattern, re.MULTILINE) for pattern in profile.error_patterns]
        self._nonce = secrets.token_hex(12)

    def kind(self, table: str) -> TableKind | None:
        read = self._reads.get(table)
        return TableKind(read.key, read.place, read.alike, "tag") if read else None

    def request(self, wanted: Mapping[str, Collection[str]], near: Mapping[str, Sequence[Record]] | None) -> Request:
        """The whole print, whatever is ``near``. Raises Misconfigured where the options make no command of it."""
        command = self._text() if wanted else ""
        if self._shell:
            script = _SCRIPT.format(nonce=self._nonce, command=command or ":")
            return Request("sh", script.encode("utf-8", "surrogateescape"))
        return Request(command)

    def _text(self) -> str:
        dialect = ShellDialect() if self._shell else OpaqueDialect()
        rendered = self._command.rendered(self._options)
        lines, at = [], 0
        try:
            for statement in dialect.parse(rendered.skeleton, "ssh"):
                lines.append(statement.emit(rendered.values[at : at + statement.slots]))
                at += statement.slots
        except EbsError as error:
            tables = ", ".join(self._reads)
            remedy = f"correct the command of [[read]] {tables} in profile.toml, or the NAS's options"
            raise Misconfigured(f"{tables} cannot be read back: {error.message}", remedy=remedy) from error
        return "\n".join(lines)

    def lines(self, wanted: Mapping[str, Collection[str]], output: str) -> tuple[dict[str, list[str]], Vitals]:
        """Raises ValueError for a command that failed and for half a print."""
        printed, vitals = self._framed(output) if self._shell else (output.replace("\r\n", "\n"), Vitals())
        if not wanted:
            return {}, vitals
        if any(error.search(printed) for error in self._errors):
            raise ValueError(f"it was refused: {self._shown(printed)}")
        found: dict[str, list[str]] = {}
        for table in wanted:
            complete = self._reads[table].complete
            if complete and not re.search(complete, printed, re.MULTILINE):
                raise ValueError(f"{complete!r} is not in what was printed for {table}: {self._shown(printed)}")
            found[table] = [_line(self._names[table], match) for match in self._patterns[table].finditer(printed)]
        return found, vitals

    def _framed(self, output: str) -> tuple[str, Vitals]:
        """What the command printed, and the vitals after it."""
        _, started, rest = output.partition(f"{self._nonce}\n")
        end = next(reversed(list(re.finditer(rf"\n{self._nonce} ([0-9]+) \[(.*)\] \[(.*)\]\n", rest))), None)
        if not started or end is None:
            raise ValueError(f"no shell answered as it should: {self._shown(rest or output)}")
        printed, status, boot, uptime = rest[: end.start()], int(end[1]), end[2], end[3]
        if status:
            raise ValueError(f"{', '.join(self._reads)}: the command ended with status {status}: {self._shown(printed)}")
        return printed, Vitals(boot, _seconds(uptime))

    def _shown(self, printed: str) -> str:
        if any(read.secret for read in self._reads.values()):
            return "what it printed may have passwords and is not shown"
        return visible(bounded(printed.strip(), _SHOWN)) or "it printed nothing"

    def parse(self, table: str, line: str) -> Record:
        return dict(zip(self._names[table], json.loads(line), strict=True))

    def secret(self, table: str, properties: Collection[str]) -> bool:
        """Lines have all properties, whichever are wanted."""
        return bool(self._reads[table].secret)

    def removal(self, table: str, record: Record) -> Rendered | None:
        """None too where a property that the command needs is empty: it would not be exactly this record."""
        return _filled(self._reads[table].remove, record)

    def adoption(self, table: str, record: Record, tag: str) -> Rendered | None:
        return _filled(self._reads[table].adopt, {**record, "tag": tag})


def pattern_observers(profile: Profile, options: Mapping[str, str] | None = None) -> tuple[PatternObserver, ...]:
    """One for each command of the profile's ``[[read]]`` tables, in their order. Without ``options``: the defaults."""
    return tuple(PatternObserver(profile, command, options or {}) for command in dict.fromkeys(r.command for r in profile.reads))


def _line(names: Sequence[str], match: re.Match[str]) -> str:
    return json.dumps([match[name] or "" for name in names], ensure_ascii=False)


def _filled(form: Form | None, record: Record) -> Rendered | None:
    return form.rendered(record) if form and all(record.get(name) for name in form.names) else None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None
