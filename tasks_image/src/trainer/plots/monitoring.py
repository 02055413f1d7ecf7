"""Pictures of looks at scored rows: performance, and drift, look after look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trainer.plots.drawing import FIRST, SECOND, SOFT, WIDTH, Drawing, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.run.records import VersionLook

MOST_LOOKS = 26


class DatedLook(NamedTuple):
    """A look at a version, and its month, day and time (UTC)."""

    time: str
    look: VersionLook


def performance_drawing(looks: Sequence[DatedLook]) -> Drawing | None:
    """Return the metric on labelled rows and its estimate, look after look, beside that at the promotion.

    The looks are of one version, oldest first. None if none of them has a performance or an estimate.
    """
    shown = [one for one in looks if one.look.performance or one.look.estimate][-MOST_LOOKS:]
    if not shown:
        return None
    judged = next((one.look.performance for one in reversed(shown) if one.look.performance), None)
    metric = judged.metric if judged else "auc_roc"
    made, panel = figure(f"{metric} of version {shown[-1].look.version}, look after look", width=1.6 * WIDTH)
    said = list[str]()
    for place, (time, look) in enumerate(shown):
        if look.performance and look.performance.metric == metric:
            now = look.performance.metrics[metric]
            panel.plot([place, place], [now.lower, now.upper], color=FIRST)
            panel.plot([place], [now.value], "o", color=FIRST, label=None if said else "on labelled rows")
            said.append(f"{time} {now.value:.3f} ({now.lower:.3f} to {now.upper:.3f})")
        if look.estimate and metric == "auc_roc":
            panel.plot([place + 0.12], [look.estimate.auc_roc.value], "s", color=SECOND, markerfacecolor="none")
    if judged:
        before = judged.reference[metric]
        panel.axhspan(before.lower, before.upper, color=SOFT, alpha=0.15, lw=0)
        panel.axhline(before.value, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    panel.set_xticks(range(len(shown)), [time for time, _ in shown], rotation=35, ha="right")
    panel.set(ylabel=metric, xlim=(-0.5, len(shown) - 0.5))
    panel.grid(visible=True, axis="y")
    title = "Points: on labelled rows, with interval; squares: estimated; band: at the promotion"
    alt = f"{metric} by look: " + ("; ".join(said) or "no look has labelled rows")
    return Drawing("performance_by_look", title, alt, made)


def drift_drawing(looks: Sequence[DatedLook], limit: float) -> Drawing | None:
    """Return the share of inputs that drifted, look after look; None if no look has new rows.

    :param limit: the share from which on rows have drifted
    """
    shown = [(time, look.drift_share) for time, look in looks if look.drift_share is not None][-MOST_LOOKS:]
    if not shown:
        return None
    title = f"{shown[-1][1]:.0%} of the inputs have drifted in the newest look"
    made, panel = figure(title, width=1.6 * WIDTH)
    panel.bar(range(len(shown)), [share for _, share in shown], color=FIRST, width=0.6)
    panel.axhline(limit, color=SECOND, linewidth=1, linestyle=(0, (4, 3)))
    panel.set_xticks(range(len(shown)), [time for time, _ in shown], rotation=35, ha="right")
    panel.set(ylabel="share of inputs that drifted", ylim=(0, 1), xlim=(-0.5, len(shown) - 0.5))
    alt = f"Share of inputs that drifted by look, limit {limit:.0%}: " + ", ".join(
        f"{time} {share:.0%}" for time, share in shown
    )
    return Drawing("drift_by_look", title, alt, made)
