"""RouterOS durations: `1w2d3h4m5s`, `00:10:00`, `1d 02:00:00` or plain seconds."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_WORDS: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+")
_CLOCK: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)? ?(\d+):(\d\d)(?::(\d\d))?")


def parse_duration(text: str) -> float | None:
    """Seconds, or None when the text is no duration."""
    if text.isdecimal():
        return float(text)
    if _WORDS.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return float(weeks * 604_800 + days * 86_400 + hours * 3_600 + minutes * 60 + seconds)


def clock_duration(seconds: float) -> str:
    """As scripts print it: 15 -> `00:00:15`, 788645 -> `1w2d03:04:05`."""
    whole = round(seconds)
    days = whole // 86_400
    parts = [f"{count}{unit}" for count, unit in ((days // 7, "w"), (days % 7, "d")) if count]
    return f"{''.join(parts)}{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def format_duration(seconds: float) -> str:
    """The shortest form RouterOS prints: 90 -> `1m30s`, 0 -> `0s`."""
    rest = round(seconds)
    parts = []
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(rest, int(_UNITS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
