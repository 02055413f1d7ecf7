"""Scoring rows with an MLflow model, in a process of its own."""

from __future__ import annotations

import functools
import json
import logging
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.environment import scoring_server
from trainer.errors import LESS_MEMORY, ModelRefusedError, OutageError, TrainerError
from trainer.isolated import score_model
from trainer.process.forked import ForkServer, ForkServerEndedError
from trainer.process.servers import ISOLATED, isolated_environment
from trainer.run.outages import RETRY, mlflow_outage

if TYPE_CHECKING:
    import polars as pl

    from trainer.process.forked import ForkedProcess

logger = logging.getLogger(__name__)

LAST_LINES = 15


@dataclass(frozen=True)
class Scored:
    """A model's answers, and what giving them cost."""

    output: pl.DataFrame
    """`prediction` and, for classifiers, `probability` columns; one row for each row asked."""
    size_mb: float
    memory_mb: float
    """Peak resident memory of the whole process."""


@dataclass(frozen=True)
class Timing:
    """What calls took, each on its own clock and after one to warm up."""

    median_ms: float
    p99_ms: float
    """99th percentile; of fewer than 100 calls, the slowest."""
    calls: int


@dataclass(frozen=True)
class Tried(Scored):
    """A model's answers, and what using it as serving will has shown."""

    one_row: Timing
    batch: Timing
    batch_rows: int
    format_faults: list[str]
    """What it lacks of what serving needs."""
    not_refused: list[str]
    """Required columns whose absence its signature does not refuse."""


def score_in_isolation(model_uri: str, rows: pl.DataFrame, batch_size: int | None = None) -> Scored:
    """Score rows (n, raw columns) with the model at an MLflow URI.

    Raises TrainerError where the model cannot be fetched or memory runs out, ModelRefusedError where it cannot be
    loaded or does not answer each row.
    """
    output, stats = _ask(model_uri, rows, batch_size)
    return Scored(output, stats["size_mb"], stats["memory_mb"])


def try_in_isolation(model_uri: str, rows: pl.DataFrame, batch_size: int | None, batch_rows: int) -> Tried:
    """Score rows as `score_in_isolation` does, and spend some seconds on trying the model as serving will use it."""
    output, stats = _ask(model_uri, rows, batch_size, try_batch=batch_rows)
    tried = stats["tried"]
    return Tried(
        output,
        stats["size_mb"],
        stats["memory_mb"],
        one_row=Timing(**tried["one_row"]),
        batch=Timing(**tried["batch"]),
        batch_rows=batch_rows,
        format_faults=tried["format_faults"],
        not_refused=tried["not_refused"],
    )


def _ask(
    model_uri: str, rows: pl.DataFrame, batch_size: int | None, *, try_batch: int = 0
) -> tuple[pl.DataFrame, dict[str, Any]]:
    import polars as pl

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows.write_parquet(folder / "rows.parquet")
        request = {
            "model": _fetch(model_uri, folder / "model"),
            "rows": str(folder / "rows.parquet"),
            "output": str(folder / "output.parquet"),
            "stats": str(folder / "stats.json"),
            "batch_size": batch_size,
            "try_batch": try_batch,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        _run(model_uri, folder)
        stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
        output = pl.read_parquet(folder / "output.parquet")
    if output.height != rows.height:
        raise ModelRefusedError(f"{model_uri}: {output.height} predictions for {rows.height} rows")
    return output, stats


def _fetch(model_uri: str, folder: Path) -> str:
    """Download the model in this process, which has the credentials; return its folder."""
    import mlflow

    from trainer.tracking import connect

    folder.mkdir()
    connect()
    try:
        return str(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(folder)))
    except Exception as error:
        if outage := mlflow_outage(str(error)):
            raise OutageError(f"{model_uri} cannot be fetched: {outage}. {RETRY}") from error
        raise TrainerError(f"{model_uri} cannot be fetched: {type(error).__name__}: {error}") from error


def _run(model_uri: str, folder: Path) -> None:
    with _start([str(score_model.__file__), str(folder / "request.json")], folder) as process:
        said = "\n".join((process.stdout.read() if process.stdout else "").strip().splitlines()[-LAST_LINES:])
        exit_code = process.wait()
    if exit_code == 0:
        return
    if exit_code == score_model.CANNOT_SCORE:
        raise ModelRefusedError(f"{model_uri} cannot be loaded or does not predict: {said}")
    if exit_code in (score_model.OUT_OF_MEMORY, -signal.SIGKILL):
        raise TrainerError(f"{model_uri} could not be scored: memory ran out; {LESS_MEMORY}")
    raise TrainerError(f"{model_uri} could not be scored (exit code {exit_code}): {said}")


@functools.cache
def _server() -> ForkServer | None:
    """This run's fork server for scoring, if there is one."""
    number = scoring_server()
    return None if number is None else ForkServer.inherited(number)


def _start(command: list[str], folder: Path) -> ForkedProcess | subprocess.Popen[str]:
    """Start the script from this run's scoring server, else as an interpreter of its own."""
    environment = isolated_environment(str(folder))
    if (server := _server()) is not None:
        try:
            return server.start(command, environment, folder)
        except ForkServerEndedError as error:
            logger.warning("%s: the model is scored by an interpreter of its own", error)
    return subprocess.Popen(  # noqa: S603  (our own script)
        [*ISOLATED, *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
