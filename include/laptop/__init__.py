"""What `make run`, `make ui` and `make check` start."""
