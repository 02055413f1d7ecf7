"""A cluster as a fixture, for any folder of tests that imports it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes.cluster import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of one node, with one namespace that enforces the restricted standard."""
    with Cluster() as running:
        yield running
