"""The target is one of some classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.labels import alike, as_label, labels_of
from trainer.problems.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from trainer.problems.predictions import Predictions
    from trainer.problems.problem import Array

EXAMPLES = 5


class Classification(Problem):
    """What two classes and more have in common."""

    has_classes = True
    usual_metric = "auc_roc"

    def undefined(self, predictions: Predictions) -> set[str]:
        """Areas where all rows are of one class."""
        return {"auc_roc", "auc_pr"} if (predictions.truth == predictions.truth[0]).all() else set()

    def target_mistakes(self, target: pl.Series, positive: Any) -> list[str]:
        present = target.drop_nulls()
        classes = present.unique().to_list()
        where = f"columns.target: {target.name!r}"
        if same := alike(classes):
            return [f"{where} has classes that read the same: {', '.join(map(repr, same[0]))}; write each in one way"]
        return self.class_mistakes(target.name, classes, positive)

    def class_mistakes(self, target: str, classes: list[Any], positive: Any) -> list[str]:
        """What is wrong with the number of classes, or with the one that is named."""
        raise NotImplementedError

    def classes_of(self, targets: pl.Series) -> tuple[Any, ...]:
        return tuple(targets.unique().sort().to_list())

    def encode(self, targets: pl.Series, classes: tuple[Any, ...]) -> np.ndarray:
        """Codes in the order of `classes`."""
        import polars as pl

        codes = {value: code for code, value in enumerate(classes)}
        unknown = targets.filter(~targets.is_in(list(classes))).unique().to_list()
        if unknown:
            raise DataValidationError(
                f"target {targets.name!r}: classes {unknown[:EXAMPLES]} do not occur in the training rows"
            )
        return targets.replace_strict(codes, return_dtype=pl.Int64).to_numpy()

    def estimator(self, *, of_numbers: Any, of_classes: Any) -> Any:  # noqa: ARG002
        return of_classes

    def score_alone(self, inputs: Array, targets: Array, *, depth: int, leaf: int, seed: int) -> float:
        from sklearn.tree import DecisionTreeClassifier

        half, labels = len(targets) // 2, targets.astype(str)
        tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=seed)
        tree.fit(inputs[:half], labels[:half])
        return self.score_tree(tree, inputs[half:], labels[half:])

    def score_tree(self, tree: Any, inputs: Array, labels: Array) -> float:
        """The figure of a fitted tree on rows (n, 1) and their labels (n,)."""
        raise NotImplementedError


def found_classes(classes: Iterable[Any]) -> str:
    """How many classes were found, and which, for a message."""
    labels = sorted(map(as_label, classes))
    shown = ", ".join(map(repr, labels[:EXAMPLES]))
    return f"{len(labels)}: {shown}{', …' if len(labels) > EXAMPLES else ''}"


def label_texts(labels: pl.Series) -> NDArray[np.str_]:
    """Classes (n,) as labels, of which each is made once."""
    import numpy as np
    import polars as pl

    texts = labels_of(labels).fill_null(str(None))
    known = texts.unique().sort()
    places = texts.cast(pl.Enum(known)).to_physical().to_numpy()
    made: NDArray[np.str_] = np.array(known.to_list(), dtype=str)[places]
    return made
