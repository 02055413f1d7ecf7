"""The records of a run while a model that is not confined runs beside them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.errors import ModelRefusedError
from trainer.isolated.sandbox import available
from trainer.run.made_from import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run import RunFolder


@contextlib.contextmanager
def unchanged_records(run: RunFolder) -> Iterator[None]:
    """Raise ModelRefusedError if a JSON record of the run changes during the block.

    A model that is fully confined cannot change one, and nothing is compared.
    """
    if available().is_complete:
        yield
        return
    before = _digests(run)
    yield
    after = _digests(run)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed:
        raise ModelRefusedError(
            f"while a model was scored, records of the run changed: {', '.join(changed)}. A model's code is not "
            "trusted with them: nothing is promoted; find out which model did it, and start a new run"
        )


def _digests(run: RunFolder) -> dict[str, str]:
    """The SHA-256 of each JSON file of the run, by its path in the run folder."""
    whole = run.at("")
    paths = [str(path) for path in whole.filesystem.find(whole.root) if str(path).endswith(".json")]
    names = [path.removeprefix(f"{whole.root}/") for path in paths]
    return {name: digest_of(whole.read_text(name)) for name in names}
