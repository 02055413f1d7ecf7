"""A home with two versions, and a router that serves the first one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.conftest import changed
from tests.trainer.serving.router_world import RouterWorld
from tests.trainer.steps.conftest import Runs
from trainer.deployment.target import Served
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.records import StageResult

KEY = "deployment-1"
STAGED = StageResult(rows=1, rows_from="test rows", largest_difference=0, median_ms=1, p99_ms=1)


@dataclass(frozen=True)
class Deployments(Runs):
    """Version 1 has all traffic of the router; version 2 is production, and a deployment of it has begun."""

    router: RouterWorld

    @property
    def run(self) -> RunFolder:
        return self.at(KEY)

    @property
    def served(self) -> Served:
        return self.router.target.state()

    @property
    def shares(self) -> list[tuple[str, float]]:
        return [(share.version, share.percent) for share in self.served.shares]

    def begin(self, **rules: Any) -> None:
        """Run the step `start_deployment`, with other keys in the section `deployment`."""
        rules = {"canary_percent": 50, "canary_minutes": 0.01, "min_requests": 5, **rules}
        self.step("start_deployment", key=KEY, pipeline=changed(self.pipeline, deployment=rules))

    def stage(self) -> None:
        """Let version 2 run, as `stage` does; its smoke test needs the model itself."""
        self.router.target.start("2", self.digest)
        self.run.at("stage").finish(STAGED)

    @property
    def digest(self) -> str:
        from trainer.registry.origin import recorded_digest

        return recorded_digest(self.client, self.model, "1")

    def ask(self, number: int = 40) -> None:
        for unit in range(number):
            assert self.router.ask(f"unit {unit}").status_code == 200

    def second_version(self) -> None:
        """Register the model of version 1 again, as version 2, and let the alias name it."""
        version = self.client.get_model_version(self.model, "1")
        self.client.create_model_version(self.model, version.source, version.run_id, tags=version.tags)
        self.client.set_registered_model_alias(self.model, "production", "2")


def with_deployment(pipeline: Pipeline) -> Pipeline:
    registry = {**pipeline.registry.model_dump(mode="json"), "model": "churn-predictor-sample"}
    return changed(pipeline, deployment={}, registry=registry)
