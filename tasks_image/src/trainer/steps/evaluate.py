"""Judge the challenger beside production on test rows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelRefusedError
from trainer.evaluation.comparison import Rival, compare
from trainer.evaluation.registered import find_registered, score_registered, trusted_digest
from trainer.isolated.scoring import score_in_isolation
from trainer.modalities import modality_of
from trainer.problems import problem_of
from trainer.run.records import (
    Behaved,
    Candidate,
    Compared,
    EvaluateResult,
    RefitResult,
    Segment,
    StartResult,
    TrainResult,
    TuneResult,
)
from trainer.tables.handover import FEATURES, PART, PREDICTIONS, SNAPSHOT, largest_difference, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from trainer.evaluation.registered import Registered
    from trainer.pipeline import Pipeline
    from trainer.problems.predictions import Predictions
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> EvaluateResult:
    """The challenger's test figures, and those of production and of the anchor on the same rows.

    Test rows are used here, once, and each model is scored in a process of its own. How the challenger behaves when
    rows are changed is seen on validation rows.
    """
    from trainer.isolated.records import unchanged_records
    from trainer.problems.calibration import reliability
    from trainer.registry.promotion import rollback_of
    from trainer.registry.tracking import connect
    from trainer.registry.versions import aliases_of

    candidates = {name: run.at("train", name).result(TrainResult) for name in pipeline.selected_algorithms}
    challenger = run.at("refit").result(RefitResult)
    test, truth, keys = rows_of(pipeline, run, "test")
    registered = find_registered(pipeline, keys)
    held = rollback_of(connect(), pipeline.registry.model)
    with unchanged_records(run):
        answers = _score_all(pipeline, run, challenger, registered, test)
    _write_predictions(run, keys, truth, answers)
    judged = _predictions(pipeline, truth, answers.challenger)
    result = EvaluateResult(
        winner=challenger.winner,
        candidates=[_candidate(pipeline, run, name, trained) for name, trained in candidates.items()],
        model_uri=challenger.model_uri,
        model_id=challenger.model_id,
        run_id=challenger.run_id,
        test_rows=test.height,
        metrics=_figures(pipeline, judged),
        reliability=reliability(judged),
        behaviour=answers.behaviour,
        model_digest=answers.digest,
        predictions=run.uri_of(PREDICTIONS),
        aliases=aliases_of(connect(), pipeline.registry.model),
        rollback=held.sentence(pipeline.registry.model) if held else "",
    )
    if registered is None:
        return result.model_copy(update={"slices": _slices(pipeline, run, judged)})
    return result.model_copy(update=_beside(pipeline, run, judged, registered, _rivals(pipeline, truth, answers)))


def _beside(
    pipeline: Pipeline, run: RunFolder, judged: Predictions, registered: Registered, rivals: dict[str, Predictions]
) -> dict[str, Any]:
    """Return the part of the result that is about production and the anchor; `rivals` are their answers by version."""
    fair = registered.never_seen.to_numpy()
    production, anchor = registered.production, registered.anchor
    rule = pipeline.gates.against_production
    compared = _compare(pipeline, judged, Rival(rivals[production.version], fair), rule.confidence)
    versions = dict.fromkeys(one.version for one in (production, anchor) if one)
    # Without a comparison, figures would be those of rows that a model has learned from.
    beside = {version: Rival(rivals[version], fair) for version in versions} if compared else {}
    before = beside.get(anchor.version) if anchor else None
    return {
        "production_version": production.version,
        "production_metrics": _figures(pipeline, rivals[production.version]) if compared else {},
        "comparison": compared,
        "rows_new_to_production": int(fair.sum()),
        "anchor_version": anchor.version if anchor else "",
        "anchor_missing": registered.anchor_missing,
        "anchor_comparison": _compare(pipeline, judged, before, rule.anchor_confidence) if before else None,
        "slices": _slices(pipeline, run, judged, [*beside.values()]),
    }


def _candidate(pipeline: Pipeline, run: RunFolder, name: str, trained: TrainResult) -> Candidate:
    tuned = run.at("tune", name).result(TuneResult)
    return Candidate(
        algorithm=name,
        validation=trained.metrics[pipeline.tuning.metric],
        cv_mean=tuned.cv_mean,
        cv_std=tuned.cv_std,
        seconds=tuned.seconds + trained.seconds,
    )


@dataclass(frozen=True)
class _Answers:
    """What the models answer to the test rows, and how the challenger behaves."""

    challenger: pl.DataFrame
    behaviour: list[Behaved]
    digest: str
    """Of the challenger's files."""
    registered: dict[str, pl.DataFrame] = field(default_factory=dict)
    """By version."""
    roles: dict[str, str] = field(default_factory=dict)
    """Version to `production` or `anchor`."""


