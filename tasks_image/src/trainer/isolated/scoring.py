"""Scoring rows with an MLflow model, in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import signal
import stat
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from trainer.environment import scoring_server
from trainer.errors import LESS_MEMORY, ConfigurationError, ModelRefusedError, OutageError, TrainerError
from trainer.isolated import score_model
from trainer.isolated.sandbox import Confinement, available, hide_from_proc
from trainer.process.forked import ForkServer, ForkServerEndedError
from trainer.process.servers import ISOLATED, isolated_environment
from trainer.registry.origin import model_digest
from trainer.run.outages import RETRY, mlflow_outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from trainer.process.forked import ForkedProcess

logger = logging.getLogger(__name__)

LAST_LINES = 15
MOST_CHARACTERS = 4_000
"""Of what a model's process says; it may say without end."""
BYTES_PER_MB = 1_000_000
SCRATCH = "scratch"
"""The folder that the model's process may write, inside one of this process."""
SECONDS_FOR_OUTPUT = 5.0
"""A process that has left its group would keep the output open."""


@dataclass(frozen=True)
class Scored:
    """A model's answers, and what giving them cost."""

    output: pl.DataFrame
    """`prediction` and, for classifiers, `probability` columns; one row for each row asked."""
    size_mb: float
    memory_mb: float
    """Peak resident memory of the whole process."""
    digest: str
    """SHA-256 of the model's files."""


@dataclass(frozen=True)
class Reasons:
    """The inputs that count most for the answer to each row."""

    most: int
    """The number for each row."""
    explainer: str
    """The text of the module that explains trees."""


class Timing(BaseModel, frozen=True, extra="forbid"):
    """What calls took, each on its own clock and after one to warm up."""

    median_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    p99_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
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


class _Trial(BaseModel, extra="forbid"):
    format_faults: list[str]
    not_refused: list[str]
    one_row: Timing
    batch: Timing


class _Stats(BaseModel, extra="forbid"):
    """What the isolated process says of itself; the model's size and digest are found here."""

    size_mb: float
    digest: str
    memory_mb: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    tried: _Trial | None


def score_in_isolation(
    model_uri: str, rows: pl.DataFrame, batch_size: int | None = None, *, digest: str = ""
) -> Scored:
    """Score rows (n, raw columns) with the model at an MLflow URI; `digest` is that of its files, if it is known.

    Raises TrainerError if the model cannot be fetched or memory runs out, ModelRefusedError if its files are others, it
    cannot be loaded or does not answer each row.
    """
    output, stats = _ask(model_uri, rows, batch_size, digest=digest)
    return Scored(output, stats.size_mb, stats.memory_mb, stats.digest)


def try_in_isolation(
    model_uri: str, rows: pl.DataFrame, batch_size: int | None, batch_rows: int, *, digest: str = ""
) -> Tried:
    """Score rows as `score_in_isolation` does, and spend some seconds on trying the model as serving will use it."""
    output, stats = _ask(model_uri, rows, batch_size, try_batch=batch_rows, digest=digest)
    tried = stats.tried
    if tried is None:
        raise ModelRefusedError(f"{model_uri}: what trying it has shown is missing")
    return Tried(
        output,
        stats.size_mb,
        stats.memory_mb,
        stats.digest,
        one_row=tried.one_row,
        batch=tried.batch,
        batch_rows=batch_rows,
        format_faults=tried.format_faults,
        not_refused=tried.not_refused,
    )


def score_file_in_isolation(
    model_uri: str, rows: Path, output: Path, batch_rows: int, *, digest: str, reasons: Reasons | None = None
) -> float:
    """Score a Parquet file (n rows) into another one (n rows of answers), of which a batch is held in memory at a time.

    Scratch files lie beside `output`. Returns the peak resident memory of the model's process in MB; raises as
    `score_in_isolation` does, and ConfigurationError if reasons are asked of a model that gives none.
    """
    import polars as pl

    height = int(pl.scan_parquet(rows).select(pl.len()).collect().item())
    own = {"reasons": reasons.most, "explainer": reasons.explainer} if reasons else {"reasons": 0}
    request = {"batch_size": batch_rows, "streamed": True, "try_batch": 0, **own}
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".tmp-") as temporary:
        folder = Path(temporary)
        stats = _ask_about(model_uri, rows, folder, request, digest)
        _answers(model_uri, folder / SCRATCH, height).replace(output)
    return stats.memory_mb


def _ask(
    model_uri: str, rows: pl.DataFrame, batch_size: int | None, *, try_batch: int = 0, digest: str
) -> tuple[pl.DataFrame, _Stats]:
    request = {"batch_size": batch_size, "streamed": False, "try_batch": try_batch}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows.write_parquet(folder / "rows.parquet")
        stats = _ask_about(model_uri, folder / "rows.parquet", folder, request, digest)
        return _output(model_uri, folder / SCRATCH, rows.height), stats


def _ask_about(model_uri: str, rows: Path, folder: Path, request: Mapping[str, object], digest: str) -> _Stats:
    """Score the rows in a file; the answers are left in the folder `scratch` of the folder."""
    scratch = folder / SCRATCH
    scratch.mkdir()
    model = fetch_model(model_uri, folder / "model")
    found = model_digest(Path(model))
    if digest and found != digest:
        raise ModelRefusedError(
            f"{model_uri}: its files have the SHA-256 {found}, expected {digest}: they were changed after they "
            "were judged or registered, so it is not loaded; register it anew by a run"
        )
    whole = {
        **request, "model": model, "rows": str(rows), "scratch": str(scratch), "confinement": confinement()
    }  # fmt: skip
    (folder / "request.json").write_text(json.dumps(whole), encoding="utf-8")
    _run(model_uri, folder / "request.json", scratch)
    return _stats(model_uri, scratch, Path(model), found)


