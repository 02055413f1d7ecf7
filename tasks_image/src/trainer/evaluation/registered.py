"""The registered versions that a challenger is compared with: production and, with the rule `not_worse`, the anchor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError, TrainerError
from trainer.tables.handover import KEY, PART

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.registry.versions import Reference

NOT_COMPARED = {
    "production": "This is production's model: nothing can be compared with it, so nothing is promoted.",
    "anchor": "This is the anchor's model, which `rule: not_worse` compares with as well: nothing is promoted.",
}


@dataclass(frozen=True)
class Registered:
    """The versions that a challenger is compared with."""

    production: Reference
    anchor: Reference | None
    """With the rule `not_worse`; it may be production itself."""
    anchor_missing: str
    """The reason for which there is no anchor although the rule is `not_worse`."""
    never_seen: pl.Series
    """True for each of the rows (n,) that none of them was trained or tuned on."""

    @property
    def to_score(self) -> list[Reference]:
        """Each version once."""
        found = {one.version: one for one in (self.anchor, self.production) if one}
        return [*found.values()]


def find_registered(pipeline: Pipeline, keys: pl.Series) -> Registered | None:
    """Return production and its anchor, for rows with `keys` (n,), or None if there is no production.

    Raises DataValidationError if it is not on record which rows one of them has learned from.
    """
    from trainer.registry.anchor import Anchor, anchor_of
    from trainer.registry.tracking import connect
    from trainer.registry.versions import PRODUCTION, reference_of, version_of

    client, model = connect(), pipeline.registry.model
    production = version_of(client, model, PRODUCTION)
    if production is None:
        return None
    reference = reference_of(production)
    found = Registered(reference, None, "", never_seen(keys, reference))
    if pipeline.gates.against_production.rule != "not_worse":
        return found
    anchor: Anchor = anchor_of(client, production)
    if not anchor.version or anchor.version == reference.version:
        return replace(found, anchor=reference if anchor.version else None, anchor_missing=anchor.missing)
    other = replace(reference_of(client.get_model_version(model, anchor.version)), role="anchor")
    return replace(found, anchor=other, never_seen=found.never_seen & never_seen(keys, other))


def never_seen(keys: pl.Series, reference: Reference) -> pl.Series:
    """Return which rows (n,) a version was neither trained nor tuned on.

    Raises DataValidationError if that is not on record.
    """
    import polars as pl

    from trainer.registry.reference import known_keys

    seen = known_keys(reference).filter(pl.col(PART) != "test")[KEY]
    return ~keys.is_in(seen.to_list())


def trusted_digest(pipeline: Pipeline, experiment_id: str, reference: Reference) -> str:
    """Return the digest of a version's model; raises ModelRefusedError unless a run of this pipeline has written it."""
    from trainer.registry.origin import recorded_digest, refuse_foreign
    from trainer.registry.tracking import connect

    client, model = connect(), pipeline.registry.model
    try:
        refuse_foreign(client, model, reference.version, experiment_id)
        return recorded_digest(client, model, reference.version)
    except ModelRefusedError as error:
        error.add_note(NOT_COMPARED[reference.role])
        raise


def score_registered(pipeline: Pipeline, reference: Reference, digest: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a version's answers to rows (n, raw columns), from a process of its own; `digest` is its model's."""
    from trainer.isolated.scoring import score_in_isolation

    uri = f"models:/{pipeline.registry.model}/{reference.version}"
    try:
        return score_in_isolation(uri, rows, pipeline.scoring_batch, digest=digest).output
    except TrainerError as error:
        error.add_note(NOT_COMPARED[reference.role])
        raise
