"""The CPU quota is the least of the groups around a process, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.cpu_quota import cpu_quota


def written(root: Path, groups: str, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (root / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys" / name).write_text(f"{text}\n")
    (root / "groups").write_text(f"{groups}\n")
    return root / "sys", root / "groups"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "400000 100000"}, 2.0),
        ("0::/../../other", {"cpu.max": "50000 100000"}, 0.5),
        ("3:cpuset:/\n2:cpu,cpuacct:/d\n0::/", {
            "cpu,cpuacct/d/cpu.cfs_quota_us": "300000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"}, 3.0),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
    ids=["quota", "no-limit", "no-file", "parents", "hidden", "version-1", "version-1-no-limit"],
)  # fmt: skip
def test_the_quota_in_cores(tmp_path: Path, groups: str, files: dict[str, str], cores: float | None) -> None:
    assert cpu_quota(*written(tmp_path, groups, files)) == cores


def test_without_control_groups_nothing_is_limited(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None
