"""The ``routeros`` dialect: MikroTik's command language, RouterOS 6 and 7, for the command line and for the API.

A plain command (path, verb, items, properties) is parsed into data, so the same template serves both transports. Anything else is
a script: text for the command line, refused for the API, which runs no scripts.
"""

from __future__ import annotations

from collections.abc import Iterator

from ebs_core.domain.commands import Statement
from ebs_core.domain.errors import SkeletonError
from nas_backends.dialects.routeros_opaque import script
from nas_backends.dialects.routeros_parse import CommandParser, NotData
from nas_backends.dialects.routeros_scan import Construct, constructs
from nas_backends.dialects.routeros_sentence import check_sentence
from nas_backends.dialects.routeros_statement import NAME

API = "routeros_api"


class RouterosDialect:
    """See ``nas_backends.contract.Dialect``."""

    name = NAME

    def parse(self, skeleton: str, transport: str) -> tuple[Statement, ...]:
        """One statement per command. A line that only names a menu sets it for the relative lines after it.

        Raises SkeletonError: bad syntax; a value in a path, verb, property name, comment, script source or glued to a word; for
        ``routeros_api`` also everything that only a script interpreter or a terminal understands.
        """
        return tuple(self._statements(skeleton, transport))

    def _statements(self, skeleton: str, transport: str) -> Iterator[Statement]:
        context: tuple[str, ...] = ()
        found = list(constructs(skeleton))
        for number, construct in enumerate(found):
            following = found[number + 1 :][:1]
            relative_next = bool(following) and skeleton[following[0].start] != "/"
            parser = CommandParser(skeleton, construct.start, construct.end, context)
            path, known, alone = parser.path()
            if alone and not known and skeleton[construct.start] == "/" and (relative_next or not path):
                context = path
                continue
            if known and len(path) == 1 and path[0] != "export":
                raise SkeletonError(
                    f"`{path[0]}` of which menu?", construct.start, remedy=f"write the whole path: /ip arp {path[0]} …"
                )
            yield self._statement(skeleton, transport, construct, context, parser, path)

    @staticmethod
    def _statement(
        skeleton: str,
        transport: str,
        construct: Construct,
        context: tuple[str, ...],
        parser: CommandParser,
        path: tuple[str, ...],
    ) -> Statement:
        try:
            if len(path) < len(context) + 1 or not path:
                raise NotData("this is no plain command", construct.start)
            statement = parser.statement(path)
        except NotData as reason:
            if transport == API:
                raise SkeletonError(
                    f"{reason.message}: the RouterOS API runs single commands, no scripts",
                    reason.offset,
                    remedy="use transport ssh for this NAS, or write it with plain commands and [find …]",
                ) from None
            return script(skeleton, construct, context)
        if transport == API:
            check_sentence(statement, construct.start)
        return statement
