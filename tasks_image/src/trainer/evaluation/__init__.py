"""Judging a model: metrics, comparison, segments, behaviour, importance and acceptance."""
