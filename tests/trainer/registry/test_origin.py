"""Which files of the registry are loaded at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.registry.origin import _is_below, model_digest

HOME = "s3://models/churn"


@pytest.mark.parametrize(
    ("location", "home", "inside"),
    [
        ("s3://models/churn/models/m-1/artifacts", HOME, True),
        ("s3://models/churn-evil/models/m-1/artifacts", HOME, False),
        ("s3://evil/churn/models/m-1/artifacts", HOME, False),
        ("s3://models/churn/../evil/m-1", HOME, False),
        ("s3://models/churn", HOME, False),
        ("http://evil/models/churn/m-1", HOME, False),
        ("mlflow-artifacts:/1/models/m-1/artifacts", "mlflow-artifacts:/1", True),
        ("mlflow-artifacts:/12/models/m-1/artifacts", "mlflow-artifacts:/1", False),
        ("/home/runs/artifacts/churn/models/m-1", "file:///home/runs/artifacts/churn", True),
        ("/tmp/evil", "file:///home/runs/artifacts/churn", False),
    ],
)
def test_a_location_is_below_another(location: str, home: str, *, inside: bool) -> None:
    assert _is_below(location, home) is inside


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "MLmodel").write_text("flavors")
    (tmp_path / "data" / "model").write_text("weights")
    digest = model_digest(tmp_path)
    (tmp_path / "registered_model_meta").write_text("version 3")  # MLflow adds it to a download
    assert model_digest(tmp_path) == digest
    (tmp_path / "data" / "model").rename(tmp_path / "data" / "models")
    renamed = model_digest(tmp_path)
    (tmp_path / "data" / "models").write_text("weightz")
    changed = model_digest(tmp_path)
    (tmp_path / "data" / "registered_model_meta").write_text("part of the model")
    assert len({digest, renamed, changed, model_digest(tmp_path)}) == 4
