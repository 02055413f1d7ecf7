"""Rows of a file on a web server."""
