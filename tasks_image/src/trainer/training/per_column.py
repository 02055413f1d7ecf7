"""Parameters with a value for each column, such as `monotone_constraints`, are tried on as many columns."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from trainer.pipeline import AnyAlgorithm
    from trainer.problems import Problem

PER_COLUMN = {
    "monotone_constraints", "mc", "monotone_constraint", "monotonic_cst", "interaction_constraints", "interaction_cst",
    "feature_types", "feature_weights", "feature_contri", "feature_contrib", "fc", "fp", "feature_penalty",
    "max_bin_by_feature", "categorical_feature", "cat_feature", "categorical_column", "cat_column",
    "categorical_features", "cegb_penalty_feature_lazy", "cegb_penalty_feature_coupled",
}  # fmt: skip
SECONDS = 120
CHILD = """\
import json, sys
from pydantic import TypeAdapter
from trainer.pipeline import AnyAlgorithm
from trainer.problems import problem_of
from trainer.training.parameter_checks import why_refused
given = json.load(sys.stdin)
algorithm = TypeAdapter(AnyAlgorithm).validate_python(given["algorithm"])
print(json.dumps(why_refused(algorithm, problem_of(given["problem"]), algorithm.params, given["width"])))
"""


def without_per_column(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters except for those with a value for each column."""
    return {name: value for name, value in params.items() if name not in PER_COLUMN}


def check_per_column(algorithm: AnyAlgorithm, problem: Problem, widths: Collection[int], where: str) -> None:
    """Raise ConfigurationError if a parameter with a value for each column does not fit the numbers of columns.

    The library tries it on made-up rows in a process of its own: LightGBM may abort. `widths` are those of the folds.
    """
    named = [name for name in algorithm.params if name in PER_COLUMN]
    if not named:
        return
    if len({*widths}) > 1:
        raise ConfigurationError(
            f"{where}.params.{named[0]}: the folds have {min(widths)} to {max(widths)} columns, as a category may be "
            "absent from one; set `preprocess.categorical: ordinal`, which gives each input one column"
        )
    width = min(widths)
    if wrong := _tried(algorithm, problem, width):
        raise ConfigurationError(f"{where}.params.{named[0]}: with the table's {width} columns: {wrong}")


def _tried(algorithm: AnyAlgorithm, problem: Problem, width: int) -> str:
    """What the library says against the parameters; empty if it accepts them."""
    given = {"algorithm": algorithm.model_dump(mode="json"), "problem": problem.name, "width": width}
    try:
        done = subprocess.run(  # noqa: S603  (our own code)
            [sys.executable, "-c", CHILD], input=json.dumps(given), capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"trying it takes longer than {SECONDS} s"
    if done.returncode < 0:
        return f"{algorithm.KIND} is ended by signal {-done.returncode}: {done.stderr.strip()[-300:]}"
    if done.returncode:
        raise RuntimeError(f"trying parameters failed: {done.stderr}")
    return str(json.loads(done.stdout.splitlines()[-1]))
