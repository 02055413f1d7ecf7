"""A model whose code tries each way out of the process that scores it."""

from __future__ import annotations

import ast
import http.server
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.isolated.models import ROWS, Logged, both_ways
from trainer.errors import ModelRefusedError
from trainer.isolated import records, scoring
from trainer.isolated.records import unchanged_records
from trainer.isolated.sandbox import Confinement, available
from trainer.isolated.scoring import score_in_isolation
from trainer.run import RunFolder

pytestmark = pytest.mark.skipif(not available().is_complete, reason="this kernel has no Landlock or no seccomp")

TRY = """
import json, os, resource, signal, socket, subprocess, sys
from pathlib import Path

def attempt(act):
    try:
        return repr(act())
    except OSError as error:
        return type(error).__name__

def connect(kind, address):
    with socket.socket(*kind) as there:
        there.connect(address)
        there.send(b"secret")

PARENT, PORT, SECRET, RECORD, HOME = {parent}, {port}, {secret!r}, {record!r}, {home!r}
raise RuntimeError("attempts " + json.dumps({{
    "parent's environment": attempt(lambda: Path(f"/proc/{{PARENT}}/environ").read_bytes()),
    "parent's memory": attempt(lambda: open(f"/proc/{{PARENT}}/mem", "rb").read(1)),
    "parent's descriptors": attempt(lambda: os.listdir(f"/proc/{{PARENT}}/fd")),
    "read a secret": attempt(lambda: Path(SECRET).read_text()),
    "list a home": attempt(lambda: os.listdir(HOME)),
    "replace a record": attempt(lambda: Path(RECORD).write_text("forged")),
    "truncate a record": attempt(lambda: os.truncate(RECORD, 0)),
    "remove a record": attempt(lambda: os.unlink(RECORD)),
    "link a record": attempt(lambda: os.link(RECORD, "record.json")),
    "write to another folder": attempt(lambda: Path(HOME, "left").write_text("left")),
    "TCP": attempt(lambda: connect((socket.AF_INET, socket.SOCK_STREAM), ("127.0.0.1", PORT))),
    "UDP": attempt(lambda: connect((socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", PORT))),
    "Unix socket": attempt(lambda: connect((socket.AF_UNIX, socket.SOCK_STREAM), HOME + "/socket")),
    "leave the process group": attempt(os.setsid),
    "open a folder to all": attempt(lambda: os.chmod(HOME, 0o777)),
    "date a record back": attempt(lambda: os.utime(RECORD, (0, 0))),
    "limit the parent": attempt(lambda: resource.prlimit(PARENT, resource.RLIMIT_NOFILE, (1, 1))),
    "slow the parent down": attempt(lambda: os.setpriority(os.PRIO_PROCESS, PARENT, 19)),
    "move the parent": attempt(lambda: os.sched_setaffinity(PARENT, {{0}})),
    "signal the parent": attempt(lambda: os.kill(PARENT, signal.SIGCONT)),
    "a child": attempt(lambda: subprocess.run(["/bin/cat", SECRET], capture_output=True).stdout),
}}))
"""
REFUSED = "PermissionError"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a secret and the record of a run, beside what a model may see."""
    (tmp_path / "secret").write_text("planted")
    RunFolder.open(str(tmp_path / "churn" / "run-1")).at("evaluate").write_json("result.json", {"auc_roc": 0.7})
    return tmp_path


@pytest.fixture
def listener() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def hostile(logged: Logged, tmp_path: Path) -> Callable[[str], str]:
    """The address of a model that runs a program while it is loaded."""

    def make(program: str) -> str:
        shutil.copytree(logged.folder, tmp_path / "model")
        serving = tmp_path / "model" / "entry_point.py"
        serving.write_text(f"{program}\n{serving.read_text(encoding='utf-8')}", encoding="utf-8")
        return (tmp_path / "model").as_uri()

    return make


@both_ways
def test_no_way_out_is_open(hostile: Callable[[str], str], home: Path, listener: int) -> None:
    record = home / "churn" / "run-1" / "evaluate" / "result.json"
    before = record.read_text()
    program = TRY.format(
        parent=os.getpid(), port=listener, secret=str(home / "secret"), record=str(record), home=str(home)
    )
    with pytest.raises(ModelRefusedError) as raised:
        score_in_isolation(hostile(program), ROWS)
    found = re.search(r"attempts (\{.*?\})", str(raised.value), re.DOTALL)
    assert found is not None, raised.value
    attempts: dict[str, Any] = json.loads(found[1])
    assert attempts.pop("a child") == "b''"
    assert attempts.pop("link a record") == "OSError"  # EXDEV: Landlock's word for it
    assert attempts == dict.fromkeys(attempts, REFUSED)
    assert len(attempts) == 19
    assert record.read_text() == before
    assert not (home / "left").exists()


@both_ways
def test_what_it_leaves_running_is_ended_before_its_answers_are_read(
    hostile: Callable[[str], str], tmp_path: Path
) -> None:
    """A child that holds the output open, ignores signals and goes on writing."""
    program = (
        "import os, signal, time\n"
        "if os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    while True:\n"
        "        open('child', 'w').write(str(os.getpid()))\n"
        "        time.sleep(0.01)\n"
        "while not os.path.exists('child') or not open('child').read():\n"
        "    time.sleep(0.01)\n"
        "print('child', open('child').read())\n"
        "raise RuntimeError('done')"
    )
    with pytest.raises(ModelRefusedError, match="done") as raised:
        score_in_isolation(hostile(program), ROWS)
    child = re.search(r"child (\d+)", str(raised.value))
    assert child is not None
    assert not _runs(int(child[1]))


def _runs(pid: int) -> bool:
    """Whether a process runs; one that was killed may not be waited for yet."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in "ZX":
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("os.mkdir('output.parquet')", "its answers cannot be read: output.parquet is not a regular file"),
        ("open('output.parquet', 'w').write('PAR1')", "its answers cannot be read: "),
        ("os.unlink('output.parquet')", "its answers cannot be read: .*No such file"),
        ("open('stats.json', 'w').write('{')", "what scoring has cost cannot be read: "),
        ("open('stats.json', 'w').write('{\"memory_mb\": -1, \"tried\": null}')", "memory_mb"),
        ("open('stats.json', 'w').write('{\"memory_mb\": NaN, \"tried\": null}')", "memory_mb"),
        ("open('stats.json', 'w').write('[]')", "what scoring has cost cannot be read: "),
        ("open('stats.json', 'w').write('[' * 100_000)", "what scoring has cost cannot be read: "),
    ],
    ids=["folder", "torn", "missing", "no-json", "negative", "nan", "list", "deep"],
)
def test_what_it_hands_over_is_validated(last: str, message: str, hostile: Callable[[str], str]) -> None:
    """It replaces what the script has written, as the last thing before the process ends."""
    remove = "os.unlink('output.parquet')\n    " if "mkdir" in last else ""
    program = f"import atexit, os\ndef last():\n    {remove}{last}\natexit.register(last)"
    with pytest.raises(ModelRefusedError, match=message):
        score_in_isolation(hostile(program), ROWS)


def test_what_it_says_without_end_is_not_kept(hostile: Callable[[str], str]) -> None:
    with pytest.raises(ModelRefusedError) as raised:
        score_in_isolation(hostile("print('x' * 10_000_000, flush=True)\nraise RuntimeError('y' * 100_000)"), ROWS)
    assert len(str(raised.value)) < 2 * scoring.MOST_CHARACTERS


def test_where_nothing_confines_it_the_records_are_compared(
    hostile: Callable[[str], str], home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nothing = Confinement(landlock=0, seccomp=False)
    for module in (records, scoring):
        monkeypatch.setattr(module, "available", lambda: nothing)
    run = RunFolder.open(str(home / "churn" / "run-1"))
    record = run.at("evaluate").path("result.json")
    forge = f"open({record!r}, 'w').write('{{\\\"auc_roc\\\": 0.99}}')"
    assert ast.parse(forge)
    with (
        pytest.raises(ModelRefusedError, match="records of the run changed: evaluate/result.json"),
        unchanged_records(run),
    ):
        score_in_isolation(hostile(forge), ROWS)
    assert "confines a model only in part (Landlock's ABI 0, 3 is needed; seccomp: no)" in caplog.text