def confinement() -> Confinement:
    """What the isolated process is confined by; this process keeps its own secrets out of its sight."""
    hide_from_proc()
    offered = available()
    if not offered.is_complete:
        logger.warning(
            "this kernel or container confines a model only in part (Landlock's ABI %d, 3 is needed; seccomp: %s): its "
            "code can read what this user can. The run's records are compared before and after",
            offered.landlock, "yes" if offered.seccomp else "no",
        )  # fmt: skip
    return offered


def _output(model_uri: str, scratch: Path, height: int) -> pl.DataFrame:
    """Return the answers of the model, in memory; raises as `_answers` does."""
    import polars as pl

    try:
        return pl.read_parquet(_answers(model_uri, scratch, height))
    except pl.exceptions.PolarsError as error:
        raise ModelRefusedError(f"{model_uri}: its answers cannot be read: {error}") from error


def _answers(model_uri: str, scratch: Path, height: int) -> Path:
    """The file with what the model answered. Raises ModelRefusedError unless it has an answer to each row."""
    import polars as pl

    try:
        file = _regular_file(scratch / score_model.OUTPUT)
        answered = pl.scan_parquet(file).select(pl.len()).collect().item()
        if answered != height:  # seen before they are read: they may be more than memory holds
            raise ModelRefusedError(f"{model_uri}: {answered} predictions for {height} rows")
        names = pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ModelRefusedError(f"{model_uri}: its answers cannot be read: {error}") from error
    if "prediction" not in names:
        raise ModelRefusedError(f"{model_uri}: expected a column 'prediction', found {', '.join(names)}")
    return file


def _stats(model_uri: str, scratch: Path, model: Path, digest: str) -> _Stats:
    """What scoring cost. Raises ModelRefusedError unless it is what the script writes."""
    size_mb = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / BYTES_PER_MB
    try:
        text = _regular_file(scratch / score_model.STATS).read_text(encoding="utf-8")
        return _Stats.model_validate({**json.loads(text), "size_mb": size_mb, "digest": digest})
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelRefusedError(f"{model_uri}: what scoring has cost cannot be read: {error}") from error


def _regular_file(path: Path) -> Path:
    """A file that a model's process has written: reading a pipe would wait for ever, a link leads elsewhere."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(f"{path.name} is not a regular file")
    return path


def fetch_model(model_uri: str, folder: Path) -> str:
    """Download the model in this process, which has the credentials; return its folder."""
    import mlflow

    from trainer.registry.tracking import connect

    folder.mkdir()
    connect()
    try:
        return str(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(folder)))
    except Exception as error:
        if outage := mlflow_outage(str(error)):
            raise OutageError(f"{model_uri} cannot be fetched: {outage}. {RETRY}") from error
        raise TrainerError(f"{model_uri} cannot be fetched: {type(error).__name__}: {error}") from error


def _run(model_uri: str, request: Path, scratch: Path) -> None:
    exit_code, said = _run_to_end([str(score_model.__file__), str(request)], scratch)
    if exit_code == 0:
        return
    if exit_code == score_model.CANNOT_SCORE:
        raise ModelRefusedError(f"{model_uri} cannot be loaded or does not predict: {said}")
    if exit_code == score_model.CANNOT_EXPLAIN:
        why = said.rpartition("CannotExplainError: ")[2]
        raise ConfigurationError(f"scoring.reasons: {model_uri} gives no reasons: {why}; set `scoring.reasons: 0`")
    if exit_code in (score_model.OUT_OF_MEMORY, -signal.SIGKILL):
        raise TrainerError(f"{model_uri} could not be scored: memory ran out; {LESS_MEMORY}")
    raise TrainerError(f"{model_uri} could not be scored (exit code {exit_code}): {said}")


def _run_to_end(command: list[str], scratch: Path) -> tuple[int, str]:
    """Run the script, end whatever it leaves behind, and give its exit code and last lines."""
    last: deque[str] = deque([""], maxlen=1)
    with _start(command, scratch) as process:
        reading = threading.Thread(target=keep_end, args=(process.stdout, last), daemon=True)
        reading.start()
        exit_code = process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        reading.join(SECONDS_FOR_OUTPUT)
    return exit_code, "\n".join(last[0].strip().splitlines()[-LAST_LINES:])


def keep_end(output: IO[str], last: deque[str]) -> None:
    """Read an output to its end, and keep no more than the last characters."""
    while chunk := output.read(MOST_CHARACTERS):
        last.append((last[0] + chunk)[-MOST_CHARACTERS:])


@functools.cache
def _server() -> ForkServer | None:
    """This run's fork server for scoring, if there is one."""
    number = scoring_server()
    return None if number is None else ForkServer.inherited(number)


def _start(command: list[str], scratch: Path) -> ForkedProcess | subprocess.Popen[str]:
    """Start the script, in a process group of its own, from this run's scoring server or as an interpreter."""
    environment = isolated_environment(str(scratch))
    if (server := _server()) is not None:
        try:
            return server.start(command, environment, scratch)
        except ForkServerEndedError as error:
            logger.warning("%s: the model is scored by an interpreter of its own", error)
    return subprocess.Popen(  # noqa: S603  (our own script)
        [*ISOLATED, *command],
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
