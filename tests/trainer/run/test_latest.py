"""The link to the newest run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run import RunFolder
from trainer.run.latest import mark_latest

if TYPE_CHECKING:
    from pathlib import Path


def test_the_newest_run_is_linked(tmp_path: Path) -> None:
    for key in ("key-1", "key-2"):
        run = RunFolder.open(f"file://{tmp_path}/churn/{key}")
        run.write_text("pipeline.yaml", key)
        mark_latest(run.at("start"))
        assert (tmp_path / "latest/pipeline.yaml").read_text() == key
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn", "latest"]


def test_the_store_can_be_moved(tmp_path: Path) -> None:
    run = RunFolder.open(str(tmp_path / "store/churn/key-1"))
    run.write_text("pipeline.yaml", "here")
    mark_latest(run)
    (tmp_path / "store").rename(tmp_path / "moved")
    assert (tmp_path / "moved/latest/pipeline.yaml").read_text() == "here"


def test_an_object_store_has_no_link(s3_bucket: str) -> None:
    run = RunFolder.open(f"s3://{s3_bucket}/churn/key-1")
    run.write_text("pipeline.yaml", "here")
    mark_latest(run)
    assert run.filesystem.find(s3_bucket) == [f"{s3_bucket}/churn/key-1/pipeline.yaml"]
