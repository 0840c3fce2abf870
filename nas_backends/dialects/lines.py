"""Gives every command of a Linux template to the dialect that understands it: ``nft``, ``tc``, ``ip``, or else the shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError
from nas_backends.dialects.iproute import parse_iproute
from nas_backends.dialects.nft import parse_nft
from nas_backends.dialects.shell import require_text_transport, shell_statement
from nas_backends.dialects.shell_scan import ShellScanner

LINE_DIALECTS = frozenset(["shell", "nft", "tc", "ip"])
_NATIVE: dict[str, Callable[[str, int], Statement | None]] = {"nft": parse_nft, "tc": parse_iproute, "ip": parse_iproute}
_FIRST_WORD = re.compile(r"[a-z]+(?=[ \t])")


def parse(dialects: Collection[str], skeleton: str, transport: str) -> tuple[Statement, ...]:
    """One statement per command of ``skeleton``. A line that begins with ``nft``, ``tc`` or ``ip``, where the profile lists that
    dialect, is its command unless it needs a shell (operators, redirections, options). Raises SkeletonError."""
    require_text_transport(" and ".join(dialects), transport)
    scanner, statements = ShellScanner(skeleton), list[Statement]()
    while (start := scanner.start()) is not None:
        native = _native(dialects, skeleton, start)
        if native is not None:
            statements.append(native)
            scanner.at = _line_end(skeleton, start)
            continue
        if "shell" not in dialects:
            raise SkeletonError(
                f"no plain command of {' or '.join(dialects)}", start, remedy="list the dialect shell in the profile"
            )
        found = scanner.command()
        if found is not None:
            statements.append(shell_statement(skeleton, found))
    return tuple(statements)


def _native(dialects: Collection[str], skeleton: str, start: int) -> Statement | None:
    word = _FIRST_WORD.match(skeleton, start)
    if word is None or word.group() not in dialects or word.group() not in _NATIVE:
        return None
    return _NATIVE[word.group()](skeleton[start : _line_end(skeleton, start)], start)


def _line_end(skeleton: str, start: int) -> int:
    end = skeleton.find("\n", start)
    return len(skeleton) if end < 0 else end
