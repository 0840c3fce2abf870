"""What a benchmark says: one JSON line per figure on stdout."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

Better = Literal["lower", "higher"]
Side = Callable[[], float]
"""Prepares, measures and returns seconds: only what counts is in them."""


def report(name: str, value: float, unit: str, better: Better, target: float | None = None, **made_of: Any) -> None:
    """``target`` None: for information. ``made_of``: the medians (in seconds unless named otherwise) behind ``value``."""
    met = None if target is None else (value <= target if better == "lower" else value >= target)
    figure = {"figure": name, "value": _short(value), "unit": unit, "target": target, "better": better, "met": met}
    print(json.dumps(figure | {key: _short(part) for key, part in made_of.items()}, ensure_ascii=False), flush=True)


def skip(name: str, reason: str) -> None:
    print(json.dumps({"figure": name, "skipped": reason}, ensure_ascii=False), flush=True)


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def medians(rounds: int, sides: Mapping[str, Side]) -> dict[str, float]:
    """Each side's median over ``rounds``, taken in turns (A B A B …)."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side())
    return {name: median(each) for name, each in taken.items()}


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))
