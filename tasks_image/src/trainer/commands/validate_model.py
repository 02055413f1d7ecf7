"""`trainer validate-model`: try a registered version, for a person and for a CI job."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.run import RunFolder

if TYPE_CHECKING:
    from trainer.evaluation.version_trial import Threshold, Trial

NAMED = {"min_accuracy": "accuracy", "min_auc": "auc_roc"}


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "validate-model",
        help="try a registered version: acceptance and thresholds",
        description="Load a registered version in a process of its own and try it: format, signature, size, latency, "
        "memory, answers, and the thresholds given. By default it is judged on the test rows of the run that made it. "
        "Exits with 0 if it passes and 4 if not.",
    )
    command.add_argument("--model-name", required=True, metavar="NAME", help="the registered model")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="N", default="", help="which version")
    which.add_argument("--alias", metavar="ALIAS", default="production", help="or which alias (default: production)")
    command.add_argument("--data", metavar="FILE", help="judge on this CSV or Parquet file, read like the pipeline's")
    command.add_argument("--target", metavar="COLUMN", help="the file's target (default: the pipeline's)")
    command.add_argument("--positive", metavar="LABEL", help="the target's positive value (default: the pipeline's)")
    command.add_argument("--min-accuracy", type=float, metavar="X", help="the least accuracy, such as 0.75")
    command.add_argument("--min-auc", type=float, metavar="X", help="the least ROC-AUC")
    bound = {"action": "append", "default": [], "type": _pair, "metavar": "METRIC=X"}
    command.add_argument("--min", **bound, help="the least of any metric that improves as it rises; repeatable")
    command.add_argument("--max", **bound, help="the most of any metric that improves as it falls; repeatable")
    command.add_argument("--output-file", metavar="FILE", help="write the findings here, as JSON")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Try the version, print and write what was found; returns 0, or raises ModelRefusedError."""
    from trainer.evaluation.acceptance import refused
    from trainer.evaluation.version_rows import own_rows, rows_of_file
    from trainer.evaluation.version_trial import try_version
    from trainer.registry.versions import asking_mlflow, find_version

    if arguments.data is None and (arguments.target or arguments.positive):
        raise ConfigurationError("--target and --positive say how to read --data FILE, which is not given")
    wanted = {"version": arguments.version} if arguments.version else {"alias": arguments.alias}
    with asking_mlflow() as client:
        version = find_version(client, arguments.model_name, **wanted)
        if arguments.data is None:
            judged = own_rows(version)
        else:
            judged = rows_of_file(version, arguments.data, arguments.target, arguments.positive)
        trial = try_version(version, judged, _thresholds(arguments))
    if arguments.output_file:
        _write(arguments.output_file, trial)
    sys.stdout.write(_rendered(trial))
    if not trial.passed:
        raise ModelRefusedError(f"{trial.model} version {trial.version}: {refused(trial.checks)}")
    return 0


def _pair(text: str) -> tuple[str, float]:
    metric, _, value = text.partition("=")
    try:
        return metric, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like recall=0.6") from None


def _thresholds(arguments: argparse.Namespace) -> list[Threshold]:
    from trainer.evaluation.version_trial import Threshold

    named = [(metric, getattr(arguments, option)) for option, metric in NAMED.items()]
    return [
        *(Threshold(metric, "min", value) for metric, value in named if value is not None),
        *(Threshold(metric, "min", value) for metric, value in arguments.min),
        *(Threshold(metric, "max", value) for metric, value in arguments.max),
    ]


def _write(file: str, trial: Trial) -> None:
    """Write the findings, whole or not at all; `file` is a path or an fsspec address."""
    folder, _, name = (file if "://" in file else str(Path(file).resolve())).rpartition("/")
    content = {**trial.record(), "checked_at": datetime.now(UTC).isoformat(timespec="seconds")}
    RunFolder.open(folder or "/").write_json(name, content)


def _rendered(trial: Trial) -> str:
    verdict = "PASSED" if trial.passed else "REFUSED"
    aliases = f" ({', '.join(trial.aliases)})" if trial.aliases else ""
    left_out = f"; {trial.rows_left_out} that it was trained or tuned on are left out" if trial.rows_left_out else ""
    lines = [
        f"{verdict}: {trial.model} version {trial.version}{aliases}",
        f"Judged on {trial.rows} rows: {trial.data}{left_out}",
        *(f"  {'pass' if check.passed else 'FAIL'}  {check.says}" for check in trial.checks),
    ]
    if trial.metrics:
        lines.append("Figures: " + ", ".join(f"{name} {value:.4f}" for name, value in trial.metrics.items()))
    return "\n".join(lines) + "\n"
