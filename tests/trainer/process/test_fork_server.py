"""Processes forked from a server that has imported libraries: as an interpreter of their own would run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from trainer.process.forked import ForkedProcess, ForkServer, ForkServerEndedError

PATIENCE = 20
Launch = Callable[..., ForkServer]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    """Launches servers whose modules may lie in `tmp_path`; they have to end by themselves after the test."""
    launched: list[ForkServer] = []

    def launch(*modules: str, **environment: str) -> ForkServer:
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        monkeypatch.chdir(tmp_path)
        server = ForkServer.launch(modules, {"PATH": os.environ["PATH"], "PYTHONPATH": path, **environment})
        launched.append(server)
        return server

    # Below a shell that ignores Ctrl-C, as for `make test &`, each process would ignore it too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield launch
    signal.signal(signal.SIGINT, before)
    for server in launched:
        server.close()
        server.wait(PATIENCE)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs a program to its end; returns its exit code and its output."""

    def run(server: ForkServer, program: str, *arguments: str, **environment: str) -> tuple[int, str]:
        with start(server, tmp_path, program, *arguments, **environment) as process:
            return process.wait(PATIENCE), process.stdout.read()

    return run


def start(
    server: ForkServer, folder: Path, program: str, *arguments: str, shared: Any = None, **environment: str
) -> ForkedProcess:
    script = folder / "program.py"
    script.write_text(program)
    return server.start([str(script), *arguments], environment, folder, shared)


