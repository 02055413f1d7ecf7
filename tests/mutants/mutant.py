"""Mutants: deliberate faults in the product, and the tests that must detect them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from trainer.pipeline import Spec, parse_yaml

FILE = Path(__file__).with_name("mutants.yaml")


class Mutant(Spec):
    """A fault in one file of the product."""

    file: str
    """Path of the file, relative to the project."""
    find: str
    """Source text that occurs exactly once in the file."""
    replace: str
    """Source text that takes its place."""
    tests: list[str] = Field(min_length=1)
    """Pytest node ids, of which at least one must fail."""
    why: str
    """Harm to users."""

    def apply(self, source: str) -> str:
        """Return the mutated source. Raise ValueError unless `find` occurs exactly once."""
        if (count := source.count(self.find)) != 1:
            raise ValueError(f"expected {self.find!r} once in {self.file}, found it {count} times; update `find`")
        return source.replace(self.find, self.replace)


def load_mutants(file: Path = FILE) -> dict[str, Mutant]:
    """Return the mutants by id. Raise ConfigurationError if the file is wrong."""
    document = parse_yaml(file.read_text(encoding="utf-8"), file.name)
    return {name: Mutant.model_validate(fields) for name, fields in document.items()}
