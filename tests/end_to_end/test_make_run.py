"""What `make run` starts: whole runs of the DAG in real processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.world import QUICK

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

TELCO = Path("telco_churn") / "Telco-Customer-Churn.csv"
FEW_TRIALS = {"trials": 3}


def quick(checkout: Checkout, name: str, **sections: Any) -> None:
    """A pipeline of one quick algorithm."""
    checkout.pipeline(name, **{"algorithms": QUICK["algorithms"], "tuning": QUICK["tuning"], **sections})


def trials(checkout: Checkout, algorithm: str) -> int:
    """How many trials the last run's study of an algorithm has."""
    result = json.loads((checkout.latest / "tune" / algorithm / "result.json").read_text())
    return int(result["trials"])


def test_the_sample_is_promoted_and_then_kept(checkout: Checkout) -> None:
    assert checkout.run("churn", FEW_TRIALS, cold=True) == 0, checkout.log.read_text()[-3000:]
    first = checkout.summary()
    assert first["outcome"] == "promoted"
    assert first["data"]["sample"] is True
    assert first["data"]["rows"] == 7043
    assert first["model"] == {
        "name": "churn-predictor-sample",
        "version": "1",
        "aliases": {"production": "1", "staging": "1"},
    }
    assert [candidate["algorithm"] for candidate in first["candidates"]] == ["xgboost", "lightgbm", "random_forest"]
    assert all(gate["verdict"] == "passed" for gate in first["gates"])
    assert [trials(checkout, name) for name in ("xgboost", "lightgbm", "random_forest")] == [3, 3, 3]
    assert _share_of_attainable_auc(checkout, first) >= 0.97
    expected = {"start", "tune xgboost", "train random_forest", "refit", "evaluate", "promote", "report"}
    assert first["seconds"].keys() >= expected
    why = "this environment names no feature store (`feature_store.address`)"
    assert first["left_out"] == {"publish_features": why}
    log, told = checkout.log.read_text().split("\nPipeline churn", 1)
    assert f"left out: {why}" in log
    assert f"\nLeft out: publish_features: {why}\n" in told
    assert "BUILT-IN SAMPLE" in told.split("\n")[0]

    winner = first["winner"]
    assert checkout.run("churn", {**FEW_TRIALS, "algorithms": [winner]}) == 0, checkout.log.read_text()[-3000:]
    second = checkout.summary()
    assert second["outcome"] == "kept"
    assert second["run"] != first["run"]
    assert second["model"] == first["model"]
    assert second["drift"]["status"] == "stable"
    assert second["metrics"] == first["metrics"]
    gate = second["gates"][-1]
    assert (gate["name"], gate["verdict"], gate["value"]) == ("against_production", "not_better", 0.0)
    assert checkout.running() == []
    assert [mail["Subject"] for mail in checkout.mails()] == [
        "Training Pipeline - Success: churn promoted",
        "Training Pipeline - Success: churn kept",
    ]


def _share_of_attainable_auc(checkout: Checkout, summary: dict[str, Any]) -> float:
    """The model's ROC-AUC on the test rows as a share of that of each row's true risk on the same rows."""
    from sklearn.metrics import roc_auc_score

    from trainer.sources.samples.telco import generate_telco

    sample = generate_telco()
    keys = pl.read_parquet(checkout.latest / "engineer_features" / "keys.parquet")
    test = (keys["__part__"] == "test").to_numpy()
    attainable = roc_auc_score((sample.frame["Churn"] == "Yes").to_numpy()[test], sample.risk[test])
    return float(summary["metrics"]["auc_roc"] / attainable)


@pytest.mark.slow
@pytest.mark.telco
def test_the_real_file_is_promoted(checkout: Checkout) -> None:
    checkout.take_published(TELCO)
    assert checkout.run("churn", FEW_TRIALS) == 0, checkout.log.read_text()[-3000:]
    summary = checkout.summary()
    assert summary["outcome"] == "promoted"
    assert summary["data"]["sample"] is False
    assert summary["model"]["name"] == "churn-predictor"
    assert max(candidate["cv_auc_roc"] for candidate in summary["candidates"]) >= 0.845
    assert checkout.running() == []


