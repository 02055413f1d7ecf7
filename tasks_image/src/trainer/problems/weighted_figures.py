"""Figures for many sets of row weights at once: each function gives one that takes weights (n, resamples)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.problems.figure import Weighted

    Array = NDArray[Any]


def weighted_mean(values: Array) -> Weighted:
    """The weighted mean of a value per row (n,)."""

    def weighted(weights: Array) -> Array:
        mean: Array = _total(values, weights) / weights.sum(axis=0)
        return mean

    return weighted


def weighted_root_mean(values: Array) -> Weighted:
    """The root of the weighted mean of a value per row (n,)."""
    import numpy as np

    mean = weighted_mean(values)
    return lambda weights: np.sqrt(mean(weights))


def weighted_mean_of_defined(values: Array) -> Weighted:
    """The weighted mean over the rows whose value (n,) is not NaN; undefined where none of them has a weight."""
    import numpy as np

    counted = ~np.isnan(values)

    def weighted(weights: Array) -> Array:
        sums = weights[counted].sum(axis=0)
        mean: Array = np.divide(
            _total(values[counted], weights[counted]), sums, out=np.full(sums.shape, np.nan), where=sums > 0
        )
        return mean

    return weighted


def weighted_ratio(values: Array, sizes: Array) -> Weighted:
    """The weighted sum of a value per row (n,) as a share of the weighted sum of the rows' sizes (n,), all above 0."""

    def weighted(weights: Array) -> Array:
        ratio: Array = _total(values, weights) / _total(sizes, weights)
        return ratio

    return weighted


def _total(values: Array, weights: Array) -> Array:
    """The weighted sum of values (n,); not by `@`, whose threads wait for each other where cores are shared."""
    import numpy as np

    total: Array = np.einsum("i,ij->j", values, weights)
    return total


def weighted_r2(truth: Array, losses: Array) -> Weighted:
    """1 - residual / total sum of squares of numbers (n,) and squared errors (n,).

    Undefined where all rows that have a weight share one target value.
    """
    import numpy as np

    centred = truth - truth.mean()  # or the sums of squares would cancel each other out
    squares = centred**2

    def weighted(weights: Array) -> Array:
        total = _total(squares, weights) - _total(centred, weights) ** 2 / weights.sum(axis=0)
        values, counted = np.broadcast_to(truth[:, None], weights.shape), weights > 0
        lowest = values.min(axis=0, where=counted, initial=np.inf)
        highest = values.max(axis=0, where=counted, initial=-np.inf)
        share: Array = np.divide(
            _total(losses, weights), total, out=np.full(total.shape, np.nan), where=lowest < highest
        )
        return 1 - share

    return weighted


def weighted_label_figure(kind: str, truth: Array, predicted: Array, *, of_code: int | None = None) -> Weighted:
    """Precision, recall or F1 of class codes (n,), from the weights of the confusion matrix.

    Averaged by class size, or of the class `of_code` alone.
    """
    import numpy as np

    # A class without a true row has no weight in the average.
    codes: Sequence[Any] = [of_code] if of_code is not None else np.unique(truth).tolist()
    # Rows of one cell of the confusion matrix stand side by side, so that a resample is summed once for all classes.
    order = np.lexsort((predicted, truth))
    cells, first = np.unique(np.stack([truth, predicted])[:, order], axis=1, return_index=True)
    is_true, is_called = (np.array([side == code for code in codes], dtype=float) for side in cells)

    def weighted(weights: Array) -> Array:
        sums = np.add.reduceat(weights[order], first, axis=0)
        true, called, hits = is_true @ sums, is_called @ sums, (is_true * is_called) @ sums
        by_class = {
            "precision": lambda: _ratio(hits, called),
            "recall": lambda: _ratio(hits, true),
            "f1_score": lambda: _ratio(2 * hits, called + true),
        }[kind]()
        average: Array = (by_class * true).sum(axis=0) / true.sum(axis=0)
        return average if of_code is None else by_class[0]

    return weighted


def _ratio(part: Array, whole: Array) -> Array:
    """0 where the whole is 0."""
    import numpy as np

    ratio: Array = np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
    return ratio


@dataclass(frozen=True)
class _Ranking:
    """The rows of one class against the rest, by falling probability."""

    members: Array
    """Positions of the rows of the class."""
    others: Array
    """Positions of the other rows."""
    members_at: Array
    """For each distinct probability of a member: how many members have it or a higher one."""
    others_at: Array
    """How many others have that probability or a higher one."""
    others_above: Array
    """How many others have a higher one."""


def _rank(is_member: Array, probability: Array) -> _Ranking:
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    members, others = order[is_member[order]], order[~is_member[order]]
    levels = np.unique(-probability[members])
    high = -probability[others]
    return _Ranking(
        members,
        others,
        np.searchsorted(-probability[members], levels, side="right"),
        np.searchsorted(high, levels, side="right"),
        np.searchsorted(high, levels, side="left"),
    )


def weighted_area(kind: str, classes: list[tuple[Array, Array]]) -> Weighted:
    """One-vs-rest areas averaged by class size, of what `Predictions.one_versus_rest` gives, or ranks in its place.

    Undefined where only one class has a weight.
    """
    import numpy as np

    rankings = [_rank(is_member, probability) for is_member, probability in classes]
    function = _roc if kind == "auc_roc" else _average_precision

    def weighted(weights: Array) -> Array:
        areas, sizes = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        defined = np.ones(weights.shape[1], dtype=bool)
        for ranking in rankings:
            members, others = _running(weights, ranking.members), _running(weights, ranking.others)
            areas += members[-1] * function(ranking, members, others)
            sizes += members[-1]
            defined &= others[-1] > 0
        area: Array = np.divide(areas, sizes, out=np.full(sizes.shape, np.nan), where=defined & (sizes > 0))
        return area

    return weighted


def _running(weights: Array, rows: Array) -> Array:
    """Weights of the first 0, 1, … of these rows, (rows + 1, resamples)."""
    import numpy as np

    sums = np.zeros((rows.size + 1, weights.shape[1]))
    np.cumsum(weights.take(rows, axis=0), axis=0, out=sums[1:])
    return sums


def _roc(ranking: _Ranking, members: Array, others: Array) -> Array:
    """The share of pairs in which the member ranks higher, ties counting half (Mann and Whitney 1947)."""
    import numpy as np

    hits = np.diff(members.take(ranking.members_at, axis=0), axis=0, prepend=0)
    higher = others.take(ranking.others_above, axis=0)
    higher += others.take(ranking.others_at, axis=0)
    lower = members[-1] * others[-1] - np.einsum("ij,ij->j", hits, higher) / 2
    return _ratio(lower, members[-1] * others[-1])


def _average_precision(ranking: _Ranking, members: Array, others: Array) -> Array:
    """The sum of precision times the gain in recall over all thresholds, as scikit-learn defines it."""
    import numpy as np

    found = members[ranking.members_at]
    precision = _ratio(found, found + others[ranking.others_at])
    hits = np.diff(found, axis=0, prepend=0)
    return _ratio(np.einsum("ij,ij->j", hits, precision), members[-1])
