"""The cluster's own fixtures."""

from tests.kubernetes.fixtures import cluster, core

__all__ = ["cluster", "core"]
