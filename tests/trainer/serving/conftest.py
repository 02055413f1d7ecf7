"""A router for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer.serving.router_world import RouterWorld


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterWorld]:
    world = RouterWorld(tmp_path)
    world.open()
    yield world
    world.close()
