"""Choosing what to measure, and the exit code."""

import json

import pytest

from bench import __main__ as bench_main
from bench.catalogue import CATALOGUE, Bench, choose, known_names
from bench.figure import Figure
from trainer.errors import ConfigurationError, TrainerError

NAMES = {
    "parse_per_pipeline",
    "step_start",
    "run_beside_one_process",
    "run_seconds",
    "overhead_share",
    "drift_statistics",
    "bootstrap",
    "pod_step_overhead",
    "image_epoch",
    "image_checkpoint",
    "image_answer",
    "router_overhead",
    "image_throughput",
    "language_tokens",
    "housing_error",
    "predict_one_row",
    "predict_ten_thousand_rows",
    "feature_store_writes",
    "feature_store_reads",
    "validation",
    "csv_snapshot",
    "ten_times_the_rows",
    "ten_million_rows_memory",
    "ten_million_rows_training",
    "scoring_throughput",
    "scoring_memory",
}


def bench(name: str, value: float) -> Bench:
    return Bench((name,), lambda: [Figure(name, value, 2.0, 1.0, "lower", "s", "this against that")])


def broken() -> list[Figure]:
    raise TrainerError("the command ended with exit code 1")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Where the results go; this process stays as it is."""
    monkeypatch.setattr(bench_main, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(bench_main, "prepare_process", lambda: None)
    return tmp_path / "results.json"


def run(monkeypatch: pytest.MonkeyPatch, *benches: Bench) -> int:
    monkeypatch.setattr(bench_main, "choose", lambda _names: list(benches))
    return bench_main.main([])


def test_the_figures_are_those_that_are_promised():
    assert set(known_names()) == NAMES
    assert len(known_names()) == len(NAMES)


def test_the_list_names_them_all(capsys):
    assert bench_main.main(["--list"]) == 0
    assert set(capsys.readouterr().out.split()) == NAMES


def test_without_a_name_everything_is_measured():
    assert choose([]) == CATALOGUE


def test_figures_of_one_measurement_are_measured_once():
    assert [chosen.names for chosen in choose(["overhead_share", "run_seconds"])] == [("run_seconds", "overhead_share")]


def test_an_unknown_name_is_refused_with_what_is_meant():
    with pytest.raises(ConfigurationError, match="no figure 'bootstrp'; did you mean 'bootstrap'"):
        choose(["bootstrp"])


def test_an_unknown_name_on_the_command_line_is_a_usage_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        bench_main.main(["bootstrp"])
    assert "did you mean 'bootstrap'" in capsys.readouterr().err


def test_met_goals_end_with_0(results, monkeypatch, capsys):
    assert run(monkeypatch, bench("quick", 1.0)) == 0
    assert capsys.readouterr().out.endswith("all goals are met\n")
    assert json.loads(results.read_text())["quick"]["ratio"] == 0.5


def test_a_missed_goal_ends_with_1_and_is_named(results, monkeypatch, capsys):
    assert run(monkeypatch, bench("quick", 1.0), bench("slow", 3.0)) == 1
    assert capsys.readouterr().out.endswith("\ngoal missed: slow: ratio 1.5, goal <= 1 (3 against 2 s)\n")
    assert set(json.loads(results.read_text())) == {"quick", "slow"}


def test_what_cannot_be_measured_ends_with_1_and_does_not_stop_the_others(results, monkeypatch, capsys):
    assert run(monkeypatch, Bench(("dead",), broken), bench("quick", 1.0)) == 1
    assert capsys.readouterr().out.endswith("\nnot measured: dead: the command ended with exit code 1\n")
    assert set(json.loads(results.read_text())) == {"quick"}
