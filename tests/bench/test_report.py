"""The table, the goals that were missed, and the results file."""

import json

from bench.figure import Figure
from bench.report import as_table, missed_goals, write_results

MET = Figure("quick", 1.0, 2.0, 1.0, "lower", "s", "quick against slow")
MISSED = Figure("slow_one", 3.0, 2.0, 1.25, "lower", "CPU s", "slow against quick")
TOO_LOW = Figure("rate", 3.0, 2.0, 4.0, "higher", "rows/s", "rows per second")


def test_the_table_has_a_line_and_an_explanation_per_figure():
    lines = as_table([MET, MISSED]).splitlines()
    assert lines[1].split() == ["quick", "1", "2", "s", "0.5", "<=", "1", "met"]
    assert lines[2].split() == ["slow_one", "3", "2", "CPU", "s", "1.5", "<=", "1.25", "MISSED"]
    assert lines[4:] == ["quick: quick against slow", "slow_one: slow against quick"]


def test_columns_of_the_table_are_aligned():
    head, first, second = as_table([MET, MISSED]).splitlines()[:3]
    assert head.index("ratio") == first.index("0.5") == second.index("1.5 ")


def test_each_missed_goal_is_named_with_its_figures():
    assert missed_goals([MET, MISSED, TOO_LOW]) == [
        "goal missed: slow_one: ratio 1.5, goal <= 1.25 (3 against 2 CPU s)",
        "goal missed: rate: ratio 1.5, goal >= 4 (3 against 2 rows/s)",
    ]


def test_the_results_file_holds_the_figures_of_the_last_run_alone(tmp_path):
    file = tmp_path / "results.json"
    write_results([MET], file)
    write_results([MISSED], file)
    results = json.loads(file.read_text())
    assert results == {"slow_one": MISSED.as_entry()}
    assert set(results["slow_one"]) == {"value", "reference", "ratio", "goal", "better", "unit", "how"}
