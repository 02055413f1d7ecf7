"""An end by SIGTERM; real processes, really signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from tests.trainer.process.test_parent_death import is_alive, wait_for
from trainer.process.sigterm import ENDED, SECONDS_TO_END, ends_on_sigterm, last_words

ANNOUNCED = "SIGTERM: ending within 3 seconds; what is finished stays, and the next try goes on"
BEGIN = """
    import hashlib, os, pathlib, subprocess, sys, time
    from concurrent.futures import ThreadPoolExecutor
    from trainer.process.sigterm import ends_on_sigterm, last_words

    here = pathlib.Path(sys.argv[1])

    def say(text):
        with (here / "said").open("a") as file:
            file.write(text + chr(10))

    def ready(text=""):
        (here / "part").write_text(text)
        os.rename(here / "part", here / "ready")

    def native():  # as long as a fit, lets other threads run, and hears of no signal
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

    def work():
        ready()
        time.sleep(60)
"""
END = """
    with ends_on_sigterm(), last_words(lambda: say("last words")):
        try:
            work()
        finally:
            say("cleaned")
"""
NATIVE = """
    def work():
        ready()
        native()
"""
POOL = """
    def work():
        with ThreadPoolExecutor(1) as pool:  # its end waits for what its threads do
            pool.submit(native)
            ready()
            time.sleep(60)
"""
CHILD = """
    def work():
        own = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
        child = subprocess.Popen([sys.executable, "-c", own], start_new_session=True)
        ready(str(child.pid))
        time.sleep(60)
"""
FORK = """
    def work():
        child = os.fork()
        if child == 0:
            ready(str(os.getpid()))  # it has dropped its parent's handlers by now
            time.sleep(60)
        say(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        time.sleep(0.5)
        say("goes on")
        time.sleep(60)
"""
NO_THREAD = """
    import trainer.process.sigterm
    trainer.process.sigterm._speak_for_main = lambda: None  # as where the block has ended before the thread has begun
"""
DEAF_WORDS = """
    say_before = say
    def say(text):
        say_before(text)
        time.sleep(60)
"""
BROKEN = """
    def work():
        ready()
        try:
            time.sleep(60)
        finally:  # as a library does that has to put something away and was hit while it did
            (here / "gone").unlink()
"""
AGAIN = """
    def work():
        ready()
        try:
            time.sleep(60)
        finally:
            say("cleaning")
            time.sleep(1)
"""


class Begun:
    """A process that has come to its work."""

    def __init__(self, folder: Path, *parts: str) -> None:
        code = "".join(map(textwrap.dedent, (BEGIN, *parts, END)))
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert wait_for((folder / "ready").exists)

    @property
    def said(self) -> list[str]:
        file = self.folder / "said"
        return file.read_text().splitlines() if file.exists() else []

    def ended(self) -> float:
        """Send SIGTERM to the process alone; the seconds that it took to end."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.mark.alone
def test_the_block_ends_as_by_an_error(tmp_path: Path) -> None:
    with Begun(tmp_path) as begun:
        assert begun.ended() < SECONDS_TO_END
        assert begun.process.returncode == ENDED == 143
        assert begun.said == ["cleaned", "last words"]
        assert begun.process.stderr is not None
        assert begun.process.stderr.read().splitlines() == [ANNOUNCED]


def test_a_block_that_ends_before_the_thread_has_begun_announces_its_end_itself(tmp_path: Path) -> None:
    with Begun(tmp_path, NO_THREAD) as begun:
        begun.ended()
        assert begun.process.stderr is not None
        assert begun.process.stderr.read().splitlines() == [ANNOUNCED]


@pytest.mark.alone
def test_an_error_that_the_signal_has_caused_is_an_end_too(tmp_path: Path) -> None:
    with Begun(tmp_path, BROKEN) as begun:
        assert begun.ended() < SECONDS_TO_END
        assert begun.process.returncode == ENDED
        assert begun.said == ["cleaned", "last words"]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("work", "said"),
    [pytest.param(NATIVE, ["last words"], id="main-thread"), pytest.param(POOL, ["last words"], id="pool")],
)
def test_native_code_that_hears_of_nothing_is_ended_after_the_last_words(
    tmp_path: Path, work: str, said: list[str]
) -> None:
    with Begun(tmp_path, work) as begun:
        assert SECONDS_TO_END - 0.5 < begun.ended() < SECONDS_TO_END + 2
        assert begun.process.returncode == ENDED
        assert begun.said == said


@pytest.mark.alone
def test_last_words_that_do_not_end_are_cut_off(tmp_path: Path) -> None:
    with Begun(tmp_path, NATIVE, DEAF_WORDS) as begun:
        assert begun.ended() < SECONDS_TO_END + 2
        assert begun.process.returncode == ENDED
        assert begun.said == ["last words"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("parts", [(CHILD,), (CHILD, DEAF_WORDS)], ids=["heard", "cut-off"])
def test_children_of_other_sessions_and_theirs_end_too(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with Begun(tmp_path, *parts) as begun:
        child = int((tmp_path / "ready").read_text())
        tasks = Path(f"/proc/{child}/task/{child}/children")
        assert wait_for(lambda: tasks.read_text().strip())
        family = [child, int(tasks.read_text())]
        assert all(map(is_alive, family))
        begun.ended()
        assert begun.process.returncode == ENDED
        assert wait_for(lambda: not any(map(is_alive, family)))


def test_a_signal_to_a_fork_is_the_forks_own(tmp_path: Path) -> None:
    with Begun(tmp_path, FORK) as begun:
        os.kill(int((tmp_path / "ready").read_text()), signal.SIGTERM)
        assert wait_for(lambda: len(begun.said) == 2)
        assert begun.said == ["-15", "goes on"]
        assert begun.process.poll() is None
        begun.ended()
        assert begun.process.returncode == ENDED


@pytest.mark.alone
def test_a_second_signal_does_not_disturb_the_end(tmp_path: Path) -> None:
    with Begun(tmp_path, AGAIN) as begun:
        begun.process.send_signal(signal.SIGTERM)
        assert wait_for(lambda: begun.said)
        assert begun.ended() < SECONDS_TO_END
        assert begun.process.returncode == ENDED
        assert begun.said == ["cleaning", "cleaned", "last words"]


def test_without_a_signal_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM), threading.active_count()
    with ends_on_sigterm(), last_words(lambda: pytest.fail("nothing has ended")):
        assert signal.getsignal(signal.SIGTERM) is not before[0]
        assert any(thread.name == "end-on-sigterm" for thread in threading.enumerate())
    assert wait_for(lambda: (signal.getsignal(signal.SIGTERM), threading.active_count()) == before)


def test_another_threads_block_leaves_the_handlers_alone() -> None:
    found = []

    def work() -> None:
        with ends_on_sigterm():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("code", "expected"), [(ENDED, ["first"]), (0, []), (2, [])])
def test_last_words_are_for_this_end_alone(code: int, expected: list[str]) -> None:
    said: list[str] = []
    with pytest.raises(SystemExit), last_words(lambda: said.append("first")):
        raise SystemExit(code)
    assert said == expected


def test_last_words_that_fail_do_not_hide_the_end(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    def fail() -> None:
        raise OSError("the store is away")

    with pytest.raises(SystemExit) as raised, last_words(lambda: said.append("outer")), last_words(fail):
        raise SystemExit(ENDED)
    assert raised.value.code == ENDED
    assert said == ["outer"]
    assert "on the way out: OSError: the store is away" in caplog.text
