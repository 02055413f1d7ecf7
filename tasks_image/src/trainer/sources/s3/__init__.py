"""Rows of objects in an S3 store."""
