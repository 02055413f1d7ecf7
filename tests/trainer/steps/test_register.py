"""The step `register`: one version per run and model, tagged with what later runs need, and no alias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.registry.versions import DIGEST_TAG, KEYS_DIGEST_TAG, KEYS_TAG, SNAPSHOT_TAG, aliases_of
from trainer.run import RunFolder
from trainer.run.records import EvaluateResult, FeaturesResult, IngestResult, RefitResult, RegisterResult, StartResult
from trainer.tables.parquet import file_digest


def registered(folder: RunFolder) -> RegisterResult:
    return folder.at("register").result(RegisterResult)


def test_the_version_belongs_to_the_challenger_and_has_no_alias(accepted: Any) -> None:
    result = registered(accepted.folder)
    evaluation = accepted.folder.at("evaluate").result(EvaluateResult)
    version = accepted.client.get_model_version(accepted.model, result.version)
    assert (result.model, result.version, result.created) == ("churn-predictor-sample", "1", True)
    fitted = accepted.folder.at("refit").result(RefitResult)
    assert (version.source, version.run_id) == (evaluation.model_uri, evaluation.run_id)
    assert (version.source, version.run_id) == (fitted.model_uri, fitted.run_id)
    assert aliases_of(accepted.client, accepted.model) == {}


def test_the_version_says_what_it_was_trained_on(accepted: Any) -> None:
    folder = accepted.folder
    ingest = folder.at("ingest").result(IngestResult)
    tags = accepted.client.get_model_version(accepted.model, "1").tags
    expected = {
        SNAPSHOT_TAG: ingest.snapshot,
        DIGEST_TAG: ingest.digest,
        KEYS_TAG: folder.at("engineer_features").result(FeaturesResult).keys,
        KEYS_DIGEST_TAG: file_digest(Path(folder.at("engineer_features").path("keys.parquet"))),
        "data.source": ingest.source,
        "trainer.pipeline": "churn",
        "trainer.algorithm": "logistic",
        "trainer.refit": "validation",
    }
    assert tags.items() >= expected.items()
    assert tags["trainer.run_folder"].endswith("/runs/churn/run-1")


def test_its_description_can_be_read_by_a_person(accepted: Any) -> None:
    metric = accepted.folder.at("evaluate").result(EvaluateResult).metrics["auc_roc"]
    rows = accepted.folder.at("engineer_features").result(FeaturesResult).rows
    description = accepted.client.get_model_version(accepted.model, "1").description
    assert description.startswith("Which telephone customers are about to leave: logistic, ")
    fitted = (
        f"fitted on {rows['train'] + rows['validation']:,} training and validation rows, of 1,500 in sample://telco"
    )
    assert f"{fitted}" in description
    assert description.endswith(f"; test auc_roc {metric:.4f}")


def test_registered_again_it_is_the_same_version(accepted: Any) -> None:
    accepted.step("register")
    result = registered(accepted.folder)
    assert (result.version, result.created) == ("1", False)
    assert len(accepted.client.search_model_versions(f"name = '{accepted.model}'")) == 1


def test_another_run_or_another_model_is_another_version(accepted: Any) -> None:
    folder = accepted.another("run-2")
    folder.at("evaluate").write_text("result.json", accepted.folder.at("evaluate").read_text("result.json"))
    accepted.step("register", key="run-2")
    assert registered(folder).version == "2"
    logged = accepted.client.create_logged_model("1", name="retrained")
    accepted.edit("refit", model_id=logged.model_id, model_uri=logged.model_uri)
    accepted.step("register")
    assert registered(accepted.folder).version == "3"


def test_what_pins_the_data_is_on_the_version_and_on_the_parent_run(accepted: Any) -> None:
    pins = {"dvc.hash": "0" * 32, "data.remote": f"s3://lake/files/md5/00/{'0' * 30}", "dvc.commit": "1" * 40}
    accepted.edit("ingest", tags=pins)
    logged = accepted.client.create_logged_model("1", name="retrained")
    accepted.edit("refit", model_id=logged.model_id, model_uri=logged.model_uri)
    accepted.step("register")
    version = accepted.client.get_model_version(accepted.model, registered(accepted.folder).version)
    assert version.tags.items() >= pins.items()
    accepted.step("report")
    parent = accepted.client.get_run(accepted.folder.at("start").result(StartResult).run_id)
    assert parent.data.tags.items() >= pins.items()
