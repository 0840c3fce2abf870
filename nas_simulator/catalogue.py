"""All menus by path, and the tree of directories they form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nas_simulator import menus_access, menus_firewall, menus_system
from nas_simulator.refusals import no_such_command, no_such_directory
from nas_simulator.schema import Menu

MENUS: Final[Mapping[str, Menu]] = {menu.path: menu for menu in (*menus_firewall.MENUS, *menus_access.MENUS, *menus_system.MENUS)}


def _directories() -> frozenset[str]:
    found = {""}
    for path in MENUS:
        words = path.split("/")
        found.update("/".join(words[:length]) for length in range(2, len(words) + 1))
    return frozenset(found)


DIRECTORIES: Final = _directories()
"""Every path a command may pass through, `` being the root."""


def resolve(command: str) -> tuple[Menu, str]:
    """`/ip/arp/add` -> (menu of /ip/arp, "add"). Raises the router's refusal for an unknown path or verb."""
    path, _, verb = command.rpartition("/")
    if path not in DIRECTORIES:
        walked = ""
        for word in path.split("/")[1:]:
            walked = f"{walked}/{word}"
            if walked not in DIRECTORIES:
                raise no_such_directory(word)
    menu = MENUS.get(path)
    if menu is None or not menu.allows(verb):
        raise no_such_command()
    return menu, verb
