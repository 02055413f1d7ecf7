"""Production moved by somebody else, or no longer what it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.world.checks import fails
from tests.faults.world.worlds import World
from trainer.errors import DataValidationError, ModelRefusedError, PromotionConflictError

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage


def test_production_that_somebody_moved_after_evaluation_stays(world_after: Stage, mail: Callable[[], str]) -> None:
    world = world_after("accept")
    source = world.client.get_model_version(world.model, "1").source
    other = world.client.create_model_version(world.model, source)
    world.client.set_registered_model_alias(world.model, "production", other.version)
    said = fails(world, "promote", PromotionConflictError, "compared with version 1, and now production is version 3")
    assert world.aliases() == {"production": "3"}
    assert f"promote: PromotionConflictError: {said}" in mail()


@pytest.mark.parametrize(("moment", "way_back"), [("staging", None), ("previous_production", "1"), ("production", "1")])
def test_production_that_somebody_moves_in_the_same_moment_is_seen(
    moment: str, way_back: str | None, world_after: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody moves it to version 3 right after one of our own moves."""
    from mlflow import MlflowClient

    world = world_after("accept")
    other = world.client.create_model_version(world.model, world.client.get_model_version(world.model, "1").source)
    original = MlflowClient.set_registered_model_alias

    def beside(self: Any, name: str, alias: str, version: str) -> None:
        original(self, name, alias, version)
        if alias == moment:
            original(self, name, "production", other.version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", beside)
    with pytest.raises(PromotionConflictError, match="now .* is version 3"):
        world.step("promote")
    assert world.aliases()["production"] == str(other.version) == "3"
    assert world.aliases().get("previous_production") == way_back


@pytest.mark.parametrize("how", ["gone", "corrupted"])
def test_production_that_cannot_be_loaded_refuses_the_run(
    how: str, world_after: Stage, mail: Callable[[], str], tmp_path: Path
) -> None:
    world = world_after("decide")
    model = Path(world.client.get_model_version_download_uri(world.model, "1").removeprefix("file://"))
    copy = shutil.copytree(model, model.with_name(f"{tmp_path.name}-{how}"))  # where runs of this pipeline write
    if how == "gone":
        shutil.rmtree(copy)
    else:
        next(copy.rglob("*.pickle")).write_bytes(b"no pickle")
    version = world.client.create_model_version(world.model, f"file://{copy}", tags=tags_of(world, "1"))
    world.client.set_registered_model_alias(world.model, "production", version.version)
    fails(world, "evaluate", ModelRefusedError, "its files have the SHA-256 .* they were changed after")
    assert "This is production's model: nothing can be compared with it, so nothing is promoted." in mail()


def tags_of(world: World, version: str) -> dict[str, str]:
    return dict(world.client.get_model_version(world.model, version).tags)


@pytest.mark.parametrize(
    ("tag", "step", "change", "message"),
    [
        ("data.snapshot", "detect_drift", Path.unlink, "drift reference of production's version 1"),
        ("data.snapshot", "detect_drift", lambda file: file.write_bytes(b"other"), "is not the file that it was trained on"),
        ("data.keys", "evaluate", Path.unlink, "the rows that production version 1 was trained on cannot be read"),
        ("data.keys", "evaluate", lambda file: file.write_bytes(b"other"), "production version 1 was trained on cannot be"),
    ],
    ids=["snapshot gone", "snapshot changed", "keys gone", "keys changed"],
)  # fmt: skip
def test_production_without_its_data_refuses_the_run(
    tag: str, step: str, change: Callable[[Path], Any], message: str, world_after: Stage, mail: Callable[[], str]
) -> None:
    world = world_after("decide")
    copy = world.home / "copy.parquet"
    shutil.copy(tags_of(world, "1")[tag].removeprefix("file://"), copy)
    world.client.set_model_version_tag(world.model, "1", tag, f"file://{copy}")
    change(copy)
    said = fails(world, step, DataValidationError, message)
    assert f"{step}: DataValidationError: {' '.join(said.split())}" in mail()
