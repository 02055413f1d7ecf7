"""Batch scoring: the version, the rows that it takes, its answers, and where they are published."""
