"""A step ends with the process that started it; real processes, really killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from trainer.process.parent_death import VARIABLE

# A step that has started a process of its own; both end by themselves after a minute.
STEP = """
    import os, pathlib, subprocess, sys, time
    from trainer.process.parent_death import VARIABLE, stop_with_parent
    stop_with_parent()
    assert VARIABLE not in os.environ
    own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pathlib.Path(sys.argv[1] + ".part").write_text(f"{os.getpid()} {own.pid}")
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    time.sleep(60)
"""
# A scheduler that holds the step's standard input open.
PARENT = """
    import subprocess, sys
    step = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdin=subprocess.PIPE, start_new_session=True)
    step.wait()
"""
PATIENCE = 20


def wait_for(condition: object, seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not count."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("stops", [True, False], ids=["asked-to-stop", "not-asked"])
def test_a_step_ends_when_its_parent_is_killed(tmp_path: Path, stops: bool) -> None:
    pids_file = tmp_path / "pids"
    environment = {**os.environ, VARIABLE: "1"} if stops else {k: v for k, v in os.environ.items() if k != VARIABLE}
    code = textwrap.dedent(PARENT)
    parent = subprocess.Popen([sys.executable, "-c", code, textwrap.dedent(STEP), str(pids_file)], env=environment)
    pids: list[int] = []
    try:
        assert wait_for(pids_file.exists)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        assert all(map(is_alive, pids))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        ended = wait_for(lambda: not any(map(is_alive, pids)), PATIENCE if stops else 1)
        assert ended == stops
        assert all(is_alive(pid) != stops for pid in pids)
    finally:
        for pid in [parent.pid, *pids]:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_with_its_parent_alive_a_step_ends_as_usual() -> None:
    code = "from trainer.process.parent_death import stop_with_parent; stop_with_parent(); print('done'); raise SystemExit(3)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, VARIABLE: "1"},
    ) as step:
        assert step.stdout is not None
        assert step.stdout.read() == "done\n"
        assert step.wait() == 3


def has_ended(pid: int) -> bool:
    """Whether a process ends within some seconds; its parent may leave it as a zombie."""
    for _ in range(500):
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False


ENDS_WITH = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import os, sys, time; from trainer.process.parent_death import die_with;"
    " die_with(os.getppid()); print('watching', flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_process_dies_with_another_one() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDS_WITH], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert has_ended(child)


def test_a_process_dies_at_once_where_the_other_one_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    code = f"import time; from trainer.process.parent_death import die_with; die_with({ended.pid}); time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
