"""The programs behind `make run`, `make ui` and `make check`."""
