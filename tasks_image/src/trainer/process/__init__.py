"""Processes of steps: a fork server that has imported the libraries, and its client."""
