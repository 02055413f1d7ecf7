"""Pictures of a classifier's answers on test rows, production's beside the challenger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.plots.drawing import FIRST, HEIGHT, INK, LINE, PAPER, SECOND, SOFT, WIDTH, Drawing, figure, short

if TYPE_CHECKING:
    from trainer.problems.predictions import Predictions
    from trainer.run.records import ReliabilityBin

    Figures = dict[str, dict[str, float]]
    """Of each model, by name."""

MOST_CLASSES_WITH_COUNTS = 8
MOST_CURVES = 6


def confusion_drawing(models: dict[str, Predictions]) -> Drawing:
    """True classes against predicted ones, of each model."""
    import numpy as np

    challenger = models["challenger"]
    labels, tables = _tables(models)
    name = "confusion_matrix"
    table = tables["challenger"]
    if challenger.positive is not None:
        found, actual, called = int(table[1, 1]), int(table[1].sum()), int(table[:, 1].sum())
        title = f"Finds {found:,} of {actual:,} rows with {short(labels[1])}, and calls {called - found:,} others so"
    else:
        title = f"{np.trace(table) / table.sum():.1%} of {table.sum():,} test rows get their own class"
    alt = "Confusion matrix of the test rows. " + "; ".join(
        f"{who}: " + ", ".join(_cells(labels, counts)) for who, counts in tables.items()
    )
    size = WIDTH if len(labels) == 2 or len(tables) == 1 else 1.6 * WIDTH  # noqa: PLR2004
    height = HEIGHT * 0.8 if len(labels) == 2 else HEIGHT * (1 if len(tables) == 1 else 1.1)  # noqa: PLR2004
    made, axes = figure(title, size, height, panels=len(tables))
    for panel, (who, counts) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        _matrix(panel, labels, counts)
        if len(tables) > 1:
            panel.set_title(who, fontsize=10, fontweight="normal")
    return Drawing(name, title, alt, made)


def _tables(models: dict[str, Predictions]) -> tuple[list[str], dict[str, Any]]:
    """The labels, the positive one last of two, and for each model true classes (rows) by predicted ones (columns)."""
    import numpy as np

    first = next(iter(models.values()))
    if first.positive is None:
        labels = sorted({*first.classes, *(name for model in models.values() for name in model.classes)})
    else:
        seen = {
            label for model in models.values() for side in (model.truth, model.predicted) for label in side.tolist()
        }
        negative = sorted(seen - {first.positive}) or [f"not {first.positive}"]
        labels = [*negative, str(first.positive)]
    place = {label: index for index, label in enumerate(labels)}
    tables = {}
    for who, model in models.items():
        table = np.zeros((len(labels), len(labels)), dtype=int)
        np.add.at(table, ([place[str(x)] for x in model.truth], [place[str(x)] for x in model.predicted]), 1)
        tables[who] = table
    return labels, tables


def _cells(labels: list[str], counts: Any) -> list[str]:
    if len(labels) > MOST_CLASSES_WITH_COUNTS:
        return [f"{label} {counts[i, i]} of {counts[i].sum()} right" for i, label in enumerate(labels)]
    return [
        f"{counts[i, j]} {true} called {called}" for i, true in enumerate(labels) for j, called in enumerate(labels)
    ]


def _matrix(panel: Any, labels: list[str], counts: Any) -> None:
    """Cells as dark as their share of the true class, with the count in each."""
    from matplotlib.patches import Rectangle

    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    for i, j in [(i, j) for i in range(len(labels)) for j in range(len(labels))]:
        panel.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=FIRST, alpha=0.06 + 0.5 * shares[i, j], lw=0))
        if len(labels) <= MOST_CLASSES_WITH_COUNTS:
            text = f"{counts[i, j]:,}" + (f"\n{shares[i, j]:.0%}" if len(labels) == 2 else "")  # noqa: PLR2004
            panel.text(j, i, text, ha="center", va="center", color=INK, fontsize=10)
    panel.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5), xlabel="predicted", ylabel="true")
    ticks = range(len(labels))
    turned = len(labels) > 4 or max(map(len, labels)) > 8  # noqa: PLR2004
    panel.set_xticks(
        ticks, [short(label) for label in labels], rotation=35 if turned else 0, ha="right" if turned else "center"
    )
    panel.set_yticks(ticks, [short(label) for label in labels])
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)


def roc_drawing(models: dict[str, Predictions], figures: Figures) -> Drawing:
    """The ROC curve of each model of two classes."""
    from sklearn.metrics import roc_curve

    areas = {who: figures[who]["auc_roc"] for who in models}
    title = f"ROC-AUC {areas['challenger']:.3f}" + _beside(areas)
    made, panel = figure(title)
    for who, model in models.items():
        ((is_positive, probability),) = model.one_versus_rest()
        wrong, found, _ = roc_curve(is_positive, probability)
        _line(panel, wrong, found, who, f"{who} {areas[who]:.3f}")
    panel.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="by chance .5")
    _square(panel, "share of the others called positive", "share of positive rows found")
    panel.legend(loc="lower right")
    alt = f"ROC curve on {models['challenger'].truth.size:,} test rows: {title}; by chance it would be .5."
    return Drawing("roc", title, alt, made)


def one_versus_rest_drawing(challenger: Predictions) -> Drawing:
    """The ROC curves of the classes that are hardest to tell from the rest."""
    from sklearn.metrics import roc_auc_score, roc_curve

    made, panel = figure("")
    areas = {}
    for label, (is_class, probability) in zip(challenger.classes, challenger.one_versus_rest(), strict=True):
        if is_class.any() and not is_class.all():
            areas[str(label)] = (float(roc_auc_score(is_class, probability)), roc_curve(is_class, probability)[:2])
    worst = sorted(areas, key=lambda name: areas[name][0])
    shades = [FIRST, SECOND, "#009e73", "#cc79a7", "#e69f00", SOFT]
    for colour, dashes, name in zip(shades, ("-", "--", "-.", ":", "-", "--"), worst[:MOST_CURVES], strict=False):
        area, (wrong, found) = areas[name]
        panel.plot(wrong, found, color=colour, linestyle=dashes, label=f"{short(name)} {area:.3f}")
    panel.plot([0, 1], [0, 1], color=LINE, linewidth=1)
    _square(panel, "share of the others called so", "share of the class found")
    panel.legend(loc="lower right", title="one class against the rest" if len(areas) <= MOST_CURVES else "the hardest")
    title = f"{short(worst[0])} is the hardest to tell: ROC-AUC {areas[worst[0]][0]:.3f}" if worst else "ROC"
    made.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    alt = "ROC-AUC of each class against the rest on the test rows: " + ", ".join(
        f"{name} {areas[name][0]:.3f}" for name in worst
    )
    return Drawing("roc", title, alt, made)


def precision_recall_drawing(models: dict[str, Predictions], figures: Figures) -> Drawing:
    """Precision against recall of each model of two classes, with the challenger at its cut-off."""
    from sklearn.metrics import precision_recall_curve

    areas = {who: figures[who]["auc_pr"] for who in models}
    title = f"Average precision {areas['challenger']:.3f}" + _beside(areas)
    made, panel = figure(title)
    rate = 0.0
    for who, model in models.items():
        ((is_positive, probability),) = model.one_versus_rest()
        precision, recall, _ = precision_recall_curve(is_positive, probability)
        _line(panel, recall, precision, who, f"{who} {areas[who]:.3f}")
        rate = float(is_positive.mean())
    panel.axhline(rate, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label=f"by chance {rate:.3f}")
    chosen = figures["challenger"]
    panel.plot(
        chosen["positive_recall"],
        chosen["positive_precision"],
        "o",
        color=FIRST,
        markeredgecolor=PAPER,
        markersize=8,
        label="at the cut-off",
    )
    _square(panel, "recall (share of positive rows found)", "precision (share called rightly)")
    panel.legend(loc="best")
    alt = (
        f"Precision against recall on the test rows: {title}; by chance {rate:.3f}. At the cut-off the challenger has "
        f"precision {chosen['positive_precision']:.3f} and recall {chosen['positive_recall']:.3f}."
    )
    return Drawing("precision_recall", title, alt, made)


def calibration_drawing(bins: dict[str, list[ReliabilityBin]]) -> Drawing:
    """What each model of two classes predicts against what is observed."""
    own = bins["challenger"]
    rows = sum(part.rows for part in own)
    gap = sum(part.rows * abs(part.predicted - part.observed) for part in own) / rows
    title = f"Probabilities are off by {gap:.1%} on average"
    made, panel = figure(title)
    panel.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="predicted = observed")
    for who, parts in bins.items():
        _line(panel, [part.predicted for part in parts], [part.observed for part in parts], who, who, marker="o")
    _square(panel, "mean predicted probability", "share that is positive")
    panel.legend(loc="upper left")
    alt = f"Calibration over {len(own)} bins of about {rows // max(len(own), 1)} test rows each: " + ", ".join(
        f"{part.predicted:.2f} predicted, {part.observed:.2f} observed" for part in own
    )
    return Drawing("calibration", title, alt, made)


def _beside(areas: dict[str, float]) -> str:
    return f", production {areas['production']:.3f}" if "production" in areas else ""


def _line(panel: Any, across: Any, up: Any, who: str, label: str, marker: str = "") -> None:
    challenger = who == "challenger"
    panel.plot(
        across, up, color=FIRST if challenger else SECOND, linestyle="-" if challenger else "--", label=label,
        marker=marker, markersize=5, zorder=3 if challenger else 2,
    )  # fmt: skip


def _square(panel: Any, across: str, up: str) -> None:
    panel.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up)
    panel.grid(visible=True)
    panel.set_axisbelow(True)