def process_of(server: ForkServer) -> psutil.Process:
    assert server._process is not None
    return psutil.Process(server._process.pid)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def test_a_script_gets_its_arguments_environment_and_folder(
    launch: Launch, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    program = "import os, sys; print(sys.argv[1:], sorted(os.environ.items()), os.getcwd(), __name__)"
    assert run(launch(), program, "a", "b c", ONE="1 \udcff") == (
        0,
        f"['a', 'b c'] [('ONE', '1 \\udcff')] {tmp_path} __main__\n",
    )


def test_a_module_is_run_as_the_interpreter_runs_it(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text("import sys; print(__name__, sys.argv[1:], sys.modules['__main__'].__file__)")
    with launch().start(["-m", "named", "x"], {}, tmp_path) as process:
        assert process.stdout.read() == f"__main__ ['x'] {tmp_path}/named.py\n"
        assert process.wait(PATIENCE) == 0


ENDINGS = {
    "done": ("pass", 0, ""),
    "a-number": ("import sys; sys.exit(3)", 3, ""),
    "nothing": ("import sys; sys.exit()", 0, ""),
    "a-text": ("import sys; sys.exit('what is wrong')", 1, "what is wrong\n"),
    "an-error": ("raise ValueError('unexpected')", 1, "ValueError: unexpected\n"),
    "killed": ("import os; os.kill(os.getpid(), 9)", -9, ""),
    "ended": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, ""),
    "no-such-file": ("import os; os.remove(__file__); open(__file__)", 1, "FileNotFoundError"),
    "exit-functions": ("import atexit; atexit.register(print, 'at last')", 0, "at last\n"),
    "a-thread": ("import threading, time; threading.Timer(0.1, print, ['late']).start()", 0, "late\n"),
    "errors-are-output": ("import sys; sys.stderr.write('to stderr')", 0, "to stderr"),
    "an-interruption-is-not-ignored": (
        "import signal; signal.raise_signal(signal.SIGINT)",
        1,
        "KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize(("program", "code", "said"), ENDINGS.values(), ids=ENDINGS.keys())
def test_every_end_is_reported(
    program: str, code: int, said: str, launch: Launch, run: Callable[..., tuple[int, str]]
) -> None:
    ended, output = run(launch(), program)
    assert ended == code
    assert said in output


def test_what_the_server_has_imported_is_there_and_processes_do_not_meet(
    launch: Launch, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "costly.py").write_text("import os\nprocess = os.getpid()\nseen = []\nopen('imported', 'w').close()")
    server = launch("costly")
    wait_for((tmp_path / "imported").exists)
    program = "import costly, os; print(costly.process == os.getppid(), costly.seen); costly.seen.append(1)"
    assert [run(server, program) for _ in range(2)] == [(0, "True []\n")] * 2


def test_random_numbers_are_not_those_of_the_next_process(launch: Launch, run: Callable[..., tuple[int, str]]) -> None:
    server = launch("numpy")
    program = "import numpy, random; print(numpy.random.random(), random.random())"
    first, second = (run(server, program)[1].split() for _ in range(2))
    assert not {*first} & {*second}


def test_a_descriptor_is_shared_by_name(launch: Launch, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    program = "import os; os.write(int(os.environ['HERE']), b'hello')"
    with start(launch(), tmp_path, program, shared={"HERE": writing}) as process:
        assert process.wait(PATIENCE) == 0
    assert os.read(reading, 10) == b"hello"
    os.close(reading)
    os.close(writing)


def test_a_process_holds_nothing_of_the_servers_and_has_a_name(launch: Launch, tmp_path: Path) -> None:
    with start(launch(), tmp_path, "import sys; print('ready', flush=True); sys.stdin.read()") as process:
        assert process.stdout.readline() == "ready\n"
        assert psutil.Process(process.pid).name() == "program"
        assert sorted(file.name for file in Path(f"/proc/{process.pid}/fd").iterdir()) == ["0", "1", "2"]
        assert os.getsid(process.pid) == process.pid
    assert process.wait(0) == 0


def test_its_input_ends_with_its_client(launch: Launch, tmp_path: Path) -> None:
    process = start(launch(), tmp_path, "import sys; sys.stdin.read(); print('nobody waits')")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process._stdin.close()
    assert process.stdout.read() == "nobody waits\n"
    assert process.wait(PATIENCE) == 0
    process.close()


def test_a_client_that_dies_takes_its_processes_with_it(launch: Launch, tmp_path: Path) -> None:
    """The server sees it by the status socket; the process here ignores the end of its input."""
    client = tmp_path / "client.py"
    client.write_text(
        "import sys, time\n"
        "from trainer.process.forked import ForkServer\n"
        "server = ForkServer.inherited(int(sys.argv[1]))\n"
        "process = server.start([sys.argv[2]], {}, '.')\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    server = launch()
    (tmp_path / "program.py").write_text("import subprocess, sys; subprocess.run(['sleep', '600'])")
    command = [sys.executable, str(client), str(server.fileno()), str(tmp_path / "program.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[server.fileno()]) as dying:
        assert dying.stdout is not None
        left = psutil.Process(int(dying.stdout.readline()))
        wait_for(left.children)
        own = left.children()
        dying.kill()
    wait_for(lambda: not any(process.is_running() for process in own))
    wait_for(lambda: not left.is_running())
    assert process_of(server).is_running()


def test_the_server_ends_with_its_last_client_and_kills_what_still_runs(launch: Launch, tmp_path: Path) -> None:
    server = launch()
    process = start(server, tmp_path, "import time; time.sleep(600)")
    server.close()
    assert server.wait(PATIENCE) == 0
    assert process.wait(PATIENCE) == -signal.SIGKILL
    process.close()


def test_a_killed_server_takes_its_processes_with_it_and_says_so_to_the_next(launch: Launch, tmp_path: Path) -> None:
    server = launch()
    process = start(server, tmp_path, "import time; time.sleep(600)")
    seen = psutil.Process(process.pid)
    process_of(server).kill()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    wait_for(lambda: not seen.is_running() or seen.status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(ForkServerEndedError, match="the fork server has ended"):
        start(server, tmp_path, "pass")
    process.close()


def test_requests_and_ends_do_not_wait_for_all_imports(launch: Launch, tmp_path: Path) -> None:
    """A request is answered before the next module, and an end is reported while one is imported."""
    wait = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.01)\n"
    (tmp_path / "first.py").write_text("open('first-imported', 'w').close()\n" + wait.format("requested"))
    (tmp_path / "second.py").write_text("open('second-imported', 'w').close()\n" + wait.format("tested"))
    server = launch("first", "second")
    wait_for((tmp_path / "first-imported").exists)
    threading.Timer(0.2, (tmp_path / "requested").touch).start()  # while the line below waits for an answer
    with start(server, tmp_path, wait.format("second-imported")) as process:
        assert process.wait(PATIENCE) == 0
    (tmp_path / "tested").touch()


def test_a_module_that_cannot_be_imported_does_not_end_the_server(
    launch: Launch, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError")
    assert run(launch("broken", "no_such_module"), "print('well')") == (0, "well\n")
