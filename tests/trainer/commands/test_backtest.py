"""`trainer backtest`: decisions and costs on a table whose truth is known, from fits that are kept."""

from __future__ import annotations

import csv
import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainer.__main__ import main
from trainer.backtest import fits

DAYS, ROWS_A_DAY = 240, 5


def pipeline(folder: Path, **sections: Any) -> str:
    """Write the YAML of a regression on the table; returns its path."""
    document = {
        "name": "trend", "description": "what turns", "problem": "regression",
        "source": {"KIND": "csv", "uri": str(folder / "trend.csv"), "types": {"seen": "date"}},
        "columns": {"target": "y", "time": "seen"},
        "split": {"KIND": "time"},
        "algorithms": {"ridge": {"KIND": "sklearn", "estimator": "sklearn.linear_model.Ridge"}},
        "tuning": {"metric": "rmse"},
        "gates": {"against_production": {"metric": "rmse", "resamples": 200, "min_rows": 30}},
        "registry": {"model": "trend", "experiment": "trend"},
        **sections,
    }  # fmt: skip
    (folder / "trend.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(folder / "trend.yaml")


@pytest.fixture
def folder(tmp_path: Path, surroundings: Any) -> Path:
    """A table whose slope turns after seven tenths of its time: only models that are fitted anew follow."""
    draw = random.Random(5)  # noqa: S311
    with (tmp_path / "trend.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["seen", "x", "y"])
        for at in range(DAYS * ROWS_A_DAY):
            day, x = at // ROWS_A_DAY, draw.uniform(-1, 1)
            slope = 2.0 if day < 0.7 * DAYS else -2.0
            table.writerow([
                date(2026, 1, 1) + timedelta(days=day),
                round(x, 4),
                round(slope * x + draw.gauss(0, 0.3), 4),
            ])
    return tmp_path


def backtest(folder: Path, *more: str, **sections: Any) -> int:
    arguments = [pipeline(folder, **sections), "--windows", "4", "--folder", str(folder / "kept")]
    return main(["backtest", *arguments, *more])


def test_rules_are_replayed_and_their_cost_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(folder, "--margin", "0.1", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert [(one["rule"], one["refit"]) for one in record["rules"]] == [
        (rule, refit) for rule in ("better", "not_worse", "always") for refit in ("validation", "none")
    ]
    assert (record["metric"], record["margin"], record["rows"]) == ("rmse", 0.1, DAYS * ROWS_A_DAY)
    assert [window["cached"] for window in record["windows"]] == [False] * 4
    assert {window["rows"] for window in record["windows"]} <= {149, 150, 155}
    better = record["rules"][0]
    assert better["windows"][0]["outcome"] == "first"
    assert better["windows"][1]["figure"] > 0.25, "the noise is 0.3"
    assert better["windows"][2]["figure"] > 2, "the slope has turned, and the model does not know yet"
    always = record["rules"][4]
    assert [live["version"] for live in always["windows"]] == [1, 1, 2, 3]
    assert all(one["loss_to_best"] >= 0 for one in record["rules"])
    assert min(one["loss_to_best"] for one in record["rules"]) == 0
    mean = sum(
        live["figure"] * window["rows"] for live, window in zip(always["windows"], record["windows"], strict=True)
    )
    assert always["mean"] == pytest.approx(mean / sum(window["rows"] for window in record["windows"]))
    page = Path(record["page"]).read_text(encoding="utf-8")
    assert "<svg" in page
    assert "src=" not in page
    assert page.count("there is no production model yet") == 6


def test_a_second_call_fits_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backtest(folder) == 0
    first = capsys.readouterr().out
    assert "4 challengers fitted, 0 from the cache" in first
    assert "Rule not_worse: not replayed, since it has no margin" in first
    with monkeypatch.context() as patch:
        patch.setattr(fits, "_fit", None)
        assert backtest(folder) == 0
    again = capsys.readouterr().out
    assert "0 challengers fitted, 4 from the cache" in again
    assert again[again.index("\nrule") :] == first[first.index("\nrule") :]
    (folder / "trend.csv").write_text((folder / "trend.csv").read_text().replace("0.1", "0.2"))
    assert backtest(folder) == 0
    assert "4 challengers fitted, 0 from the cache" in capsys.readouterr().out


def test_a_fit_that_was_cut_off_is_done_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(folder) == 0
    next((folder / "kept" / "trend").glob("*/fit.json")).unlink()
    capsys.readouterr()
    assert backtest(folder) == 0
    assert "1 challengers fitted, 3 from the cache" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sections", "message"),
    [
        (
            (),
            {"columns": {"target": "y"}, "split": {"KIND": "hash"}},
            "trend: columns.time: a backtest needs the column",
        ),
        ((), {"source": {"KIND": "csv", "uri": "{}/trend.csv", "types": {"seen": "string"}}}, "it is String"),
        (("--windows", "1"), {}, "at least 2 are needed"),
        (("--margin", "0"), {}, "--margin 0: the margin must be above 0 and finite, in rmse"),
        (("--margin", "inf"), {}, "--margin inf: the margin must be above 0 and finite, in rmse"),
        (("--algorithm", "rigde"), {}, "no algorithm 'rigde'; did you mean 'ridge'"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    more: tuple[str, ...], sections: dict[str, Any], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "source" in sections:
        sections = {"source": {**sections["source"], "uri": str(folder / "trend.csv")}}
    assert backtest(folder, *more, **sections) in (2, 3)
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("share", ["1.5", "half"])
def test_a_share_is_one(share: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        backtest(folder, "--first-share", share)
    assert f"{share} is not a share between 0 and 1" in capsys.readouterr().err