def test_a_refused_model_fails_the_run_and_moves_nothing(checkout: Checkout) -> None:
    gates = {"auc_roc": 0.99, "against_production": {"metric": "auc_roc"}}
    quick(checkout, "strict", gates=gates)
    assert checkout.run("strict") == 1
    summary = checkout.summary()
    assert summary["outcome"] == "refused"
    assert "auc_roc" in summary["reason"]
    assert "is below the limit 0.99" in summary["reason"]
    assert checkout.client.search_model_versions() == []
    assert checkout.running() == []
    decision = json.loads((checkout.latest / "decide" / "decision.json").read_text())
    assert decision["outcome"] == "refuse"
    (mail,) = checkout.mails()
    assert mail["Subject"] == "Training Pipeline - Failure: strict refused"
    assert "is below the limit 0.99" in mail.get_body(("plain",)).get_content()


def test_without_a_scheduler_nobody_is_asked_and_production_stays(checkout: Checkout) -> None:
    quick(checkout, "asking", approval={"when": "always", "start": True}, acceptance={}, behaviour=[])
    assert checkout.run("asking") == 0, checkout.log.read_text()[-3000:]
    summary = checkout.summary()
    assert summary["outcome"] == "kept"
    assert "without a scheduler nobody can be asked, so production stays" in summary["reason"]
    assert [answer["source"] for answer in summary["approvals"]] == ["nobody", "nobody"]
    assert checkout.client.search_model_versions() == []
    assert "Approval: a person has to approve this promotion" in checkout.log.read_text()


def test_a_run_killed_in_tune_resumes_and_loses_no_trial(checkout: Checkout) -> None:
    tuning = {"trials": 12, "folds": 3, "metric": "auc_roc", "startup_trials": 4}
    quick(checkout, "killed", tuning=tuning)
    run = checkout.start("killed")
    checkout.wait_for(lambda: "trial 4/12" in checkout.log.read_text())
    os.kill(_step(checkout, "tune"), signal.SIGKILL)
    assert run.wait(timeout=300) == 0, checkout.log.read_text()[-3000:]
    assert checkout.summary()["outcome"] == "promoted"
    assert "resuming after" in checkout.log.read_text()
    trials = _finished_trials(checkout)
    assert len(trials) == 12
    assert len({json.dumps(trial.params) for trial in trials}) == 12
    assert checkout.running() == []


def _step(checkout: Checkout, name: str) -> int:
    """The process of a running step."""
    (found,) = [process for process in checkout.warm.running_steps() if process.name() == f"step {name}"]
    return int(found.pid)


def _finished_trials(checkout: Checkout) -> list[Any]:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    (journal,) = (checkout.home / ".studies").glob("*.journal")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]


def test_an_interruption_ends_the_run_and_leaves_no_process(checkout: Checkout) -> None:
    estimator = {"KIND": "sklearn", "estimator": "sklearn.naive_bayes.GaussianNB"}
    search = {"var_smoothing": {"low": 1e-9, "high": 0.1, "log": True}}
    tuning = {"trials": 9000, "folds": 3, "metric": "auc_roc", "startup_trials": 2}
    algorithms = {name: {**estimator, "search": search} for name in ("first", "second", "third")}
    quick(checkout, "interrupted", algorithms=algorithms, tuning=tuning)
    run = checkout.start("interrupted", cold=True)
    checkout.wait_for(lambda: "trial 2/9000" in checkout.log.read_text())
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=90) == 130
    assert checkout.log.read_text().count("trial 1/9000") == 1
    last = checkout.log.read_text().strip().splitlines()[-1]
    assert last.startswith("Interrupted after")
    assert "the run has ended, its records are closed" in last
    checkout.wait_for(lambda: not checkout.processes(), seconds=5)
    assert checkout.running() == []
    assert checkout.client.search_model_versions() == []


def test_a_second_interruption_cuts_the_run_off(checkout: Checkout) -> None:
    quick(checkout, "cut", tuning={"trials": 500, "folds": 3, "metric": "auc_roc", "startup_trials": 2})
    run = checkout.start("cut")
    checkout.wait_for(lambda: "trial 2/500" in checkout.log.read_text())
    run.send_signal(signal.SIGINT)
    checkout.wait_for(lambda: "Interrupted: ending the run" in checkout.log.read_text())
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    assert "the run was cut off" in checkout.log.read_text()
    checkout.wait_for(lambda: not checkout.processes() and not checkout.warm.running_steps(), seconds=5)
