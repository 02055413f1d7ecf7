"""A training that several processes have to equal."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def alone() -> tuple[list[Any], Any]:
    """The reports and the result of one process."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")
    from tests.trainer.training.networks.rank_plans import plan
    from tests.trainer.training.networks.test_loop import digits
    from trainer.training.networks.together import train_in_processes

    reports: list[Any] = []
    torch.set_num_threads(1)
    return reports, train_in_processes(plan(), digits(seed=1), 1, reports.append)
