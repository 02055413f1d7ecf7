"""What the cores and GPUs kept for some work cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, computed_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.environment import Means
    from trainer.run.records import Result

SECONDS_PER_HOUR = 3600


class Cost(BaseModel):
    """US dollars."""

    model_config = ConfigDict(frozen=True)

    cpu_usd: float
    gpu_usd: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total_usd(self) -> float:
        """Cores and GPUs together."""
        return self.cpu_usd + self.gpu_usd

    @property
    def metrics(self) -> dict[str, float]:
        """The figures as MLflow has them."""
        return {"cost_cpu_usd": self.cpu_usd, "cost_gpu_usd": self.gpu_usd, "cost_total_usd": self.total_usd}


class RunCost(Cost):
    """What the steps of a run cost together, as far as that is counted."""

    steps: dict[str, float]
    """US dollars of each step that is counted."""


def cost_of(seconds: float, cores: float, means: Means) -> Cost | None:
    """Cores x rate x hours, plus GPUs x rate x hours, for each node; None where a rate that it takes is not known.

    Cores and GPUs cost for as long as they are kept, whether they are used or not.

    >>> from trainer.environment import Means
    >>> round(cost_of(245.3, 4, Means(cpu_core_hour_rate=0.05)).total_usd, 4)
    0.0136
    >>> cost_of(3600, 4, Means(gpus=1, cpu_core_hour_rate=0.05, gpu_hour_rate=0.25)).metrics
    {'cost_cpu_usd': 0.2, 'cost_gpu_usd': 0.25, 'cost_total_usd': 0.45}
    >>> cost_of(3600, 4, Means(gpus=1, nodes=3, cpu_core_hour_rate=0.05, gpu_hour_rate=0.25)).total_usd
    1.35
    """
    if means.cpu_core_hour_rate is None or (means.gpus and means.gpu_hour_rate is None):
        return None
    hours = means.nodes * seconds / SECONDS_PER_HOUR
    cpu_usd = cores * means.cpu_core_hour_rate * hours
    return Cost(cpu_usd=cpu_usd, gpu_usd=means.gpus * (means.gpu_hour_rate or 0.0) * hours)


def cost_of_run(results: Mapping[str, Result]) -> RunCost | None:
    """What the steps with these results cost, by label; None where no step's cost is counted."""
    steps = {label: result.cost_usd for label, result in results.items() if result.cost_usd is not None}
    gpu_usd = sum(results[label].cost_gpu_usd or 0.0 for label in steps)
    return RunCost(cpu_usd=sum(steps.values()) - gpu_usd, gpu_usd=gpu_usd, steps=steps) if steps else None


def dollars(amount: float) -> str:
    """An amount to read; a small one keeps the digits that tell it from nothing.

    >>> dollars(0.013628), dollars(12.5), dollars(0.0000012), dollars(0.0)
    ('$0.0136', '$12.50', '$0.0000012', '$0')
    """
    if amount == 0:
        return "$0"
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.001 else f"${amount:.10f}".rstrip("0")  # noqa: PLR2004
