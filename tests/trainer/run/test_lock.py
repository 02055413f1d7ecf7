"""The lock: one holder at a time, on a file system and in an object store, and none for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import OutageError
from trainer.run import RunFolder, lock
from trainer.run.lock import Lease, locked


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    """Where a lock lies; it does not exist yet."""
    if request.param == "local":
        return RunFolder.open(str(tmp_path / "locks" / "model"))
    return RunFolder.open(f"s3://{request.getfixturevalue('s3_bucket')}/locks/model")


def leases(folder: RunFolder) -> list[str]:
    return sorted(
        str(path).rpartition("/")[2] for path in folder.filesystem.ls(folder.root, detail=False, refresh=True)
    )


def left_by_a_killed_holder(folder: RunFolder, seconds: float) -> None:
    folder.write_text("00000001.json", Lease(owner="run-1", until=time.time() + seconds).model_dump_json())


def test_many_at_once_hold_it_one_after_the_other(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "POLL_SECONDS", 0.01)
    inside, most, ready = 0, 0, threading.Barrier(4)

    def hold(number: int) -> None:
        nonlocal inside, most
        ready.wait()
        with locked(folder, f"run-{number}") as held:
            inside += 1
            most = max(most, inside)
            held.check()
            time.sleep(0.02)
            inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(4)))
    assert most == 1
    assert leases(folder) == ["00000004.json"]


@pytest.mark.parametrize("text", ["", '{"owner": "run-1"}'], ids=["empty", "no-lease"])
def test_a_file_that_holds_no_lease_is_not_taken_for_a_free_lock(folder: RunFolder, text: str) -> None:
    folder.write_text("00000007.json", text)
    with pytest.raises(
        OutageError, match=rf"00000007.json cannot be read \({len(text)} characters, .* remove this file"
    ):
        locked(folder, "run-2").__enter__()
    assert leases(folder) == ["00000007.json"]


def test_a_lease_that_has_expired_is_taken_over_and_its_holder_is_told(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_SECONDS", 1.0)
    with locked(folder, "run-1") as first:
        first.check()
        time.sleep(1)
        with pytest.raises(OutageError, match="was held for longer than 1 s"):
            first.check()
        monkeypatch.setattr(lock, "LEASE_SECONDS", 300.0)
        with locked(folder, "run-2") as second:
            second.check()
            with pytest.raises(OutageError, match="another run may have it now"):
                first.check()
    assert leases(folder) == ["00000002.json"]


def test_the_next_try_of_a_killed_holder_does_not_wait(folder: RunFolder) -> None:
    left_by_a_killed_holder(folder, 100)
    with locked(folder, "run-1") as held:
        held.check()


def test_another_run_waits_and_names_the_holder(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.1)
    left_by_a_killed_holder(folder, 100)
    with (
        caplog.at_level("INFO"),
        pytest.raises(OutageError, match=r"was not to be had in 0\.2 s; run-1 holds it"),
        locked(folder, "run-2"),
    ):
        pytest.fail("the lock was held")
    assert caplog.text.count("waiting for run-1, which holds the lock") == 1
    assert leases(folder) == ["00000001.json"]


def test_a_number_that_was_removed_is_no_lock(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that looked before two others came and went must not hold the lock beside a third."""
    left_by_a_killed_holder(folder, -1)
    newest = lock._newest
    looked: list[tuple[int, Lease | None]] = []

    def look(at: RunFolder) -> tuple[int, Lease | None]:
        found = newest(at)
        if not looked:
            looked.append(found)
            folder.filesystem.rm_file(folder.path("00000001.json"))
            folder.write_text("00000003.json", Lease(owner="run-3", until=0).model_dump_json())
        return found

    monkeypatch.setattr(lock, "_newest", look)
    with locked(folder, "run-2") as held:
        held.check()
        assert leases(folder)[-1] == "00000004.json"
