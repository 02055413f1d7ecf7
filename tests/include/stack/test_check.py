"""`make stack-check`: it starts the stack, trains in it, and waits for the mail; without an engine it exits with 2."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from include.stack.__main__ import main
from include.stack.docker import Docker
from include.stack.env_file import read_env
from include.stack.health import main as health
from include.stack.up import PORTS
from tests.include.stack.conftest import FakeDocker, container

Said = pytest.CaptureFixture[str]
CHECK = 'compose exec -T airflow-scheduler airflow dags test churn_training --conf {"algorithms": ["lightgbm"], "trials": 3}'
HEALTH = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}, "triggerer": {"status": None}}


class Answers(BaseHTTPRequestHandler):
    """Answers with `content`; each question brings a mail more."""

    content: str | None = None
    mails = 0

    def do_GET(self) -> None:
        Answers.mails += 1
        body = (self.content or json.dumps({"messages": [{"ID": f"mail-{self.mails}"}]})).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server on a free port, which ends with the test."""
    monkeypatch.setattr(Answers, "content", None)
    monkeypatch.setattr(Answers, "mails", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def stack(server: ThreadingHTTPServer, docker: Docker, fake: FakeDocker, project: Path) -> Docker:
    """A stack that is up, with a mail catcher."""
    file = project / ".env"
    old = read_env(file)["MAIL_PORT"]
    file.write_text(file.read_text().replace(f"MAIL_PORT={old}", f"MAIL_PORT={server.server_port}"))
    running = [container(name) for name in PORTS]
    fake.has(*running, before=True)
    fake.has(*running)
    return docker


def test_a_run_in_the_stack(stack: Docker, fake: FakeDocker, capfd: Said) -> None:
    assert main(["check"], stack) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("The stack works: a run of churn_training ended well")
    assert fake.calls[-1] == CHECK


def test_a_run_that_fails(stack: Docker, fake: FakeDocker, capfd: Said) -> None:
    fake.answers(other=1)
    assert main(["check"], stack) == 2
    assert capfd.readouterr().err == "the run of churn_training failed; its log is above\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"messages": []}', "its mail did not arrive; make logs SERVICE=mail"),
        ("[]", "the mail catcher did not answer at http://localhost:"),
        ("<html>", "the mail catcher did not answer at http://localhost:"),
    ],
    ids=["no mail", "list", "html"],
)
def test_a_mail_that_does_not_arrive(
    stack: Docker, capfd: Said, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    monkeypatch.setattr(Answers, "content", content)
    assert main(["check"], stack) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "component", "code", "said"),
    [
        (json.dumps(HEALTH), "metadatabase", 0, "metadatabase: healthy"),
        (json.dumps(HEALTH), "scheduler", 1, "scheduler: unhealthy"),
        (json.dumps(HEALTH), "triggerer", 1, "triggerer: None"),
        (json.dumps(HEALTH), "dag_processor", 1, "dag_processor: unknown: KeyError: 'dag_processor'"),
        ("<html>", "scheduler", 1, "scheduler: unknown: JSONDecodeError"),
    ],
    ids=["healthy", "unhealthy", "never started", "absent", "not JSON"],
)
def test_the_health_of_a_part_of_airflow(
    server: ThreadingHTTPServer, capsys: Said, monkeypatch: pytest.MonkeyPatch, content: str, component: str, code: int, said: str
) -> None:  # fmt: skip
    monkeypatch.setattr(Answers, "content", content)
    assert health(component, f"http://127.0.0.1:{server.server_port}") == code
    assert capsys.readouterr().out.startswith(said)


def test_an_api_that_does_not_answer_is_not_healthy(capsys: Said) -> None:
    assert health("scheduler", "http://127.0.0.1:9") == 1
    assert capsys.readouterr().out.startswith("scheduler: unknown: URLError")
