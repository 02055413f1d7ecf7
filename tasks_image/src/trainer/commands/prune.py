"""`trainer prune`: remove old run folders, never one that an alias's version came from."""

from __future__ import annotations

import argparse
import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.environment import read_environment, variable
from trainer.run.pruning import Rules, StoredRun, remove, stored_runs, user_of, why_kept

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_PER_DAY = 86_400


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "prune",
        help="list, and with --yes remove, old run folders",
        description="List the run folders of an artifact store and which of them may go; with --yes remove those, and "
        "their Optuna journals. Never removed: a folder that a version with an alias, or the anchor of one, came from "
        "(of any registered model), one of a version in a running experiment or behind a router of this machine, a run "
        "that waits for an approval, one that changed lately, an unfinished run of the last week, the newest of each "
        "pipeline, and what `latest` points at. Where MLflow cannot be asked, or such a version has no record, nothing "
        "is removed.",
    )
    command.add_argument("--store", default=".runs", metavar="URI", help="the artifact store (default: .runs)")
    command.add_argument("--keep-days", type=_not_negative, default=30, metavar="N", help="keep younger ones (30)")
    command.add_argument(
        "--keep-last", type=_count, default=5, metavar="N", help="keep the newest of each pipeline (5)"
    )
    command.add_argument(
        "--foreign", action="append", default=[], metavar="MODEL",
        help="a registered model that no run folder of a pipeline belongs to; repeatable",
    )  # fmt: skip
    command.add_argument("--yes", action="store_true", help="remove them, and not only list them")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """List and, if asked, remove; returns 0. Raises before anything is removed where it is not known what is in use."""
    from trainer.registry.folders_in_use import folders_in_use
    from trainer.registry.versions import asking_mlflow

    with asking_mlflow() as client:
        in_use = folders_in_use(client, arguments.foreign, _served())
        runs = stored_runs(arguments.store)
        rules = Rules(datetime.now(UTC), arguments.keep_days, arguments.keep_last, in_use)
        decided = why_kept(runs, rules)
        _list(arguments.store, decided, rules.now)
        doomed = [run for run, reason in decided if not reason]
        if arguments.yes:
            others = {run.folder.key for run, reason in decided if reason}
            for one in doomed:
                _remove(one, folders_in_use(client, arguments.foreign, _served()), others)
    _conclude(doomed, removed=arguments.yes)
    return 0


def _remove(run: StoredRun, in_use: Mapping[str, str], other_keys: set[str]) -> None:
    """Remove a run and its journals, unless a version that came from it has got an alias in the meantime."""
    from trainer.tuning.study_storage import remove_journals

    if user := user_of(run, in_use):
        sys.stdout.write(f"  kept after all  {run.name}: {user} came from it\n")
        return
    if run.folder.key not in other_keys:  # a run of another pipeline, started at the same time, has the same key
        remove_journals(run.folder.key, read_environment().study_storage)
    remove(run.folder)
    sys.stdout.write(f"  removed  {run.name}\n")


def _served() -> dict[tuple[str, str], str]:
    """Return the versions that routers of this machine serve."""
    from trainer.serving.state import served_versions

    kind, _, place = variable("serving").partition("://")
    return served_versions(Path(place)) if kind == "local" and place else {}


def _list(store: str, decided: list[tuple[StoredRun, str]], now: datetime) -> None:
    total = sum(run.megabytes for run, _ in decided)
    sys.stdout.write(f"{store}: {len(decided)} run folders, {total:,.1f} MB\n")
    for run, reason in decided:
        age = f"{(now - run.changed_at).total_seconds() / SECONDS_PER_DAY:.1f} days" if run.changed_at else "?"
        why = reason or ("its removal was begun" if run.half_removed else "")
        line = f"  {'keep' if reason else 'remove':6}  {age:>11}  {run.megabytes:>9,.1f} MB  {run.name}  {why}"
        sys.stdout.write(f"{line.rstrip()}\n")


def _conclude(doomed: list[StoredRun], *, removed: bool) -> None:
    what = f"{len(doomed)} run folders, {sum(run.megabytes for run in doomed):,.1f} MB"
    if not doomed:
        sys.stdout.write("Nothing to remove.\n")
    elif removed:
        sys.stdout.write(f"Done: {what}.\n")
    else:
        sys.stdout.write(f"To remove: {what}. Nothing was removed; --yes removes them.\n")


def _not_negative(text: str) -> float:
    with contextlib.suppress(ValueError):
        if (value := float(text)) >= 0:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a number of days, 0 or more")


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (value := int(text)) >= 0:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a number of run folders, 0 or more")
