"""`python -m tests.faults.chaos --runs N --seed S`: whole runs whose steps are killed at random instants.

Each step is a process group of its own, as the scheduler starts it, killed by SIGKILL up to `--kills` times at an instant
drawn from the seed, and then tried again. At its end each run must be what an undisturbed run is.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.world.worlds import World, quick_churn
from tests.redis_server import RedisServer, serve_redis
from tests.world import ALGORITHM
from trainer.decision import DecisionResult
from trainer.feature_store.store import FeatureStore
from trainer.pipeline import load_pipeline
from trainer.run.fallback import PUBLISHES
from trainer.run.flow import parts_of_run
from trainer.run.records import (
    EvaluateResult,
    IngestResult,
    PromoteResult,
    RefitResult,
    RegisterResult,
    Result,
    TrainResult,
    TuneResult,
)
from trainer.tables.handover import SNAPSHOT
from trainer.tables.parquet import read_table

KILLABLE_SECONDS = 0.1
"""What is drawn: from the process's own start, most of which goes to imports, up to the undisturbed step's length."""


@dataclass
class Run:
    """One run of all steps in a home of its own."""

    world: World
    pipeline: Path
    features: RedisServer | None
    """The feature store, where this machine has a Redis."""
    seconds: dict[str, float] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def go(self, chance: random.Random | None, lengths: dict[str, float], kills: int) -> None:
        """Run every step to its end, killing some tries on the way."""
        for step, algorithm, _ in parts_of_run(load_pipeline(self.pipeline)):
            if step == PUBLISHES and not self.features:
                continue
            label = " ".join(filter(None, (step, algorithm)))
            for _ in range(kills if chance is not None else 0):
                if chance is not None and chance.random() < 0.5:
                    self._try(step, algorithm, chance.uniform(KILLABLE_SECONDS, lengths[label]))
                    self._look_between(label)
            began = time.monotonic()
            said = self._try(step, algorithm, None)
            self.seconds[label] = time.monotonic() - began
            if said:
                self.problems.append(f"{label}: failed after a kill: {said}")
                return

    def _try(self, step: str, algorithm: str, after: float | None) -> str:
        """Start a step; with `after`, kill its group by then. Returns what it said if it failed by itself."""
        command = [sys.executable, "-m", "trainer", "step", step, "--run", self.world.folder.uri]
        command += ["--algorithm", algorithm] if algorithm else []
        command += ["--pipeline", str(self.pipeline)] if step == "start" else []
        variables = {**os.environ, **self.world.variables, "TMPDIR": str(self.world.home / "tmp")}
        process = subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            said, _ = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            self.killed.append(f"{step} after {after:.2f} s")
        return said[-2000:] if process.returncode > 0 else ""

    def _look_between(self, label: str) -> None:
        """Production may at no instant be a version that was not accepted."""
        aliases = self.world.aliases()
        if "production" in aliases and self.world.folder.at("accept").result_or_none(_Any) is None:
            self.problems.append(f"{label}: production is {aliases['production']} before it was accepted")

    def end_state(self) -> dict[str, Any]:
        """What two runs of the same pipeline have in common if nothing was lost, repeated or left open."""
        at = self.world.folder.at
        tuned, trained = at("tune", ALGORITHM).result(TuneResult), at("train", ALGORITHM).result(TrainResult)
        refitted, evaluated = at("refit").result(RefitResult), at("evaluate").result(EvaluateResult)
        models = (trained.run_id, refitted.run_id)
        ours = [run for run in self.world.mlflow_runs() if run.info.run_id in models]
        return {
            "snapshot": at("ingest").result(IngestResult).digest,
            "trials": (tuned.trials, tuned.params, tuned.fold_scores),
            "model": (trained.params, trained.metrics, trained.cut_off),
            "predictions": Path(at("train", ALGORITHM).path("predictions.parquet")).read_bytes(),
            "challenger": (refitted.winner, refitted.learned_from, refitted.rows, refitted.cut_off, refitted.constants),
            "challenger's predictions": Path(at("refit").path("predictions.parquet")).read_bytes(),
            "test metrics": evaluated.metrics,
            "decision": at("decide").result(DecisionResult).outcome,
            "version": at("register").result(RegisterResult).version,
            "versions": self.world.versions(),
            "aliases": (at("promote").result(PromoteResult).aliases, self.world.aliases()),
            "MLflow runs left RUNNING": self.world.running(),
            "parent runs": len(self.world.of_task("parent")),
            "models": [run.info.status for run in ours],
            "features": self._features(),
            "files": self._files(),
            "temporary files": [path.name for path in (self.world.home / "tmp").iterdir()],
        }

    def _features(self) -> Any:
        """What readers find, and what lies in the store beside it."""
        if self.features is None:
            return None
        client = self.features.client()
        ids = read_table(self.world.folder.at("ingest"), SNAPSHOT, ["customer_id"])["customer_id"]
        found = FeatureStore.published(client, quick_churn().name).get_many(ids)
        return found.unknown, found.rows.hash_rows().sum(), client.dbsize()

    def _files(self) -> list[str]:
        root = Path(self.world.folder.root)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


class _Any(Result, extra="ignore"):
    """Whatever a step hands over."""


def new_run(home: Path, store: Path, features: RedisServer | None) -> Run:
    """A home with an empty MLflow store, and an empty feature store."""
    if features is not None:
        features.client().flushall()
    (home / "tmp").mkdir(parents=True)
    shutil.copy(store, home / "mlflow.db")
    file = home / "churn.yaml"
    file.write_text(quick_churn().to_yaml(), encoding="utf-8")
    return Run(World(home, features.variables if features else {}), file, features)


def differences(found: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    """One line for each part that is not as in the undisturbed run."""
    for name, value in expected.items():
        if found[name] != value:
            yield f"{name}: {str(found[name])[:300]} instead of {str(value)[:300]}"


def empty_store(folder: Path) -> Path:
    """A migrated MLflow database without a run."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{folder}/empty.db", f"file://{folder}/artifacts")
    store.engine.dispose()
    with closing(sqlite3.connect(folder / "empty.db")) as database:
        database.execute("PRAGMA integrity_check")
    return folder / "empty.db"


@contextmanager
def feature_store() -> Iterator[RedisServer | None]:
    """A Redis for `publish_features`, which is left out where this machine has none."""
    program = shutil.which("redis-server")
    if program is None:
        say(f"{PUBLISHES} is left out: `redis-server` is not on PATH")
        yield None
        return
    with serve_redis(program) as server:
        yield server


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run, kill, compare, tell; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2, help="at most so many for each step")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    chance = random.Random(given.seed)  # noqa: S311  (drawn again from its seed)
    say(f"chaos: {given.runs} runs, at most {given.kills} kills a step, --seed {given.seed}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch, feature_store() as features:
        store = empty_store(Path(scratch))
        undisturbed = new_run(Path(scratch) / "undisturbed", store, features)
        undisturbed.go(None, {}, 0)
        expected = undisturbed.end_state()
        say(f"undisturbed: {sum(undisturbed.seconds.values()):.0f} s")
        total = 0
        for number in range(1, given.runs + 1):
            run = new_run(Path(scratch) / f"run-{number}", store, features)
            run.go(chance, undisturbed.seconds, given.kills)
            problems = run.problems or list(differences(run.end_state(), expected))
            total += len(run.killed)
            failed += bool(problems)
            say(
                f"run {number}: {len(run.killed)} kills ({', '.join(run.killed)}): {'; '.join(problems) or 'as undisturbed'}",
            )
    say(f"{total} kills in {given.runs} runs: {failed} runs ended otherwise than an undisturbed one")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
