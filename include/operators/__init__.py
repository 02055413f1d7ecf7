"""The operators of a step: what they share, and a child process."""
