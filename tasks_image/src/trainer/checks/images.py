"""Checks of images before anything is trained: corrupt ones, other sizes, one colour, repeated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.inputs import input_warning
from trainer.inference.images import ImagePreparation
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import ImagePipeline
    from trainer.run.records import CheckResult

EXAMPLES = 5


def unusable_images(pipeline: ImagePipeline, rows: pl.LazyFrame) -> list[str]:
    """Images that cannot be read or are of another size, named by their id, as lines for a person."""
    import polars as pl

    images, schema = pipeline.images, rows.collect_schema()
    if images.column not in schema:
        return [f"images.column: there is no column {images.column!r}{did_you_mean(images.column, schema.names())}"]
    if schema[images.column] != pl.Binary:
        return [f"images.column: {images.column!r} is {schema[images.column]}, and images are bytes"]
    preparation = ImagePreparation.of(images)
    table = _named(pipeline, rows)
    wrong = [f"{name} {why}" for name, content in table.iter_rows() if (why := preparation.why_wrong(content))]
    if not wrong:
        return []
    shown = "; ".join(wrong[:EXAMPLES])
    return [f"{images.column}: {len(wrong)} of {table.height} images cannot be used: {shown}; replace or remove these"]


def suspicious_images(pipeline: ImagePipeline, rows: pl.LazyFrame) -> list[CheckResult]:
    """Warnings: images of one colour, and equal images with different labels."""
    import polars as pl

    column, target = pipeline.images.column, pipeline.columns.target
    table = _named(pipeline, rows)
    found = []
    preparation = ImagePreparation.of(pipeline.images)
    one_colour = [name for name, content in table.iter_rows() if _is_one_colour(preparation, content)]
    if one_colour:
        message = f"{len(one_colour)} images are of one colour: nothing can be told from them; remove them"
        found.append(input_warning("image_is_not_empty", column, "validity", message, one_colour[:EXAMPLES]))
    labels = rows.select(column, target).group_by(column).agg(pl.col(target).n_unique().alias("labels"))
    several = int(labels.filter(pl.col("labels") > 1).select(pl.len()).collect().item())
    if several:
        message = f"{several} images stand there with different labels: a model can learn only one; correct the labels"
        found.append(input_warning("equal_images_have_equal_labels", column, "consistency", message, []))
    return found


def _is_one_colour(preparation: ImagePreparation, content: bytes) -> bool:
    pixels = preparation.pixels([content])[0]
    return bool((pixels == pixels[:, :1, :1]).all())


def _named(pipeline: ImagePipeline, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the name and the bytes of each image."""
    import polars as pl

    name = pipeline.columns.id
    numbered = pl.concat_str(pl.lit("row "), pl.int_range(1, pl.len() + 1).cast(pl.String))
    called = numbered if name is None else pl.col(name).cast(pl.String)
    return rows.select(called.alias("name"), pipeline.images.column).collect()
