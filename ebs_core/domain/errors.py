"""The one error tree of EBS.

Third-party exceptions are translated into it at one boundary each (a transport, the storage engine, the template engine).

    EbsError
    ├── InputError                 what a person gave is wrong; nothing was changed (exit status 2)
    │   ├── NotFound               a name that nothing has
    │   ├── Conflict               somebody else changed it meanwhile
    │   ├── BadFields              values of an object, with the reason for each
    │   ├── BadFile                a site file, with every bad row
    │   └── TemplateError          a template, with file, line and column of every problem
    ├── StorageError               the database cannot be used
    │   ├── DatabaseAway           it does not answer, and may come back by itself
    │   └── SecretDamaged          one stored secret cannot be read
    ├── SkeletonError              a rendered template that no dialect of its profile can parse, with the offset
    ├── UnquotableValue            a value that this kind of NAS cannot be given as plain data
    │   └── UnsafeAddress          an empty address, or one that means everybody, where a template prints one
    └── NasError                   something on one NAS failed (exit status 1)
        ├── Unreachable            no connection: refused, no route, timed out
        ├── LoginFailed            wrong name, password or key
        ├── HostKeyUnknown         first contact: an operator must trust the key
        ├── HostKeyChanged         not the key that was trusted: the NAS is left alone
        ├── NotPermitted           the login may not do this
        ├── Misconfigured          the NAS's settings in EBS cannot work (missing option, unreadable key file)
        └── ConnectionLost         cut after something was sent: the outcome of that is UNKNOWN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class EbsError(Exception):
    """Base of all. ``str()`` is for people: what failed, where, for whom; ``remedy`` says what to do next."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def locate(self, place: str) -> None:
        """Say where it happened, in front of the message."""
        self.message = f"{place}: {self.message}"

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


class InputError(EbsError):
    """Bad input; nothing was changed."""


class NotFound(InputError):
    """A name that nothing has."""


class Conflict(InputError):
    """The object is not any more what the edit was made for: somebody else changed it meanwhile."""


class BadFields(InputError):
    """Values that an object cannot have: ``fields`` has the reason for each, by field name."""

    def __init__(self, of: str, fields: Mapping[str, str], *, remedy: str = "") -> None:
        super().__init__("\n".join(f"{of}: {name}: {reason}" for name, reason in fields.items()), remedy=remedy)
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file or template. ``line`` and ``column`` count from 1; 0 means the whole file."""

    message: str
    line: int = 0
    column: int = 0
    file: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line or "", self.column or "") if part != "")
        return f"{place}: {self.message}" if place else self.message


class ProblemsError(InputError):
    """Bad input with a list of places."""

    def __init__(self, message: str, problems: Sequence[Problem], *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {problem}" for problem in self.problems)]
        if self.remedy:
            lines.append(f"  → {self.remedy}")
        return "\n".join(lines)


class BadFile(ProblemsError):
    """A file to import that cannot be taken; every bad row is named."""


class TemplateError(ProblemsError):
    """A template that cannot be saved or rendered."""


class StorageError(EbsError):
    """The database is missing, too old, locked or broken."""


class DatabaseAway(StorageError):
    """The database server does not answer, is starting or is going down. It may come back by itself."""


class SecretDamaged(StorageError):
    """One stored secret is not readable although the key is right; giving it again replaces it."""


class SkeletonError(EbsError):
    """A skeleton that a dialect cannot take. ``offset`` counts its characters from 0; the checker maps it to line and column."""

    def __init__(self, message: str, offset: int, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.offset = offset


class UnquotableValue(EbsError):
    """A value that would have to become syntax on this kind of NAS. It is never sent."""


class UnsafeAddress(UnquotableValue):
    """A template prints an address that the subscriber does not have, or one that means everybody."""


class NasError(EbsError):
    """Something on one NAS failed. ``nas`` is its name, for the message and for the log."""

    def __init__(self, message: str, *, nas: str = "", remedy: str = "") -> None:
        super().__init__(f"NAS {nas}: {message}" if nas else message, remedy=remedy)
        self.nas = nas


class Unreachable(NasError):
    """No connection could be made."""


class LoginFailed(NasError):
    """The NAS refused the login."""


class HostKeyUnknown(NasError):
    """The NAS's host key was never trusted by an operator."""


class HostKeyChanged(NasError):
    """The NAS shows another host key than the trusted one."""


class NotPermitted(NasError):
    """The login lacks a right on the NAS."""


class Misconfigured(NasError):
    """What EBS knows of the NAS cannot work."""


class ConnectionLost(NasError):
    """Cut after something was sent; what was sent has an unknown outcome."""
