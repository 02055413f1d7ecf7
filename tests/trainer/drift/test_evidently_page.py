"""The HTML report: offline, and of one mind with the verdict."""

from __future__ import annotations

import datetime as dt
import json
import re
import socket
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from trainer.drift.compare import compare_tables
from trainer.drift.evidently_page import write_drift_report
from trainer.pipeline import Drift

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.run.records import ColumnDrift

LIMITS = Drift(report_rows=600)
INPUTS = ["shifted", "plan <b>", "flag", "constant", "emptied", "unknown", "day", "gaps"]


def table(seed: int, shift: float, rows: int = 600) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({
        "shifted": rng.normal(shift, 1, rows),
        "plan <b>": rng.choice(["x", "y", "z"], rows),
        "flag": rng.random(rows) < 0.3,
        "constant": np.ones(rows),
        "emptied": pl.Series([None] * rows if shift else list(rng.normal(size=rows)), dtype=pl.Float64),
        "unknown": pl.Series([None] * rows),
        "day": [dt.date(2024, 1, 1) + dt.timedelta(days=int(day)) for day in rng.integers(0, 300, rows)],
        "gaps": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
        "churn": rng.choice(["Yes", "No"], rows),
    })


@pytest.fixture(scope="module")
def drifts() -> list[ColumnDrift]:
    return compare_tables(table(1, 0).lazy(), table(2, 2).lazy(), [*INPUTS, "churn"], LIMITS)


@pytest.fixture(scope="module")
def page(drifts: list[ColumnDrift], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report, written while every connection is refused."""

    def refuse(*_: object) -> None:
        raise AssertionError("the report must not use the network")

    path: Path = tmp_path_factory.mktemp("report") / "drift.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        write_drift_report(table(1, 0).lazy(), table(2, 2).lazy(), INPUTS, LIMITS, drifts, path)
    return path.read_text(encoding="utf-8")


def test_nothing_is_fetched(page: str) -> None:
    markup = re.sub(r"<script\b[^>]*>.*?</script>", "<script></script>", page, flags=re.DOTALL)
    assert not re.findall(r"""<(?:script|img|iframe|link)[^>]*(?:src|href)\s*=""", page[: page.index("<script>")])
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", markup)
    assert not re.findall(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", markup)
    assert not re.findall(r"<script[^>]+src", page)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "http" not in policy[1]


def test_the_banner_holds_the_verdict_of_all_rows(page: str, drifts: list[ColumnDrift]) -> None:
    banner = page[page.index('<section id="verdict"') : page.index("</section>")]
    assert page.index('<section id="verdict"') < page.index("root_metric")
    assert "2 of 8 columns drifted" in banner
    assert "Data drift: stable" in banner
    assert "from all rows: 600 of the reference, 600 current" in banner
    assert "plan &lt;b&gt;" in banner
    assert "plan <b>" not in banner
    assert "churn (apart)" in banner
    assert banner.count("<tr") == 1 + len(drifts)
    assert banner.count(" / ") == 1 + sum(len(drift.statistics) for drift in drifts)
    assert banner.count("<b>drifted</b>") == sum(drift.drifted for drift in drifts)


def test_evidently_agrees_where_it_sees_all_rows(page: str, drifts: list[ColumnDrift]) -> None:
    for drift in drifts[:-1]:
        name = json.dumps(drift.column).replace("<", r"\u003c")
        verdict = re.search(rf'"column_name": {re.escape(name)}.*?"data_drift": "(.*?)"', page)
        assert verdict is not None, drift.column
        assert verdict[1] == ("Detected" if drift.drifted else "Not Detected"), drift.column


def test_evidently_shows_the_target_apart(page: str) -> None:
    assert re.search(r""""Drift in column 'churn'", "label": "Data drift not detected""", page)
    assert '"column_name": "churn"' not in page


@pytest.mark.parametrize(("share", "verdict"), [(0.2, "drifted"), (0.9, "stable")])
def test_the_data_set_has_one_verdict(drifts: list[ColumnDrift], tmp_path: Path, share: float, verdict: str) -> None:
    path = tmp_path / "drift.html"
    limits = LIMITS.model_copy(update={"share": share})
    write_drift_report(table(1, 0).lazy(), table(2, 2).lazy(), INPUTS, limits, drifts, path)
    page = path.read_text(encoding="utf-8")
    assert f"Data drift: {verdict}" in page
    assert ("Dataset Drift is NOT detected" in page) == (verdict == "stable")
    assert ("Dataset Drift is detected" in page) == (verdict == "drifted")
