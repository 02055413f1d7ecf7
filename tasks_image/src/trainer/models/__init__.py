"""Fitting, scoring and comparing models."""
