"""Changes to a step's record, as if the steps after it had read the changed one."""

from __future__ import annotations

import json
from typing import Any

from trainer.run import RunFolder
from trainer.run.made_from import digest_of

RESULT = "result.json"


def change_record(folder: RunFolder, **values: Any) -> None:
    """Change values of the record of a step's folder."""
    _rewrite(folder, {**json.loads(folder.read_text(RESULT)), **values})


def _rewrite(folder: RunFolder, record: dict[str, Any]) -> None:
    path, before = _path(folder), digest_of(folder.read_text(RESULT))
    folder.write_json(RESULT, record)
    after = digest_of(folder.read_text(RESULT))
    for later in _records(folder.at("")):
        found = json.loads(later.read_text(RESULT))
        if found.get("made_from", {}).get(path) == before:
            _rewrite(later, {**found, "made_from": {**found["made_from"], path: after}})


def _path(folder: RunFolder) -> str:
    return folder.path().removeprefix(f"{folder.root}/")


def _records(run: RunFolder) -> list[RunFolder]:
    """The folders of all steps that are done."""
    found = [path.removeprefix(f"{run.root}/").split("/")[:-1] for path in run.filesystem.find(run.root)
             if path.endswith(f"/{RESULT}")]  # fmt: skip
    return [run.at(step, *(algorithm[:1])) for step, *algorithm in found if len(algorithm) <= 1]
