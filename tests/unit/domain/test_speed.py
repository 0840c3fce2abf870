"""Speed figures and the order of their sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebs_core.domain.speed import FIGURES, Correction, Speed, read, read_line, resolve

rates = st.integers(0, 10**10)
speeds = st.builds(Speed, *([rates] * 10), priority=st.integers(1, 8))


@given(speeds)
def test_encoding_round_trips(speed: Speed) -> None:
    assert Speed.decode(speed.encode()) == speed


@given(speeds, speeds, speeds, st.lists(st.builds(Correction, st.just("add"), st.just({"download": 1}))))
def test_own_speed_wins_over_everything(base: Speed, own: Speed, time_of_day: Speed, corrections: list[Correction]) -> None:
    assert resolve(base, own, time_of_day, corrections) == own


@given(speeds, speeds)
def test_each_figure_of_the_time_of_day_overrides_the_base(base: Speed, time_of_day: Speed) -> None:
    result = resolve(base, None, time_of_day)
    for name in FIGURES:
        default = 8 if name == "priority" else 0
        now = getattr(time_of_day, name)
        assert getattr(result, name) == (getattr(base, name) if now == default else now)


@given(speeds)
def test_without_anything_else_the_base_is_in_force(base: Speed) -> None:
    assert resolve(base) == base


@pytest.mark.parametrize(
    ("mode", "change", "expected"),
    [("set", 5_000_000, 5_000_000), ("add", -2_000_000, 8_000_000), ("percent", 50, 5_000_000), ("add", -99_000_000, 1)],
)
def test_corrections(mode: str, change: int, expected: int) -> None:
    base = Speed(download=10_000_000, upload=3_000_000)
    result = resolve(base, corrections=[Correction(mode, {"download": change})])
    assert (result.download, result.upload) == (expected, 3_000_000)


def test_corrections_follow_each_other() -> None:
    slow, half = Correction("set", {"download": 1_000_000}), Correction("percent", {"download": 50})
    assert resolve(Speed(download=9_000_000), corrections=[slow, half]).download == 500_000
    assert resolve(Speed(download=9_000_000), corrections=[half, slow]).download == 1_000_000


@given(speeds, st.integers(-(10**11), 10**11))
def test_a_correction_never_makes_a_limit_into_no_limit(base: Speed, change: int) -> None:
    for mode in ("add", "percent"):
        result = resolve(base, corrections=[Correction(mode, {"download": change})])
        assert bool(result.download) is bool(base.download)
        assert result.download >= 0


def test_reading_figures() -> None:
    assert read({"download": "50M", "upload": "512k", "burst_time_download": "10", "priority": "3"}) == Speed(
        download=50_000_000, upload=512_000, burst_time_download=10, priority=3
    )
    assert read_line("50M/20M") == Speed(download=50_000_000, upload=20_000_000)
    assert read_line("10M") == Speed(download=10_000_000, upload=10_000_000)
    assert read_line("download=1G upload=1.5M") == Speed(download=10**9, upload=1_500_000)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"download": "-5M"}, "download: '-5M' is negative"),
        ({"download": "5X"}, "is not a speed"),
        ({"down": "5M"}, "unknown figure 'down'"),
        ({"priority": "9"}, "not between 1 and 8"),
        ({"download": "1.0001k"}, "not a whole number"),
        ({"download": "100000G"}, "more than 10 Tbit/s"),
        ({"download": "1M", "min_download": "2M"}, "min_download is above download"),
        ({"burst_upload": "2M"}, "burst_upload without upload"),
    ],
)
def test_bad_figures_say_why(figures: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("'", ".")):
        read(figures)


def test_template_names_are_the_subscribers_directions() -> None:
    variables = Speed(download=1, upload=2, burst_threshold_download=3).variables()
    assert (variables["max_limit_rx"], variables["max_limit_tx"], variables["burst_treshold_rx"]) == (1, 2, 3)
    assert len(variables) == 11
