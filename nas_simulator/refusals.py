"""What the router answers when it will not do something. The texts are RouterOS's own, letter for letter.

A refusal carries the text of each trap; nearly all have one, an unknown path has two. `category` is often absent on real
routers, so it is optional here as well.
"""

from __future__ import annotations

from typing import Final

MISSING: Final = 0
"""Trap category: missing item or command."""
ARGUMENT: Final = 1
"""Trap category: argument value failure."""
INTERRUPTED: Final = 2
"""Trap category: execution of a command interrupted."""

ACTION_TIMED_OUT: Final = "action timed out - try again, if error continues contact MikroTik support and send a supout file (13)"
ACTION_FAILED: Final = "action failed (6)"
NOT_PERMITTED: Final = "not enough permissions (9)"


class Refusal(Exception):
    """The router refused an operation. `message` is the text of the first trap, `also` those of the following ones."""

    def __init__(self, message: str, category: int | None = None, also: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.category = category
        self.also = also


def no_such_directory(word: str) -> Refusal:
    return Refusal(f"no such command or directory ({word})", MISSING, also=("no such command prefix",))


def no_such_command() -> Refusal:
    return Refusal("no such command", MISSING)


def unknown_parameter(name: str) -> Refusal:
    return Refusal(f"unknown parameter {name}")


def missing_argument(name: str) -> Refusal:
    return MissingArgument(name)


class MissingArgument(Refusal):
    """A required argument was not given. The console words it differently from the API, so it has its own class."""

    def __init__(self, name: str) -> None:
        super().__init__(f"missing ={name}=")
        self.name = name


def no_such_item(verb: str) -> Refusal:
    """`remove` names an internal number in its text, the other verbs do not."""
    return Refusal("no such item (4)" if verb == "remove" else "no such item", MISSING)


def no_match(argument: str) -> Refusal:
    return Refusal(f"input does not match any value of {argument}", ARGUMENT)


def invalid_value(argument: str) -> Refusal:
    return Refusal(f"invalid value for argument {argument}", ARGUMENT)


def out_of_range(argument: str, low: int, high: int) -> Refusal:
    return Refusal(f"value of {argument} out of range ({low}..{high})", ARGUMENT)
