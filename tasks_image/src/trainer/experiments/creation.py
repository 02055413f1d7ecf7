"""Starting an experiment: its versions are tried, and then the traffic is divided between them."""

from __future__ import annotations

import logging
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from trainer.environment import read_environment
from trainer.errors import ConfigurationError, TrainerError
from trainer.experiments.outcomes import open_store
from trainer.experiments.records import NAME, Experiment, parse_model_address

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.deployment.local_target import LocalTarget
    from trainer.deployment.target import Served
    from trainer.experiments.store import ExperimentStore

logger = logging.getLogger(__name__)

SMOKE_ROWS = 100


class _Arm(NamedTuple):
    version: str
    digest: str


def create_experiment(name: str, model_a: str, model_b: str, traffic_split: float, duration_days: float) -> str:
    """Divide the traffic of a model's router between two versions, and return the experiment's id, which is its name.

    Called again with the same arguments after a kill, it goes on; once started, the name is in use.

    :param name: lower-case letters, digits, `_` and `-`
    :param model_a: the version in service, such as `models:/churn-predictor/3` or `models:/churn-predictor@production`
    :param model_b: another version of the same registered model
    :param traffic_split: the share of the units that get `model_b`, above 0 and below 1
    :param duration_days: how long it is planned to run, up to 366 days; it runs until it is ended

    Raises ConfigurationError for a wrong argument, a name in use, an unknown version, or if another experiment or a
    canary runs on the router; ModelRefusedError if no run has registered a version or its answers are not those of the
    registered model; OutageError if the router or the database does not answer. Traffic stays where it was then.
    """
    from trainer.registry.versions import asking_mlflow

    asked = _asked(name, model_a, model_b, traffic_split, duration_days)
    with asking_mlflow() as client:
        experiment, arms = _settled(client, asked, model_a, model_b)
        target, store = _target(experiment.model), open_store()
        before = _not_busy(target, experiment)
        experiment = _added(store, experiment, is_divided=before.experiment == name)
        try:
            for arm in arms:
                _try(client, target, experiment.model, arm)
        except TrainerError:
            for arm in arms:
                if arm.version not in before.running:
                    target.remove(arm.version)
            raise
        _record(client, experiment)
        _divide(target, experiment)
    started = experiment.model_copy(update={"started_at": time.time()})
    store.update(started)
    logger.info(
        "experiment %s: %.4g %% of the units of %s get version %s, the others version %s",
        name, 100 * traffic_split, started.model, started.version_b, started.version_a,
    )  # fmt: skip
    return name


def _asked(name: str, model_a: str, model_b: str, traffic_split: float, duration_days: float) -> Experiment:
    """Return the experiment without its versions' numbers. Raises ConfigurationError for a wrong argument."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"name: {name!r} is not a name; use up to 63 lower-case letters, digits, `_` and `-`, beginning with a "
            "letter"
        )
    a, b = parse_model_address("model_a", model_a), parse_model_address("model_b", model_b)
    if a.model != b.model:
        raise ConfigurationError(
            f"model_a is a version of {a.model} and model_b one of {b.model}; an experiment compares two versions of "
            "one registered model, since one router serves one model"
        )
    try:
        return Experiment(
            name=name, model=a.model, version_a="1", version_b="1", traffic_split=traffic_split,
            duration_days=duration_days, salt=secrets.token_hex(8), created_at=time.time(),
        )  # fmt: skip
    except ValidationError as error:
        detail = error.errors()[0]
        raise ConfigurationError(
            f"{detail['loc'][0]}: {detail['msg']}, found {detail['input']!r}; traffic_split is the share of model_b, "
            "and model_a gets the rest"
        ) from error


def _settled(
    client: MlflowClient, asked: Experiment, model_a: str, model_b: str
) -> tuple[Experiment, tuple[_Arm, _Arm]]:
    """Return the experiment with its versions' numbers, and the digests of these."""
    from trainer.registry.origin import recorded_digest
    from trainer.registry.versions import find_version

    versions = []
    for argument, address in (("model_a", model_a), ("model_b", model_b)):
        model, version, alias = parse_model_address(argument, address)
        versions.append(str(find_version(client, model, version=version, alias=alias).version))
    if versions[0] == versions[1]:
        raise ConfigurationError(
            f"model_a and model_b are both version {versions[0]} of {asked.model}; name two versions"
        )
    settled = asked.model_copy(update={"version_a": versions[0], "version_b": versions[1]})
    a, b = (_Arm(version, recorded_digest(client, asked.model, version)) for version in versions)
    return settled, (a, b)


