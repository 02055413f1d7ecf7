"""Logs as lines for a person and as JSON for a log store."""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest

from trainer.process import log_context, logs

FIELDS = {"model_name": "churn-predictor", "accuracy": 0.79, "training_time_minutes": 1.5, "data_size": 7043}


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    found = capsys.readouterr()
    assert found.err == ""
    return found.out.splitlines()


def failed_in(logger: logging.Logger) -> None:
    try:
        raise ValueError("no rows")
    except ValueError:
        logger.exception("reading failed")


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    logging.getLogger("trainer.steps.train").info("trained on %d rows", 10)
    assert written(capsys) == ["INFO trainer.steps.train: trained on 10 rows"]


def test_text_with_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    logging.getLogger("trainer").warning("done", extra=FIELDS)
    assert written(capsys) == [
        "WARNING trainer: done model_name=churn-predictor accuracy=0.79 training_time_minutes=1.5 data_size=7043"
    ]


def test_text_with_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    failed_in(logging.getLogger("trainer"))
    lines = written(capsys)
    assert (lines[0], lines[1]) == ("ERROR trainer: reading failed", "  Traceback (most recent call last):")
    assert lines[-1] == "  ValueError: no rows"


def test_a_value_of_the_data_neither_commands_a_terminal_nor_passes_for_a_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("text")
    logging.getLogger("trainer").warning("names: %s", "a\x1b[2J\x9b1m, b\r\nERROR trainer: lost, c\u202etxt, dé\t1")
    said = ["WARNING trainer: names: a\\x1b[2J\\x9b1m, b\\r", "  ERROR trainer: lost, c\\u202etxt, dé\t1"]
    assert written(capsys) == said


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    logging.getLogger("trainer.steps.train").info("trained on %d rows\nof many", 10, extra=FIELDS)
    [line] = written(capsys)
    found: dict[str, Any] = json.loads(line)
    moment = datetime.fromisoformat(found.pop("time"))
    assert moment.tzinfo == UTC
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 10
    expected = {"level": "INFO", "logger": "trainer.steps.train", "message": "trained on 10 rows\nof many", **FIELDS}
    assert found == expected


def test_json_with_an_exception_and_a_value_that_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    logger = logging.getLogger("trainer")
    failed_in(logger)
    logger.info("kinds", extra={"kinds": {1}})
    first, second = map(json.loads, written(capsys))
    assert first["exception"].endswith("ValueError: no rows")
    assert second["kinds"] == "{1}"


def test_chatty_libraries_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    for name in logs.QUIET:
        logging.getLogger(f"{name}.part").info("chatter")
    logging.getLogger("trainer").debug("detail")
    logging.getLogger("botocore").warning("something is wrong")
    assert written(capsys) == ["WARNING botocore: something is wrong"]


def test_warnings_become_records(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.set_up("json")
        warnings.warn("an old call", DeprecationWarning, stacklevel=1)
    [line] = written(capsys)
    assert json.loads(line)["logger"] == "py.warnings"


def test_setting_up_again_replaces_the_format(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    logs.set_up("json")
    logging.getLogger("trainer").info("once")
    [line] = written(capsys)
    assert json.loads(line)["message"] == "once"


def test_json_says_what_is_worked_on(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    with log_context.noted(pipeline="churn", run_key="r-1", step="tune", algorithm="forest"):
        logging.getLogger("trainer").info("one")
    logging.getLogger("trainer").info("two")
    first, second = map(json.loads, written(capsys))
    assert first.items() >= {"pipeline": "churn", "run_key": "r-1", "step": "tune", "algorithm": "forest"}.items()
    assert "step" not in second


def test_numbers_that_are_none_and_those_of_numpy_stay_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    logs.set_up("json")
    fields = {"accuracy": float("nan"), "loss": np.float32(0.5), "rows": np.int64(3), "by": {("a", 1): [math.inf]}}
    logging.getLogger("trainer").info("figures", extra=fields)
    [line] = written(capsys)
    found = json.loads(line, parse_constant=pytest.fail)
    assert (found["accuracy"], found["loss"], found["rows"], found["by"]) == (None, 0.5, 3, {"('a', 1)": [None]})


def test_what_others_print_becomes_records(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    for text in ("[LightGBM] a line\nand ", "its end", "\n"):
        sys.stdout.write(text)
    sys.stderr.write(" 10%\r100%\n")
    found = [json.loads(line) for line in written(capsys)]
    assert [(record["logger"], record["level"], record["message"]) for record in found] == [
        ("stdout", "INFO", "[LightGBM] a line"), ("stdout", "INFO", "and its end"), ("stderr", "WARNING", "100%"),
    ]  # fmt: skip


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_format_shows_a_secret(
    log_format: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", 'pl"anted-key')
    logs.set_up(log_format)
    try:
        raise ValueError('bad key pl"anted-key for https://a:password@host/')
    except ValueError:
        logging.getLogger("trainer").exception("failed", extra={"of": ['pl"anted-key']})
    text = "\n".join(written(capsys))
    assert "anted-key" not in text
    assert "a:***@host" in text
