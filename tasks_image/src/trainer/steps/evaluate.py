"""Judge the challenger beside production on test rows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError, TrainerError
from trainer.evaluation.comparison import Rival, compare
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
from trainer.tables.handover import FEATURES, KEY, PART, PREDICTIONS, SNAPSHOT, largest_difference, rows_of

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.problems.predictions import Predictions
    from trainer.registry.versions import Reference
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

NOT_COMPARED = "This is production's model: nothing can be compared with it, so nothing is promoted."


def run(pipeline: Pipeline, run: RunFolder) -> EvaluateResult:
    """The challenger's test figures, and production's on the same rows.

    Test rows are used here, once, and each model is scored in a process of its own. How the challenger behaves when
    rows are changed is seen on validation rows.
    """
    from trainer.isolated.records import unchanged_records
    from trainer.problems.calibration import reliability
    from trainer.registry.promotion import rollback_of
    from trainer.registry.tracking import connect
    from trainer.registry.versions import aliases_of, production_reference

    candidates = {name: run.at("train", name).result(TrainResult) for name in pipeline.selected_algorithms}
    challenger = run.at("refit").result(RefitResult)
    reference = production_reference(pipeline.registry.model)
    held = rollback_of(connect(), pipeline.registry.model)
    test, truth, keys = rows_of(pipeline, run, "test")
    fair = _never_seen(keys, reference) if reference else None
    with unchanged_records(run):
        answers = _score_both(pipeline, run, challenger, reference, test)
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
    if reference is None or answers.production is None or fair is None:
        return result.model_copy(update={"slices": _slices(pipeline, run, judged, None)})
    rival = Rival(_predictions(pipeline, truth, answers.production), fair.to_numpy())
    compared = _compare(pipeline, judged, rival)
    beside = rival if compared else None  # its figures on rows that it has learned from would tell nothing
    return result.model_copy(
        update={
            "production_version": reference.version,
            "production_metrics": _figures(pipeline, beside.predictions) if beside else {},
            "comparison": compared,
            "rows_new_to_production": int(fair.sum()),
            "slices": _slices(pipeline, run, judged, beside),
        }
    )


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
    production: pl.DataFrame | None = None


def _score_both(
    pipeline: Pipeline, run: RunFolder, challenger: RefitResult, reference: Reference | None, test: pl.DataFrame
) -> _Answers:
    """The challenger's and production's answers, each from a process of its own."""
    digest = _trusted(pipeline, run, reference) if reference else ""
    with ThreadPoolExecutor(2) as pool:
        both = pool.submit(_score_challenger, pipeline, run, challenger, test)
        if reference is None:
            return both.result()
        uri = f"models:/{pipeline.registry.model}/{reference.version}"
        other = pool.submit(score_in_isolation, uri, test, pipeline.scoring_batch, digest=digest)
        try:
            return replace(both.result(), production=other.result().output)
        except TrainerError as error:
            if other.exception() is error:
                error.add_note(NOT_COMPARED)
            raise


def _trusted(pipeline: Pipeline, run: RunFolder, reference: Reference) -> str:
    """The digest of production's model, if a run of this pipeline has written it; else raises ModelRefusedError."""
    from trainer.registry.origin import recorded_digest, refuse_foreign
    from trainer.registry.tracking import connect

    client, model = connect(), pipeline.registry.model
    try:
        refuse_foreign(client, model, reference.version, run.at("start").result(StartResult).experiment_id)
        return recorded_digest(client, model, reference.version)
    except ModelRefusedError as error:
        error.add_note(NOT_COMPARED)
        raise


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
    if answers.production is not None:
        sides.append(answers.production.rename(lambda name: f"production_{name}"))
    write_table(run, PREDICTIONS, pl.concat(sides, how="horizontal"))


def _slices(pipeline: Pipeline, run: RunFolder, judged: Predictions, rival: Rival | None) -> list[Segment]:
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
    return judge_slices(problem, pipeline.gates, columns, columns[PART], challenger=judged, rival=rival)


def _predictions(pipeline: Pipeline, truth: pl.Series, output: pl.DataFrame) -> Predictions:
    return problem_of(pipeline.problem).predictions(truth, output, pipeline.columns.positive)


def _figures(pipeline: Pipeline, predictions: Predictions) -> dict[str, float]:
    return problem_of(pipeline.problem).score(predictions)


def _never_seen(keys: pl.Series, reference: Reference) -> pl.Series:
    """Which test rows production was neither trained nor tuned on. Raises DataValidationError without its record."""
    import polars as pl

    from trainer.registry.reference import known_keys

    seen = known_keys(reference).filter(pl.col(PART) != "test")[KEY]
    return ~keys.is_in(seen.to_list())


def _compare(pipeline: Pipeline, challenger: Predictions, rival: Rival) -> Compared | None:
    """The paired comparison on rows that neither model has seen, or None where there are too few of them."""
    rule = pipeline.gates.against_production
    rows = int(rival.never_seen.sum())
    if rows < rule.min_rows:
        logger.warning("only %d test rows are new to production, %d are needed to compare", rows, rule.min_rows)
        return None
    return compare(problem_of(pipeline.problem), rule, challenger, rival.predictions, rival.never_seen)
