"""The page about templates names every variable and filter that there is."""

from __future__ import annotations

import re
from pathlib import Path

from actions.filters import FILTERS
from actions.variables import CANONICAL
from ebs_core.domain.actions import Action

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"[a-z0-9_]+", PAGE))


def test_every_variable_is_on_the_page() -> None:
    missing = {name for name in CANONICAL if re.sub(r"^(subacc|acc|nas)_", "", name) not in WORDS and name not in WORDS}
    assert missing == set()


def test_every_filter_and_action_is_on_the_page() -> None:
    assert set(FILTERS) <= WORDS
    assert {action.value for action in Action} <= WORDS
