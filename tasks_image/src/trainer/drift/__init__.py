"""Drift of the data: effect sizes, and their distribution by chance."""