def _score_all(
    pipeline: Pipeline, run: RunFolder, challenger: RefitResult, registered: Registered | None, test: pl.DataFrame
) -> _Answers:
    """The answers of the challenger, of production and of the anchor, each from a process of its own, two at a time."""
    experiment = run.at("start").result(StartResult).experiment_id
    others = registered.to_score if registered else []
    digests = [trusted_digest(pipeline, experiment, other) for other in others]
    with ThreadPoolExecutor(2) as pool:
        own = pool.submit(_score_challenger, pipeline, run, challenger, test)
        asked = {
            other: pool.submit(score_registered, pipeline, other, digest, test)
            for other, digest in zip(others, digests, strict=True)
        }
        return replace(
            own.result(),
            registered={other.version: answers.result() for other, answers in asked.items()},
            roles={other.version: other.role for other in others},
        )


def _score_challenger(pipeline: Pipeline, run: RunFolder, challenger: RefitResult, test: pl.DataFrame) -> _Answers:
    """Score validation, test and changed rows in one process, and check the first against what training saw."""
    import polars as pl

    from trainer.evaluation.acceptance import LARGEST_DIFFERENCE
    from trainer.evaluation.behaviour import BehaviourTrials

    validation, _, keys = rows_of(pipeline, run, "validation")
    trials = BehaviourTrials.of(pipeline, validation, modality_of(pipeline).change)
    asked = pl.concat([validation, *trials.rows, test])
    scored = score_in_isolation(challenger.model_uri, asked, pipeline.scoring_batch, digest=challenger.model_digest)
    before, answers = scored.output.head(validation.height), scored.output.tail(test.height)
    difference = largest_difference(run.at("refit"), keys, before)
    if difference > LARGEST_DIFFERENCE:
        raise ModelRefusedError(
            f"{challenger.model_uri}: loaded in a process of its own it answers differently than in training, by up to "
            f"{difference:.3g} on {validation.height} validation rows"
        )
    return _Answers(answers, trials.judge(scored.output), scored.digest)


def _write_predictions(run: RunFolder, keys: pl.Series, truth: pl.Series, answers: _Answers) -> None:
    """Keep the test rows' keys, truth and answers, for plots and for whoever doubts a figure."""
    import polars as pl

    from trainer.tables.parquet import write_table

    sides = [pl.DataFrame([keys, truth.alias("truth")]), answers.challenger]
    for version, output in answers.registered.items():
        role = answers.roles[version]
        sides.append(output.rename({name: f"{role}_{name}" for name in output.columns}))
    write_table(run, PREDICTIONS, pl.concat(sides, how="horizontal"))


def _slices(pipeline: Pipeline, run: RunFolder, judged: Predictions, rivals: Sequence[Rival] = ()) -> list[Segment]:
    import polars as pl

    from trainer.evaluation.slices import judge_slices
    from trainer.tables.parquet import read_table

    sliced = [gate.column for gate in pipeline.gates.slices]
    if not sliced:
        return []
    excluded = [name for name in sliced if name in pipeline.columns.exclude]
    inside = [name for name in sliced if name not in excluded]
    table = read_table(run.at("engineer_features"), FEATURES, [PART, *inside])
    columns = pl.concat([table, read_table(run.at("ingest"), SNAPSHOT, excluded)], how="horizontal")
    problem = problem_of(pipeline.problem)
    return judge_slices(problem, pipeline.gates, columns, columns[PART], challenger=judged, rivals=rivals)


def _predictions(pipeline: Pipeline, truth: pl.Series, output: pl.DataFrame) -> Predictions:
    return problem_of(pipeline.problem).predictions(truth, output, pipeline.columns.positive)


def _rivals(pipeline: Pipeline, truth: pl.Series, answers: _Answers) -> dict[str, Predictions]:
    return {version: _predictions(pipeline, truth, output) for version, output in answers.registered.items()}


def _figures(pipeline: Pipeline, predictions: Predictions) -> dict[str, float]:
    return problem_of(pipeline.problem).score(predictions)


def _compare(pipeline: Pipeline, challenger: Predictions, rival: Rival, bound_confidence: float) -> Compared | None:
    """The paired comparison on rows that no model has seen, or None where there are too few of them."""
    rule, problem = pipeline.gates.against_production, problem_of(pipeline.problem)
    rows = int(rival.never_seen.sum())
    if rows < rule.min_rows:
        logger.warning("only %d test rows are new to production, %d are needed to compare", rows, rule.min_rows)
        return None
    return compare(problem, rule, challenger, rival.predictions, rival.never_seen, bound_confidence=bound_confidence)
