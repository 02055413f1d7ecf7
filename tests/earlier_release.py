"""A home as release 0.1.0 left it before its modules were moved: a run that was promoted, its model and MLflow's store.

It was made at /tmp/earlier-00000000, by a small run of the churn pipeline on the built-in sample, without plots and pages.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from trainer.registry.origin import model_digest
from trainer.run.flow import STEPS
from trainer.run.made_from import digest_of

ARCHIVE = Path(__file__).with_name("fixtures") / "earlier_release.tar.xz"
MADE_AT = "/tmp/earlier-00000000"
"""As long as the folder that it is unpacked into, so that addresses can be replaced inside a database."""


def unpack() -> Path:
    """A fresh copy, in whose files, records and database the address of the home is its own; whoever asks removes it."""
    home = Path(tempfile.mkdtemp(prefix="earlier-", dir="/tmp"))
    assert len(str(home)) == len(MADE_AT)
    with tarfile.open(ARCHIVE) as archive:
        members = [member.replace(name=member.name.partition("/")[2]) for member in archive if "/" in member.name]
        archive.extractall(home, members, filter="data")
    model = next((home / "artifacts").rglob("MLmodel")).parent
    records = [home / "runs/churn/run-1" / step / "result.json" for step in STEPS]
    records[6:8] = [record.parent / "logistic" / record.name for record in records[6:8]]  # of `tune` and `train`
    known = [record for record in records if record.exists()]
    before = [model_digest(model), *(digest_of(record.read_text()) for record in known)]
    _replace(home, MADE_AT, str(home))
    _replace(home, before[0], model_digest(model))
    for record, digest in zip(known, before[1:], strict=True):
        _replace(home, digest, digest_of(record.read_text()))
    return home


def _replace(home: Path, old: str, new: str) -> None:
    for file in home.rglob("*"):
        if file.is_file() and old.encode() in (content := file.read_bytes()):
            file.write_bytes(content.replace(old.encode(), new.encode()))
