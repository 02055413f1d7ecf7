"""Choose the challenger on validation rows, and judge it beside production on test rows."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError, ModelRefusedError, TrainerError
from trainer.isolated.scoring import Scored, score_in_isolation
from trainer.run.results import Candidate, Compared, EvaluateResult, TrainResult, TuneResult

if TYPE_CHECKING:
    import polars as pl

    from trainer.models.registry import Reference
    from trainer.models.scores import Predictions
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

LARGEST_DIFFERENCE = 1e-6
"""Between what a model answered in training and what it answers once loaded (floats travel through no text)."""


def run(pipeline: Pipeline, run: RunFolder) -> EvaluateResult:
    """The winner by the tuning metric on validation rows; its test figures; production's on the same rows.

    Test rows are used here, once, and each model is scored in a process of its own.
    """
    from trainer.models.registry import aliases_of, production_reference
    from trainer.tracking import connect

    candidates = {name: run.at("train", name).result(TrainResult) for name in pipeline.selected_algorithms}
    winner = _winner(pipeline, candidates)
    reference = production_reference(pipeline.registry.model)
    test, truth, keys = rows_of(pipeline, run, "test")
    fair = _never_seen(keys, reference) if reference else None
    challenger, production = _score_both(pipeline, run, candidates[winner], reference, test)
    judged = _predictions(pipeline, truth, challenger.output)
    result = EvaluateResult(
        winner=winner,
        candidates=[_candidate(pipeline, run, name, trained) for name, trained in candidates.items()],
        model_uri=candidates[winner].model_uri,
        model_id=candidates[winner].model_id,
        run_id=candidates[winner].run_id,
        test_rows=test.height,
        metrics=_figures(pipeline, judged),
        aliases=aliases_of(connect(), pipeline.registry.model),
    )
    if reference is None or production is None or fair is None:
        return result
    rival = _predictions(pipeline, truth, production.output)
    return result.model_copy(
        update={
            "production_version": reference.version,
            "production_metrics": _figures(pipeline, rival),
            "comparison": _compare(pipeline, judged, rival, fair),
        }
    )


def _winner(pipeline: Pipeline, candidates: dict[str, TrainResult]) -> str:
    metric = pipeline.tuning.metric
    sign = 1 if pipeline.greater_is_better else -1
    winner = max(candidates, key=lambda name: sign * candidates[name].metrics[metric])
    logger.info("%s wins with validation %s %.4f", winner, metric, candidates[winner].metrics[metric])
    return winner


def _candidate(pipeline: Pipeline, run: RunFolder, name: str, trained: TrainResult) -> Candidate:
    tuned = run.at("tune", name).result(TuneResult)
    return Candidate(
        algorithm=name,
        validation=trained.metrics[pipeline.tuning.metric],
        cv_mean=tuned.cv_mean,
        cv_std=tuned.cv_std,
        seconds=tuned.seconds + trained.seconds,
    )


def rows_of(pipeline: Pipeline, run: RunFolder, part: str) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """A part's rows with all raw columns but the target, its targets and its row keys."""
    from trainer.data.tables import read_table
    from trainer.steps.engineer_features import KEY, KEYS, PART
    from trainer.steps.ingest import SNAPSHOT

    keys = read_table(run.at("engineer_features"), KEYS)
    chosen = keys[PART] == part
    snapshot = read_table(run.at("ingest"), SNAPSHOT).filter(chosen)
    target = pipeline.columns.target
    return snapshot.drop(target), snapshot[target], keys[KEY].filter(chosen)


def _score_both(
    pipeline: Pipeline, run: RunFolder, winner: TrainResult, reference: Reference | None, test: pl.DataFrame
) -> tuple[Scored, Scored | None]:
    """The challenger's and production's answers on the test rows, each from a process of its own."""
    batch = pipeline.run.batch_size
    validation, _, keys = rows_of(pipeline, run, "validation")
    with ThreadPoolExecutor(2) as pool:
        both = pool.submit(_score_challenger, pipeline, run, winner, validation, keys, test)
        if reference is None:
            return both.result(), None
        uri = f"models:/{pipeline.registry.model}/{reference.version}"
        other = pool.submit(score_in_isolation, uri, test, batch)
        try:
            return both.result(), other.result()
        except TrainerError as error:
            if other.exception() is error:
                error.add_note("This is production's model: nothing can be compared with it, so nothing is promoted.")
            raise


