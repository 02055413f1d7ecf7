"""Load an MLflow model and score rows. Run as a script in a process of its own; it must import nothing of `trainer`.

Where a package of the same name is imported already, MLflow ignores the code that is bundled with a model, and an old
model would answer with new code.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import runpy
import statistics
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANNOT_SCORE = 11
OUT_OF_MEMORY = 12
CANNOT_CONFINE = 13
CANNOT_EXPLAIN = 14
OUTPUT, STATS = "output.parquet", "stats.json"
KIB_PER_MB = 1_000_000 / 1024
TIMED_SECONDS = 1.5
TIMED_CALLS = (5, 300)
"""A call is timed for so many seconds: at least, and at most, so many times."""


class CannotExplainError(Exception):
    """The model is of a kind that gives no reasons for single rows."""


def main(request_file: str) -> int:
    """Score as a request file says.

    `model` (a folder), `rows`, `scratch` (a folder for `output.parquet` and `stats.json`), `batch_size`, `streamed`
    (only one batch at a time is held in memory), `try_batch`, `reasons` (how many each row has) with the text of the
    module that explains trees, and `confinement`, what this process is confined by.
    """
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    try:
        _confine(request)
    except OSError as error:
        return _tell(CANNOT_CONFINE, error)
    try:
        _score(request, request["model"])
    except MemoryError as error:
        return _tell(OUT_OF_MEMORY, error)
    except CannotExplainError as error:
        return _tell(CANNOT_EXPLAIN, error)
    except Exception as error:  # noqa: BLE001  (whatever the model raises, it is refused)
        return _tell(CANNOT_SCORE, error)
    return 0


def _confine(request: dict[str, Any]) -> None:
    """Confine this process before anything of the model is loaded; no package is on the path to import that from."""
    sandbox = runpy.run_path(str(Path(__file__).with_name("sandbox.py")))
    offered = sandbox["Confinement"](*request["confinement"])
    sandbox["confine"](offered, [request["model"], request["rows"]], request["scratch"])


def _score(request: dict[str, Any], folder: str) -> None:
    import mlflow
    import pandas as pd

    scratch = Path(request["scratch"])
    model = mlflow.pyfunc.load_model(folder)
    _assert_own_code(Path(folder))
    tried = None
    if request["streamed"]:
        explain = _explainer(model, request["explainer"], request["reasons"]) if request["reasons"] else None
        _answer_in_batches(model, request, explain, scratch / OUTPUT)
    else:
        rows = _as_signed(pd.read_parquet(request["rows"]), model.metadata.get_input_schema())
        size = request["batch_size"] or len(rows)
        batches = [model.predict(rows.iloc[first : first + size]) for first in range(0, len(rows), size)]
        pd.concat(batches, ignore_index=True).to_parquet(scratch / OUTPUT, index=False)
        tried = _try(model, Path(folder), rows, request["try_batch"]) if request["try_batch"] else None
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB
    (scratch / STATS).write_text(json.dumps({"memory_mb": memory_mb, "tried": tried}), encoding="utf-8")


def _answer_in_batches(
    model: Any, request: dict[str, Any], explain: Callable[[Any], dict[str, Any]] | None, output: Path
) -> None:
    """Answer and write a batch of rows after the other, while the next one is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = model.metadata.get_input_schema()
    size = request["batch_size"]
    with pq.ParquetFile(request["rows"]) as table, contextlib.ExitStack() as opened:
        present = {*table.schema_arrow.names}
        taken = [name for name in (schema.input_names() if schema else ()) if name in present]  # in the model's order
        batches = table.iter_batches(batch_size=size, columns=taken)
        frames = (_as_signed(batch.select(taken).to_pandas(split_blocks=True), schema) for batch in batches)
        writer = None
        for frame in _read_ahead(frames):
            answers = model.predict(frame)
            if explain is not None:
                answers = answers.assign(**explain(frame))
            answered = pa.Table.from_pandas(answers, preserve_index=False).replace_schema_metadata()
            writer = writer or opened.enter_context(pq.ParquetWriter(output, answered.schema, compression="none"))
            writer.write_table(answered.cast(writer.schema))


def _explainer(model: Any, source: str, most: int) -> Callable[[Any], dict[str, Any]]:
    """Return what gives the inputs that count most for the answer to each row (n), and their SHAP values, as columns.

    Raises CannotExplainError if the model is not an ensemble of trees that can be explained in time. `source` is the
    text of the module that does it: its own package is not on the path, and this process may not read it.
    """
    import numpy as np
    import polars as pl

    module = types.ModuleType("tree_shap")
    sys.modules[module.__name__] = module
    exec(compile(source, "tree_shap.py", "exec"), module.__dict__)  # noqa: S102  (our own)
    fitted = model.unwrap_python_model().fitted
    if why := module.why_no_trees(fitted.estimator):
        raise CannotExplainError(why)

    def explain(rows: Any) -> dict[str, Any]:
        found = module.tree_shap(fitted, pl.from_pandas(rows)).of_predicted_class()
        by_input = found.values.items()  # noqa: PD011  (a field of ours)
        names, values = (np.array(side) for side in zip(*by_input, strict=True))  # (m,), (m, n)
        places = np.argsort(-np.abs(values), axis=0, kind="stable")[:most]
        effects = np.take_along_axis(values, places, axis=0)
        columns: dict[str, Any] = {}
        for number, (place, effect) in enumerate(zip(places, effects, strict=True), start=1):
            columns |= {f"reason_{number}": names[place], f"reason_{number}_effect": effect}
        return columns

    return explain


