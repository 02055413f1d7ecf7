"""Names of run folders."""

from __future__ import annotations

import re

import pytest

from trainer.run import run_key
from trainer.run.key import LONGEST_READABLE_PART


@pytest.mark.parametrize(
    ("run_id", "key"),
    [
        pytest.param(
            "manual__2026-01-04T02:00:00+00:00",
            "manual__2026-01-04T02-00-00-00-00-748016e69a446a101ea6911f6a438d42",
            id="manual",
        ),
        pytest.param("../../etc/passwd", "etc-passwd-3754d6cb3a38e1185e5b382d5f3ef3f1", id="path"),
        pytest.param("   ", "-0aad7da77d2ed59c396c99a74e49f3a4", id="blank"),
    ],
)
def test_keys(run_id: str, key: str) -> None:
    assert run_key(run_id) == key


@pytest.mark.parametrize("run_id", ["a/b", "a:b+c", "é ü", "x" * 500, "..", "a\nb", "scheduled__2026", ""])
def test_a_key_is_a_harmless_folder_name(run_id: str) -> None:
    key = run_key(run_id)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", key)
    assert not key.startswith(".")
    assert len(key) <= LONGEST_READABLE_PART + 33


def test_ids_that_look_alike_have_different_keys() -> None:
    alike = ["a:b", "a+b", "a-b", "a b", "x" * 100, "x" * 101]
    assert len({run_key(run_id) for run_id in alike}) == len(alike)


def test_a_key_is_the_same_every_time() -> None:
    assert run_key("manual__1") == run_key("manual__1")