def _target(model: str) -> LocalTarget:
    """Return the router of a model. Raises ConfigurationError if the environment has another target."""
    from trainer.deployment.local_target import LocalTarget
    from trainer.deployment.targets import target_of

    target = target_of(read_environment().serving, model)
    if not isinstance(target, LocalTarget):
        raise ConfigurationError(
            f"serving: {target.address} cannot divide traffic by the unit's id; experiments need a router on this "
            "machine (`serving: local:///folder`)"
        )
    return target


def _not_busy(target: LocalTarget, experiment: Experiment) -> Served:
    """Return what is served.

    Raises ConfigurationError if the router has another experiment, a canary, or another version than A in service.

    The router checks it again when the traffic is divided.
    """
    served = target.state()
    if served.experiment not in ("", experiment.name):
        raise ConfigurationError(
            f"{experiment.model}: the experiment {served.experiment} divides the traffic already; end it first: "
            f"trainer experiment end {served.experiment}"
        )
    if len(served.shares) > 1 and not served.experiment:
        raise ConfigurationError(
            f"{experiment.model}: version {served.shares[1].version} is on trial as a canary; begin the experiment "
            "when that deployment has ended"
        )
    if served.main not in ("", experiment.version_a):
        raise ConfigurationError(
            f"{experiment.model}: version {served.main} is in service, not version {experiment.version_a}; name the "
            f"version in service as model_a, or deploy version {experiment.version_a} first"
        )
    return served


def _added(store: ExperimentStore, experiment: Experiment, *, is_divided: bool) -> Experiment:
    """Add the experiment, or return the one that an earlier call has added, which was killed or refused.

    :param is_divided: True if the router divides the traffic for an experiment of this name
    """
    if store.add(experiment):
        return experiment
    found = store.get(experiment.name)
    if not found.started_at and found.is_same(experiment):
        return found
    if found.started_at or is_divided:
        raise ConfigurationError(
            f"the name {experiment.name} is in use: an experiment of {found.model} with the versions {found.version_a} "
            f"and {found.version_b} has it; choose another name"
        )
    store.update(experiment)
    return experiment


def _try(client: MlflowClient, target: LocalTarget, model: str, arm: _Arm) -> None:
    """Start a version without traffic; its answers to real rows have to be those of the registered model."""
    from trainer.deployment.smoke import smoke_test
    from trainer.deployment.versions import smoke_rows
    from trainer.isolated.scoring import score_in_isolation
    from trainer.registry.versions import RUN_FOLDER_TAG
    from trainer.run import RunFolder
    from trainer.scoring.versions import version_in_use

    folder = RunFolder.open(client.get_model_version(model, arm.version).tags[RUN_FOLDER_TAG])
    rows = smoke_rows(version_in_use(folder.pipeline(), arm.version, "deployment"), SMOKE_ROWS)
    expected = score_in_isolation(f"models:/{model}/{arm.version}", rows, digest=arm.digest).output
    target.start(arm.version, arm.digest)
    tested = smoke_test(target, arm.version, rows, expected)
    logger.info(
        "version %s answers %d rows like the registered model, one in %.3g ms",
        arm.version,
        rows.height,
        tested.median_ms,
    )


def _record(client: MlflowClient, experiment: Experiment) -> None:
    """Record it in the model's history, before it gets traffic: from then on its versions are kept."""
    from trainer.registry.experiment_records import RecordedExperiment, record_experiment
    from trainer.registry.history import person

    record = RecordedExperiment(
        name=experiment.name, version_a=experiment.version_a, version_b=experiment.version_b,
        traffic_split=experiment.traffic_split, by=person(),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )  # fmt: skip
    record_experiment(client, experiment.model, record)


def _divide(target: LocalTarget, experiment: Experiment) -> None:
    from trainer.serving.traffic import WHOLE, Share

    percent = WHOLE * experiment.traffic_split
    shares = (
        Share(version=experiment.version_a, percent=WHOLE - percent),
        Share(version=experiment.version_b, percent=percent),
    )
    target.begin_experiment(experiment.name, shares, experiment.salt, target.state().revision)