def _read_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield items, each of which is fetched in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _assert_own_code(folder: Path) -> None:
    """The packages that the model runs on must be those bundled with it."""
    code = folder / "code"
    for name in sorted({"trainer", *(one.stem for one in code.iterdir())}):
        package = sys.modules.get(name)
        if package is not None and not _places(package) & {*code.resolve().iterdir()}:
            raise RuntimeError(f"the model would run on {package} and not on its own bundled code")


def _places(package: Any) -> set[Path]:
    """Where a package or a single module lies."""
    return {Path(place).resolve() for place in [*getattr(package, "__path__", [])] or [str(package.__file__)]}


def _as_signed(rows: Any, schema: Any) -> Any:
    """The columns that the model takes, in the types of its signature."""
    if schema is None:
        raise RuntimeError("the model has no signature")
    absent = [column.name for column in schema.inputs if column.name not in rows.columns]
    if absent:
        raise RuntimeError(f"the rows lack columns that the model takes: {', '.join(absent)}")
    types = {column.name: column.type.to_pandas() for column in schema.inputs}
    numbers = {name: kind for name, kind in types.items() if getattr(kind, "kind", "O") in "if"}
    others = {name: kind for name, kind in numbers.items() if rows[name].dtype != kind}  # a copy takes time
    taken = rows if [*rows.columns] == [*types] else rows[[*types]]
    return taken.astype(others) if others else taken


def _try(model: Any, folder: Path, rows: Any, batch_rows: int) -> dict[str, Any]:
    """Use the model as serving will: its format, rows that lack a column, one row and a batch on the clock."""
    batch = rows.iloc[[place % len(rows) for place in range(batch_rows)]].reset_index(drop=True)
    return {
        "format_faults": [*_format_faults(model.metadata, folder), *_example_faults(model, folder)],
        "not_refused": _not_refused(model, rows.head(1)),
        "one_row": _timed(lambda: model.predict(rows.head(1))),
        "batch": _timed(lambda: model.predict(batch)),
    }


def _format_faults(metadata: Any, folder: Path) -> Iterator[str]:
    """What the model's folder lacks of what serving needs."""
    flavor = metadata.flavors.get("python_function")
    if flavor is None:
        yield "it has no flavor python_function"
    elif not flavor.get("code") or not any((folder / flavor["code"]).rglob("*.py")):
        yield "no code is bundled with it"
    if metadata.get_output_schema() is None:
        yield "its signature has no outputs"
    requirements = folder / "requirements.txt"
    names = requirements.read_text(encoding="utf-8").split("\n") if requirements.is_file() else []
    wanted = [line.strip() for line in names if line.strip() and not line.startswith(("#", "-"))]
    if not wanted:
        yield "it names no requirements"
    if loose := [line for line in wanted if "==" not in line]:
        yield f"requirements without an exact version: {', '.join(loose)}"


def _example_faults(model: Any, folder: Path) -> Iterator[str]:
    try:
        example = model.metadata.load_input_example(str(folder))
        if example is None:
            yield "it has no input example"
        else:
            model.predict(example)
    except Exception as error:  # noqa: BLE001  (whatever the model raises is what is wrong with it)
        yield f"it does not predict its own input example: {type(error).__name__}: {error}"


def _not_refused(model: Any, row: Any) -> list[str]:
    """Required columns without which the model answers all the same, and not with its signature's refusal."""
    required = [column.name for column in model.metadata.get_input_schema().inputs if column.required]
    return [name for name in required if not _refuses(model, row.drop(columns=name), name)]


def _refuses(model: Any, row: Any, name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        model.predict(row)
    except MlflowException as error:
        return repr(name) in str(error)
    except Exception:  # noqa: BLE001  (an accident further in is no refusal by the signature)
        return False
    return False


def _timed(call: Callable[[], Any]) -> dict[str, float]:
    """Milliseconds that a call takes, warmed up: the median and the 99th percentile (nearest rank)."""
    call()
    least, most = TIMED_CALLS
    times: list[float] = []
    ends = time.perf_counter() + TIMED_SECONDS
    while len(times) < least or (len(times) < most and time.perf_counter() < ends):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    rank = math.ceil(0.99 * len(times)) - 1
    return {"median_ms": statistics.median(times), "p99_ms": sorted(times)[rank], "calls": len(times)}


def _tell(code: int, error: BaseException) -> int:
    sys.stderr.write(f"\n{type(error).__name__}: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
