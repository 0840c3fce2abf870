"""Speeds: eleven figures and the order in which their sources override each other (ExpertBilling's speed rules)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from ebs_core.domain import values

DEFAULT_PRIORITY: Final = 8
_TIMES: Final = frozenset({"burst_time_download", "burst_time_upload"})


@dataclass(frozen=True, slots=True)
class Speed:
    """Rates in bit/s, times in seconds, as the subscriber sees them; 0 is no limit (or unset)."""

    download: int = 0
    upload: int = 0
    burst_download: int = 0
    burst_upload: int = 0
    burst_threshold_download: int = 0
    burst_threshold_upload: int = 0
    burst_time_download: int = 0
    burst_time_upload: int = 0
    min_download: int = 0
    min_upload: int = 0
    priority: int = DEFAULT_PRIORITY

    def encode(self) -> str:
        """All figures in one line: the form in which an applied speed is stored and compared."""
        return " ".join(str(getattr(self, name)) for name in FIGURES)

    @classmethod
    def decode(cls, line: str) -> Speed:
        return cls(*map(int, line.split()))

    def variables(self) -> dict[str, int]:
        """The figures by the names that templates use: ``tx`` is the subscriber's upload, ``rx`` his download."""
        return {variable: getattr(self, name) for variable, name in TEMPLATE_NAMES.items()}


FIGURES: Final = tuple(field.name for field in fields(Speed))
TEMPLATE_NAMES: Final[Mapping[str, str]] = {
    "max_limit_rx": "download",
    "max_limit_tx": "upload",
    "burst_limit_rx": "burst_download",
    "burst_limit_tx": "burst_upload",
    "burst_treshold_rx": "burst_threshold_download",
    "burst_treshold_tx": "burst_threshold_upload",
    "burst_time_rx": "burst_time_download",
    "burst_time_tx": "burst_time_upload",
    "min_limit_rx": "min_download",
    "min_limit_tx": "min_upload",
    "priority": "priority",
}
"""Variable of a template (in the original's spelling) to figure."""


def read(figures: Mapping[str, str]) -> Speed:
    """A speed from figures as people write them (``{"download": "50M", "upload": "20M"}``). Raises ValueError."""
    unknown = sorted(set(figures) - set(FIGURES))
    if unknown:
        raise ValueError(f"unknown figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    speed = Speed(**{name: _read_figure(name, value) for name, value in figures.items()})
    for way in ("download", "upload"):
        limit, least = getattr(speed, way), getattr(speed, f"min_{way}")
        if limit and least > limit:
            raise ValueError(f"min_{way} is above {way}")
        if getattr(speed, f"burst_{way}") and not limit:
            raise ValueError(f"burst_{way} without {way}")
    return speed


def _read_figure(name: str, value: str) -> int:
    try:
        if name == "priority":
            return values.integer(1, 8)(value)
        if name in _TIMES:
            return values.integer(0, 86_400)(value)
        return values.rate(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def read_line(line: str) -> Speed:
    """A speed from one line such as ``download=50M upload=20M priority=8``, or ``50M/20M`` (download/upload)."""
    words = line.split()
    if not words:
        raise ValueError("is empty; give figures such as download=50M upload=20M, or 0 for no limit")
    if len(words) == 1 and "=" not in words[0]:
        down, slash, up = words[0].partition("/")
        return read({"download": down, "upload": up if slash else down})
    pairs: dict[str, str] = {}
    for word in words:
        figure, equals, value = word.partition("=")
        if figure in pairs:
            raise ValueError(f"{figure} is given twice")
        if not equals:
            raise ValueError(f"{word!r} is not of the form figure=value, such as download=50M")
        pairs[figure] = value
    return read(pairs)


@dataclass(frozen=True, slots=True)
class Correction:
    """A change of some figures, by an exceeded traffic limit or an add-on service.

    ``mode`` is ``set`` (the figures are absolute), ``add`` (bit/s added) or ``percent`` (of the figure reached so far).
    """

    mode: str
    figures: Mapping[str, int]

    def apply(self, speed: Speed) -> Speed:
        """Rates never fall below zero by it, and a limit never becomes 'no limit' by falling to zero: it stays at 1 bit/s."""
        return replace(speed, **{name: self._figure(getattr(speed, name), change) for name, change in self.figures.items()})

    def _figure(self, current: int, change: int) -> int:
        if self.mode == "set":
            return change
        if current == 0:
            return 0  # no limit stays no limit: there is nothing to add to
        return max(1, current + change if self.mode == "add" else current * change // 100)


def resolve(
    base: Speed,
    own: Speed | None = None,
    time_of_day: Speed | None = None,
    corrections: Iterable[Correction] = (),
) -> Speed:
    """The speed in force.

    1. ``own`` (set on the subaccount itself) wins over everything and is left alone.
    2. Otherwise the tariff's ``base``; each figure that ``time_of_day`` sets (non-zero; a priority other than the default)
       overrides it. The caller picks the period that started most recently.
    3. Then ``corrections`` in order: the traffic limit's, then the add-on services'.
    """
    if own is not None:
        return own
    speed = base
    if time_of_day is not None:
        speed = replace(speed, **{name: figure for name in FIGURES if (figure := _set_figure(time_of_day, name))})
    for correction in corrections:
        speed = correction.apply(speed)
    return speed


def _set_figure(speed: Speed, name: str) -> int:
    figure: int = getattr(speed, name)
    return 0 if name == "priority" and figure == DEFAULT_PRIORITY else figure
