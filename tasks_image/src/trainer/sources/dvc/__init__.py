"""Rows that a Git repository pins with DVC."""