def _score_challenger(
    pipeline: Pipeline,
    run: RunFolder,
    winner: TrainResult,
    validation: pl.DataFrame,
    keys: pl.Series,
    test: pl.DataFrame,
) -> Scored:
    """Score validation and test rows in one process, and check the first against what training saw."""
    import polars as pl

    scored = score_in_isolation(winner.model_uri, pl.concat([validation, test]), pipeline.run.batch_size)
    difference = largest_difference(run, winner.algorithm, keys, scored.output.head(validation.height))
    if difference > LARGEST_DIFFERENCE:
        raise ModelRefusedError(
            f"{winner.model_uri}: loaded in a process of its own it answers differently than in training, by up to "
            f"{difference:.3g} on {validation.height} validation rows"
        )
    return Scored(scored.output.tail(test.height), scored.size_mb, scored.latency_ms, scored.memory_mb)


def largest_difference(run: RunFolder, algorithm: str, keys: pl.Series, output: pl.DataFrame) -> float:
    """The largest difference between outputs (n rows, `keys` (n,)) and what training wrote for the same rows."""
    import polars as pl

    from trainer.data.tables import read_table
    from trainer.steps.engineer_features import KEY
    from trainer.steps.train import PREDICTIONS

    column = "probability" if "probability" in output.columns else "prediction"
    trained = read_table(run.at("train", algorithm), PREDICTIONS).unique(KEY).select(KEY, trained=column)
    both = pl.DataFrame({KEY: keys, "loaded": output[column]}).join(trained, on=KEY, how="left")
    if both["trained"].null_count():
        raise ModelRefusedError(f"{both['trained'].null_count()} rows have no prediction from training to compare with")
    return float((both["loaded"] - both["trained"]).abs().max() or 0.0)  # type: ignore[arg-type]


def _predictions(pipeline: Pipeline, truth: pl.Series, output: pl.DataFrame) -> Predictions:
    from trainer.models.outputs import predictions_of

    return predictions_of(pipeline.problem, truth, output, pipeline.columns.positive)


def _figures(pipeline: Pipeline, predictions: Predictions) -> dict[str, float]:
    from trainer.models.scores import score

    return score(pipeline.problem, predictions)


def _never_seen(keys: pl.Series, reference: Reference) -> pl.Series:
    """Which test rows production was neither trained nor tuned on. Raises DataValidationError without its record."""
    import fsspec
    import polars as pl

    from trainer.steps.engineer_features import KEY, PART

    if not reference.keys:
        raise DataValidationError(
            f"production version {reference.version} has no record of the rows that it was trained on, so no test row "
            "is known to be new to it; move the alias to a version that a run of this pipeline has registered"
        )
    try:
        with fsspec.open(reference.keys, "rb") as file:
            known = pl.read_parquet(file)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataValidationError(
            f"the rows that production version {reference.version} was trained on cannot be read from "
            f"{reference.keys!r}: {error}; bring the file back, or move the alias to a version that has one"
        ) from error
    seen = known.filter(pl.col(PART) != "test")[KEY]
    return ~keys.is_in(seen.to_list())


def _compare(pipeline: Pipeline, challenger: Predictions, production: Predictions, fair: pl.Series) -> Compared | None:
    """The paired comparison on rows that neither model has seen, or None where there are too few of them."""
    from trainer.models.bootstrap import paired_bootstrap

    rule = pipeline.gates.against_production
    rows = int(fair.sum())
    if rows < rule.min_rows:
        logger.warning("only %d test rows are new to production, %d are needed to compare", rows, rule.min_rows)
        return None
    mask = fair.to_numpy()
    compared = paired_bootstrap(
        pipeline.problem,
        rule.metric,
        challenger.rows(mask),
        production.rows(mask),
        resamples=rule.resamples,
        confidence=rule.confidence,
        seed=rule.seed,
    )
    return Compared(
        metric=rule.metric,
        challenger=compared.challenger,
        production=compared.production,
        gain=compared.gain,
        lower=compared.lower,
        upper=compared.upper,
        rows=rows,
        rows_left_out=len(fair) - rows,
    )
