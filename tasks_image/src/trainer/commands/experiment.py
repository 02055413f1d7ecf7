"""`trainer experiment create|status|end`: which of two versions has better outcomes."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.process import logs

if TYPE_CHECKING:
    import argparse

    from trainer.experiments.analysis import Look
    from trainer.experiments.records import Experiment, Outcome

ARGUMENTS = ("name", "model_a", "model_b", "traffic_split", "duration_days")


def add_to(commands: Any) -> None:
    """Declare the commands."""
    whole = commands.add_parser(
        "experiment",
        help="compare two versions by the outcomes of the units that they answer (A/B test)",
        description="Divide the traffic of a model's router between two versions, and see which has better outcomes.",
    )
    command = whole.add_subparsers(required=True, metavar="COMMAND")
    _add_create(command)
    status = command.add_parser(
        "status",
        help="winner, none, or not enough yet, with the interval at every daily look",
        description="Analyse the outcomes so far. The intervals hold at all times at once: look as often as you like, "
        "and end the experiment when there is a winner.",
    )
    status.add_argument("name", metavar="NAME", help="the experiment")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.add_argument("--page", metavar="FILE", help="write it as an HTML page too")
    status.set_defaults(command=run_status)
    end = command.add_parser(
        "end",
        help="give all traffic back to version A, and say how to ask for the winner's promotion",
        description="End an experiment: version A has all traffic again, no more outcomes are taken, and the result is "
        "kept. Production moves only after a person's approval; the command that asks for it is printed.",
    )
    end.add_argument("name", metavar="NAME", help="the experiment")
    end.set_defaults(command=run_end)


def _add_create(command: Any) -> None:
    create = command.add_parser(
        "create",
        help="divide the traffic between two versions",
        description="Start both versions behind the router, try them on real rows, and divide the traffic: requests "
        "with one X-Unit-Id are always answered by one version. The experiment is described here, or in the pipeline's "
        "YAML under deployment.experiment.",
    )
    create.add_argument("name", metavar="NAME", nargs="?", help="lower-case letters, digits, `_` and `-`")
    create.add_argument("--config", metavar="FILE", help="the pipeline's YAML with deployment.experiment")
    create.add_argument(
        "--model-a", metavar="URI", help="the version in service: models:/NAME/3, models:/NAME@production"
    )
    create.add_argument("--model-b", metavar="URI", help="the other version")
    create.add_argument("--traffic-split", type=float, metavar="SHARE", help="share of the units that get B (0.5)")
    create.add_argument("--duration-days", type=float, metavar="DAYS", help="how long it is planned to run")
    create.set_defaults(command=run_create)


def run_create(arguments: argparse.Namespace) -> int:
    """Start an experiment; returns 0, or raises what `create_experiment` raises."""
    from trainer.experiments import create_experiment

    logs.set_up(read_environment().log_format)
    asked = _from_config(arguments) if arguments.config else _from_options(arguments)
    name = create_experiment(**asked)
    sys.stdout.write(
        f"Experiment {name} runs. Send each unit's id as X-Unit-Id, and record its outcome with\n"
        f'trainer.experiments.record_outcome("{name}", unit_id, value). Results: trainer experiment status {name}\n'
    )
    return 0


def _from_config(arguments: argparse.Namespace) -> dict[str, Any]:
    from trainer.commands.step import given_pipeline

    if any(getattr(arguments, name) is not None for name in ARGUMENTS):
        raise ConfigurationError("give --config, or a name with --model-a, --model-b and --duration-days, not both")
    pipeline = given_pipeline(arguments.config)
    if pipeline.deployment is None or pipeline.deployment.experiment is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `deployment.experiment`")
    return dict(pipeline.deployment.experiment.model_dump())


def _from_options(arguments: argparse.Namespace) -> dict[str, Any]:
    asked = {name: getattr(arguments, name) for name in ARGUMENTS}
    asked["traffic_split"] = 0.5 if asked["traffic_split"] is None else asked["traffic_split"]
    if missing := [name for name, value in asked.items() if value is None]:
        options = ", ".join("NAME" if name == "name" else f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigurationError(f"missing: {options}; or give --config with deployment.experiment")
    return asked


def run_status(arguments: argparse.Namespace) -> int:
    """Print the result so far, and write the page; returns 0.

    Raises ConfigurationError if there is no such experiment.
    """
    from trainer.experiments.analysis import looks_of, verdict
    from trainer.experiments.outcomes import open_store

    store, now = open_store(), time.time()
    experiment = store.get(arguments.name)
    if not experiment.started_at:
        raise ConfigurationError(
            f"experiment {experiment.name} has not started: its creation failed or goes on; create it again with the "
            "same arguments, or end it"
        )
    looks = looks_of(experiment, store.units(experiment.name), now)
    result = experiment.outcome or verdict(experiment, looks[-1], now)
    if arguments.page:
        from trainer.experiments.page import render_experiment_page

        Path(arguments.page).write_text(render_experiment_page(experiment, looks, result), encoding="utf-8")
    sys.stdout.write((_json(experiment, looks, result) if arguments.json else _text(experiment, looks, result)) + "\n")
    return 0


def run_end(arguments: argparse.Namespace) -> int:
    """End an experiment and say what comes next; returns 0, or raises what `end_experiment` raises."""
    from trainer.experiments.ending import end_experiment, next_steps

    logs.set_up(read_environment().log_format)
    ended = end_experiment(arguments.name)
    sys.stdout.write(f"{ended.name}: {ended.outcome.text if ended.outcome else ''}\n{next_steps(ended)}\n")
    return 0


def _json(experiment: Experiment, looks: list[Look], result: Outcome) -> str:
    record = experiment.model_dump(exclude={"salt", "outcome"})
    shown = [{**asdict(look), "is_mismatch": look.is_mismatch} for look in looks]
    return json.dumps({**record, "result": result.model_dump(), "looks": shown}, indent=2)


def _text(experiment: Experiment, looks: list[Look], result: Outcome) -> str:
    state = "ended" if experiment.ended_at else "runs"
    about = (
        f"  {experiment.model}: A is version {experiment.version_a}, B version {experiment.version_b} with "
        f"{experiment.traffic_split:.4g} of the units; {state}, day {looks[-1].days:.1f} "
        f"of {experiment.duration_days:g}"
    )
    head = ("day", "units A", "units B", "outcomes A", "outcomes B", "mean A", "mean B")
    widths = (6, 9, 9, 10, 10, 10, 10)
    titles = "  ".join(f"{title:>{width}}" for title, width in zip(head, widths, strict=True))
    lines = [f"{experiment.name}: {result.text}", about, f"  {titles}  B - A (95 %)"]
    for look in looks:
        between = f"{look.interval.lower:.4g} to {look.interval.upper:.4g}" if look.interval else "not enough outcomes"
        lines.append(
            f"  {look.days:>6.1f}  {look.units[0]:>9,}  {look.units[1]:>9,}  {look.a.count:>10,}  {look.b.count:>10,}  "
            f"{look.a.mean:>10.4g}  {look.b.mean:>10.4g}  {between}{'; MISMATCH' if look.is_mismatch else ''}"
        )
    return "\n".join(lines)
