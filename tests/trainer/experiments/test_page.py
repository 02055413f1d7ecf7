"""The page of an experiment."""

from __future__ import annotations

import re

import pytest

from tests.trainer.experiments.test_analysis import START, experiment, units
from trainer.experiments.analysis import Units, looks_of, verdict
from trainer.experiments.page import render_experiment_page
from trainer.experiments.records import SECONDS_PER_DAY

WEEK = START + 7 * SECONDS_PER_DAY


def page(found: Units, now: float = WEEK, model: str = "churn") -> str:
    one = experiment(model=model)
    looks = looks_of(one, found, now)
    return render_experiment_page(one, looks, verdict(one, looks[-1], now))


def test_it_shows_the_interval_at_every_look_and_needs_nothing_else() -> None:
    text = page(units(0.3, 0.4), model="<script>alert(1)</script>")
    assert "<strong>Winner: B</strong>" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="http', text)
    (alt,) = re.findall(r'aria-label="B - A by look: ([^"]+)"', text)
    assert [part.split(":")[0] for part in alt.split("; ")] == [f"day {day}.0" for day in range(2, 8)]
    assert text.count("not enough outcomes") == 1


@pytest.mark.parametrize(
    ("found", "now", "title"),
    [
        (units(0.3, 0.3), WEEK, "None"),
        (units(0.3, 0.4), START + 60, "Not enough yet"),
        (units(0.3, 0.4, share_b=0.42), WEEK, "Sample ratio mismatch"),
    ],
)
def test_other_results(found: Units, now: float, title: str) -> None:
    text = page(found, now)
    assert f"<strong>{title}</strong>" in text
    assert ("badge bad" in text) == (title == "Sample ratio mismatch")
