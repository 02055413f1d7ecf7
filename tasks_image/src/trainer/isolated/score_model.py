"""Load an MLflow model and score rows. Run as a script in a process of its own; it must import nothing of `trainer`.

Where a package of the same name is imported already, MLflow ignores the code that is bundled with a model, and an old
model would answer with new code.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

CANNOT_FETCH = 10
CANNOT_SCORE = 11
BYTES_PER_MB = 1_000_000
KIB_PER_MB = 1_000_000 / 1024
LATENCY_REPEATS = 30


def main(request_file: str) -> int:
    """Score as a request file says: `model_uri`, `rows`, `output`, `stats`, `batch_size`, `scratch`."""
    import mlflow

    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    try:
        folder = mlflow.artifacts.download_artifacts(request["model_uri"], dst_path=request["scratch"])
    except Exception as error:  # noqa: BLE001  (whatever the store answers, the caller has to know)
        return _tell(CANNOT_FETCH, error)
    try:
        _score(request, folder)
    except Exception as error:  # noqa: BLE001  (whatever the model raises, it is refused)
        return _tell(CANNOT_SCORE, error)
    return 0


def _score(request: dict[str, Any], folder: str) -> None:
    import mlflow
    import pandas as pd

    size_mb = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / BYTES_PER_MB
    model = mlflow.pyfunc.load_model(folder)
    _assert_own_code(Path(folder))
    rows = _as_signed(pd.read_parquet(request["rows"]), model.metadata.get_input_schema())
    size = request["batch_size"] or len(rows)
    batches = [model.predict(rows.iloc[first : first + size]) for first in range(0, len(rows), size)]
    pd.concat(batches, ignore_index=True).to_parquet(request["output"], index=False)
    stats = {
        "size_mb": size_mb,
        "latency_ms": _one_row_latency(model, rows.head(1)),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB,
    }
    Path(request["stats"]).write_text(json.dumps(stats), encoding="utf-8")


def _assert_own_code(folder: Path) -> None:
    """The package that the model runs on must be the one bundled with it."""
    package = sys.modules.get("trainer")
    if package is not None and not Path(str(package.__file__)).resolve().is_relative_to(folder.resolve()):
        raise RuntimeError(f"the model would run on {package.__file__} and not on its own bundled code")


def _as_signed(rows: Any, schema: Any) -> Any:
    """The columns that the model takes, in the types of its signature."""
    if schema is None:
        raise RuntimeError("the model has no signature")
    absent = [column.name for column in schema.inputs if column.name not in rows.columns]
    if absent:
        raise RuntimeError(f"the rows lack columns that the model takes: {', '.join(absent)}")
    types = {column.name: column.type.to_pandas() for column in schema.inputs}
    numbers = {name: kind for name, kind in types.items() if getattr(kind, "kind", "O") in "if"}
    return rows[list(types)].astype(numbers)


def _one_row_latency(model: Any, row: Any) -> float:
    """Median milliseconds to predict one row, warmed up."""
    times = []
    for _ in range(LATENCY_REPEATS):
        began = time.perf_counter()
        model.predict(row)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _tell(code: int, error: Exception) -> int:
    sys.stderr.write(f"\n{type(error).__name__}: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
