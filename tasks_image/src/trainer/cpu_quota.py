"""CPU quotas of Linux control groups, which a container is given beside the view of all cores of its machine."""

from __future__ import annotations

from pathlib import Path

SYSTEM, PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cpu_quota(system: Path = SYSTEM, process: Path = PROCESS) -> float | None:
    """Return how many CPU cores the least quota of this process's control groups gives; None if none limits it.

    Version 2 keeps `cpu.max` in each group, version 1 `cpu.cfs_quota_us` and `cpu.cfs_period_us`
    (https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/scheduler/sched-bwc.html).
    """
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return None
    quotas: list[float] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += [quota for folder in _upwards(system, path) if (quota := _version_2(folder)) is not None]
        elif "cpu" in controllers.split(","):
            mount = next((system / name for name in (controllers, "cpu") if (system / name).is_dir()), system)
            quotas += [quota for folder in _upwards(mount, path) if (quota := _version_1(folder)) is not None]
    return min(quotas, default=None)


def _upwards(mount: Path, path: str) -> list[Path]:
    """A group's folder and those of the groups around it; only the mount itself if the path is not visible here."""
    folder = mount / path.lstrip("/")
    inside = [folder, *folder.parents] if ".." not in path.split("/") and folder.is_dir() else [mount]
    return [one for one in inside if one == mount or mount in one.parents]


def _version_2(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _cores(quota, period)


def _version_1(folder: Path) -> float | None:
    return _cores(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _cores(quota: str, period: str) -> float | None:
    if not (quota.isdigit() and period.isdigit() and int(quota) and int(period)):  # "max" and -1 are no limit
        return None
    return int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
