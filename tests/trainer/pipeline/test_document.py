"""Reading YAML, and what a person is told about a mistake in it."""

from __future__ import annotations

import copy
import traceback
from typing import Any

import pytest

from trainer.errors import ConfigurationError
from trainer.pipeline import CsvSource, did_you_mean, parse_yaml, pipeline_of, read_text, validate
from trainer.pipeline.document import dump_yaml

DOCUMENT: dict[str, Any] = {
    "name": "churn",
    "description": "who leaves",
    "problem": "binary_classification",
    "source": {"KIND": "csv", "uri": "churn.csv"},
    "columns": {"target": "churn", "positive": "Yes"},
    "algorithms": {"xgboost": {"KIND": "xgboost", "search": {"depth": {"low": 1, "high": 8}}}},
    "tuning": {"metric": "auc_roc", "early_stopping": {"rounds": 5}},
    "gates": {"against_production": {"metric": "auc_roc"}},
    "registry": {"model": "churn", "experiment": "churn"},
}


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The document with one value replaced or added."""
    document = copy.deepcopy(DOCUMENT)
    *sections, last = path.split(".")
    inner = document
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[last] = value
    return document


def mistakes(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        pipeline_of(document, "churn.yaml")
    return str(caught.value).splitlines()


def test_the_document_itself_is_right() -> None:
    assert pipeline_of(DOCUMENT, "churn.yaml").name == "churn"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        pytest.param("sorce", "source", id="top"),
        pytest.param("columns.targt", "target", id="section"),
        pytest.param("tuning.early_stopping.rouns", "rounds", id="optional-section"),
        pytest.param("gates.against_production.min_gian", "min_gain", id="second-level"),
        pytest.param("gates.weighted.acuracy", "accuracy", id="key-of-a-mapping"),
        pytest.param("source.seperator", "separator", id="kind"),
        pytest.param("algorithms.xgboost.paramz", "params", id="kind-in-a-mapping"),
        pytest.param("algorithms.xgboost.search.depth.hihg", "high", id="range-in-a-kind"),
        pytest.param("run.trails", "trials", id="run"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(path: str, meant: str) -> None:
    [line] = mistakes(with_value(path, 1))
    assert line.startswith(f"churn.yaml: {path}: unknown key; did you mean {meant!r}? allowed: ")


def test_an_unknown_key_in_a_list_is_named_with_its_place() -> None:
    check = {"check": "expect_x", "dimension": "validity", "severty": "warning"}
    [line] = mistakes({**DOCUMENT, "validation": [check]})
    assert line.startswith("churn.yaml: validation.0.severty: unknown key; did you mean 'severity'?")


def test_only_the_keys_of_the_given_kind_are_allowed() -> None:
    [line] = mistakes({**DOCUMENT, "split": {"KIND": "hash", "stratify": True}})
    assert line == "churn.yaml: split.stratify: unknown key; allowed: KIND, seed, test, validation"


def test_a_kind_that_is_also_a_key_does_not_confuse_the_place() -> None:
    [line] = mistakes({**DOCUMENT, "source": {"KIND": "sample", "rowz": 200}})
    assert line.startswith("churn.yaml: source.rowz: unknown key; did you mean 'rows'? allowed: KIND, dates, drift, ")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(
            "source",
            {"KIND": "cvs", "uri": "x" * 500},
            "source.KIND: there is no kind 'cvs'; did you mean 'csv'? allowed: csv, dvc, http, idx, image_folder, jsonl, parquet, postgres, s3, sample, text",
            id="unknown",
        ),
        pytest.param(
            "algorithms.other",
            {"KIND": "quantum"},
            "algorithms.other.KIND: there is no kind 'quantum'; allowed: lightgbm, sklearn, xgboost",
            id="like-no-other",
        ),
        pytest.param("source", {"KIND": ["csv"]}, "source.KIND: there is no kind a list", id="not-a-text"),
        pytest.param(
            "source",
            {"uri": "a"},
            "source.KIND: is required; allowed: csv, dvc, http, idx, image_folder, jsonl, parquet, postgres, s3, sample, text",
            id="missing",
        ),
    ],
)
def test_a_wrong_kind_names_its_key_and_the_allowed_kinds(path: str, value: object, expected: str) -> None:
    [line] = mistakes(with_value(path, value))
    assert line.startswith(f"churn.yaml: {expected}")
    assert "xxx" not in line


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param("problem", "regressoin", "'regressoin' is not allowed; did you mean 'regression'?", id="choice"),
        pytest.param("tuning.trials", "many", "input should be a valid integer, .*, not 'many'", id="integer"),
        pytest.param("tuning.trials", 0, "input should be greater than or equal to 1, not 0", id="bound"),
        pytest.param("version", 2, "input should be 1, not 2", id="version"),
        pytest.param("tags", {"a": 1}, "input should be a valid list, not a mapping", id="list"),
        pytest.param("columns", "churn", "a mapping of keys is needed, not 'churn'", id="section"),
        pytest.param("source", ["a"], "a mapping of keys is needed, not a list", id="kind"),
        pytest.param("gates.auc_roc", float("nan"), "input should be a finite number, not nan", id="nan"),
        pytest.param("gates.auc_roc", float("inf"), "input should be a finite number, not inf", id="infinity"),
        pytest.param("algorithms.xgboost.search.depth", 3, "a mapping of keys is needed, not 3", id="range"),
        pytest.param("algorithms.xgboost.search.depth", {"low": 2, "high": 1}, r"low \(2\) is above high", id="order"),
        pytest.param("run", {1: 2}, "keys should be strings, not 1", id="key-that-is-no-text"),
    ],
)
def test_a_wrong_value_is_shown_with_its_place(path: str, value: object, expected: str) -> None:
    [line] = mistakes(with_value(path, value))
    where = f"{path}.1" if isinstance(value, dict) and 1 in value else path
    assert line.startswith(f"churn.yaml: {where}: ")
    with pytest.raises(ConfigurationError, match=expected):
        pipeline_of(with_value(path, value), "churn.yaml")


def test_a_value_of_several_types_gives_one_line_with_all_of_them() -> None:
    [line] = mistakes(with_value("columns.positive", [1]))
    assert line.startswith(
        "churn.yaml: columns.positive: input should be a valid string, not a list or input should be "
    )


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        pytest.param({"low": 1}, ["high: is required"], id="half-a-range"),
        pytest.param({"choices": []}, ["choices: list should have at least 1 item"], id="no-choice"),
        pytest.param({"low": "a", "high": "b"}, ["low: input should be", "high: input should be"], id="no-numbers"),
        pytest.param(
            {"chioces": [1]}, ["choices: is required", "chioces: unknown key; did you mean 'choices'?"], id="typo"
        ),
    ],
)
def test_a_search_space_is_explained_as_what_it_resembles_most(space: dict[str, Any], expected: list[str]) -> None:
    lines = mistakes(with_value("algorithms.xgboost.search.depth", space))
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"churn.yaml: algorithms.xgboost.search.depth.{start}")


def test_a_long_value_is_cut() -> None:
    [line] = mistakes(with_value("tuning.trials", "9" * 5 + "x" * 1000))
    assert len(line) < 250


def test_every_mistake_has_a_line_of_its_own() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "registry"}
    lines = mistakes({**document, "sorce": 1, "tags": 3})
    assert [line.split(": ")[1] for line in lines] == ["tags", "registry", "sorce"]
    assert lines[1] == "churn.yaml: registry: is required"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: [", "this is no YAML: while parsing a flow node", id="not-closed"),
        pytest.param("a: *b", "this is no YAML: found undefined alias", id="alias"),
        pytest.param("a: \x07", "this is no YAML: unacceptable character", id="control-character"),
        pytest.param("a: 2026-13-01", "this is no YAML: month must be in 1..12", id="date"),
        pytest.param("a: !!python/name:os.system", "this is no YAML: could not determine a constructor", id="tag"),
        pytest.param("a: 1\na: 2", "the key 'a' stands here twice\n.*line 2", id="repeated"),
        pytest.param("a:\n  b: 1\n  c: 2\n  b: 3", "the key 'b' stands here twice\n.*line 4", id="repeated-inside"),
        pytest.param("a: [{b: 1, b: 2}]", "the key 'b' stands here twice", id="repeated-in-a-list"),
        pytest.param("? [1, 2]\n: 3", "a key has to be a plain value", id="list-as-key"),
        pytest.param("b: {<<: {x: 1}}", "merge keys \\(<<\\) are not read", id="merge"),
        pytest.param("a: &a [*a]", r"the alias \*a stands inside of what it names", id="itself"),
        pytest.param(
            "x: 0\n" + "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 9)}]" for n in range(30)),
            "its aliases stand for more than 100,000 values",
            id="bomb",
        ),
        pytest.param("a: " + "[" * 50_000, "nested deeper than 50 levels", id="deep"),
        pytest.param("a:\n  " + "- " * 50_000, "nested deeper than 50 levels", id="deep-block"),
        pytest.param("a: " + "x" * 1_000_000, "expected at most 1,000,000 characters, found 1,000,003", id="large"),
        pytest.param("- 1", "a mapping of keys is needed, this is list", id="list"),
        pytest.param("", "a mapping of keys is needed, the file is empty", id="empty"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_name(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^churn.yaml: (?s:.*){expected}"):
        parse_yaml(text, "churn.yaml")


def test_equal_keys_in_different_mappings_are_fine() -> None:
    assert parse_yaml("a: {x: 1}\nb: {x: 1}\nc: &c [1]\nd: *c", "f") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": [1],
        "d": [1],
    }


def test_read_text_names_the_file_that_cannot_be_read(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read: .*No such file"):
        read_text(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: café".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin\.yaml: cannot be read: line 1 is no UTF-8"):
        read_text(tmp_path / "latin.yaml")


def test_did_you_mean_lists_what_is_allowed_in_any_case() -> None:
    assert did_you_mean("recal", ["recall", "accuracy"]) == "; did you mean 'recall'? allowed: accuracy, recall"
    assert did_you_mean("drfit", ["drift", "refit"]).startswith("; did you mean 'drift'?")
    assert did_you_mean("zzz", ["recall", "accuracy"]) == "; allowed: accuracy, recall"


@pytest.mark.parametrize(("text", "number"), [("1e-3", 0.001), ("2E4", 20000.0), ("-1e+2", -100.0), ("1.5e-3", 0.0015)])
def test_numbers_with_an_exponent_are_numbers(text: str, number: float) -> None:
    assert parse_yaml(f"rate: {text}", "x.yaml") == {"rate": number}


def test_a_password_in_an_address_is_in_no_text_of_an_error() -> None:
    password = "terces-s"[::-1]  # a traceback shows lines of this file too
    document = {"uri": f"https://anna:{password}@host/rows.csv"}
    with pytest.raises(ConfigurationError) as refused:
        validate(CsvSource, document, "churn.yaml")
    assert "holds a password" in str(refused.value)
    assert password not in "".join(traceback.format_exception(refused.value))


def test_what_stands_twice_is_written_twice() -> None:
    shared = {"x": [1]}
    text = dump_yaml({"a": shared, "b": shared})
    assert "*" not in text
    assert parse_yaml(text, "f") == {"a": shared, "b": shared}


def test_only_true_and_false_are_booleans() -> None:
    found = parse_yaml("{a: No, b: yes, c: off, d: true, e: False}", "x")
    assert found == {"a": "No", "b": "yes", "c": "off", "d": True, "e": False}
