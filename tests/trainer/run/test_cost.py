"""What work costs."""

from __future__ import annotations

import pytest

from trainer.environment import Means
from trainer.run.cost import Cost, cost_of, cost_of_run, dollars
from trainer.run.records import AnyResult

RATES = {"cpu_core_hour_rate": 0.05, "gpu_hour_rate": 0.25}


@pytest.mark.parametrize(
    ("seconds", "cores", "gpus", "cpu", "gpu"),
    [
        pytest.param(245.3, 4, 0, 0.013628, 0.0, id="four-cores"),
        pytest.param(3600, 1, 1, 0.05, 0.25, id="an-hour-of-each"),
        pytest.param(1800, 0.5, 2, 0.0125, 0.25, id="half-a-core"),
        pytest.param(0, 4, 1, 0.0, 0.0, id="no-time"),
    ],
)
def test_cores_and_gpus_cost_their_rates(seconds: float, cores: float, gpus: int, cpu: float, gpu: float) -> None:
    cost = cost_of(seconds, cores, Means(gpus=gpus, **RATES))
    assert cost is not None
    assert cost.cpu_usd == pytest.approx(cpu, abs=1e-6)
    assert cost.gpu_usd == pytest.approx(gpu)
    assert cost.metrics == {
        "cost_cpu_usd": cost.cpu_usd,
        "cost_gpu_usd": cost.gpu_usd,
        "cost_total_usd": cost.total_usd,
    }
    assert cost.total_usd == pytest.approx(cpu + gpu, abs=1e-6)


@pytest.mark.parametrize(
    ("means", "counted"),
    [
        pytest.param(Means(), False, id="no-rates"),
        pytest.param(Means(gpu_hour_rate=0.25), False, id="no-rate-of-cores"),
        pytest.param(Means(gpus=1, cpu_core_hour_rate=0.05), False, id="no-rate-of-a-gpu-that-is-there"),
        pytest.param(Means(cpu_core_hour_rate=0.05), True, id="no-rate-of-a-gpu-that-is-not-there"),
        pytest.param(Means(cpu_core_hour_rate=0, gpu_hour_rate=0, gpus=1), True, id="for-nothing"),
    ],
)
def test_what_has_no_rate_is_not_counted_as_nothing(means: Means, counted: bool) -> None:
    assert (cost_of(60, 2, means) is not None) == counted


def test_a_run_costs_what_its_counted_steps_do() -> None:
    results = {
        "ingest": AnyResult(cost_usd=0.5, cost_gpu_usd=0.0),
        "train xgboost": AnyResult(cost_usd=2.0, cost_gpu_usd=1.25),
        "decide": AnyResult(),
    }
    cost = cost_of_run(results)
    assert cost is not None
    assert cost.steps == {"ingest": 0.5, "train xgboost": 2.0}
    assert (cost.cpu_usd, cost.gpu_usd, cost.total_usd) == (1.25, 1.25, 2.5)


def test_a_run_without_counted_steps_has_no_cost() -> None:
    assert cost_of_run({"decide": AnyResult(), "start": AnyResult(seconds=3)}) is None
    assert cost_of_run({"start": AnyResult(cost_usd=0.0, cost_gpu_usd=0.0)}) is not None


def test_a_result_of_an_earlier_release_is_read() -> None:
    old = AnyResult.model_validate_json('{"seconds": 2.5, "finished_at": "", "rows": 7}')
    assert (old.cores, old.gpus, old.cost_usd, old.cost_gpu_usd) == (None, 0, None, None)


def test_the_total_is_kept_with_the_parts() -> None:
    assert Cost(cpu_usd=0.25, gpu_usd=0.5).model_dump() == {"cpu_usd": 0.25, "gpu_usd": 0.5, "total_usd": 0.75}


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "$0"), (0.013628, "$0.0136"), (0.000123, "$0.000123"), (1.005, "$1.00"), (1234.5, "$1,234.50")],
)
def test_amounts_are_readable(amount: float, text: str) -> None:
    assert dollars(amount) == text
